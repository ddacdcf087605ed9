//! stepwell-runtime
