//! stepwell-ingress
