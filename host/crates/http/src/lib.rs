//! stepwell-http
