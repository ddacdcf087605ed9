//! stepwell-bindings
