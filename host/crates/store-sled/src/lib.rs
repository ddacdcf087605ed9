//! stepwell-store-sled
