//! stepwell-api
