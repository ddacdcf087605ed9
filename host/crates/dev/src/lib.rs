//! stepwell-dev
