//! stepwell-testkit
