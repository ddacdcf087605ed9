//! Every bound of the intake, with its arithmetic. No logic.

/// A body, in bytes as they come: 1 MiB, fifty times what Clerk advises for a payload (20 kB).
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// What of a body is an ordinary payload: more than the 20 kB that Clerk advises.
pub const BODY_ORDINARY_BYTES: usize = 32 << 10;
/// All that is held at once of bodies up to there: as much as the 4,096 connections of the listener
/// can bring, 128 MiB, so that it is never the first to run out.
pub const BODIES_ORDINARY_BYTES_MAX: usize = 4_096 * BODY_ORDINARY_BYTES;
/// All that is held at once of bodies beyond there: that of 66 of the largest. Large bodies that
/// stall use this up and keep no ordinary one out. Beyond either 503.
pub const BODIES_BYTES_MAX: usize = 64 * BODY_BYTES_MAX;
/// Containers within containers in a body. serde_json, which the host and Rust guests read data
/// with, stops at 128; data is shown to guests inside one object, as it is in the envelope.
pub const JSON_DEPTH_MAX: usize = 127;
/// A delivery's id, in characters. A `msg_` of Svix has 31.
pub const DELIVERY_ID_BYTES_MAX: usize = 128;
/// Digits of a timestamp in seconds: 12 last until the year 33658.
pub const TIMESTAMP_DIGITS_MAX: usize = 12;
/// How far a timestamp may lie from now, either way, in seconds: what Svix's libraries take.
pub const TOLERANCE_S: i64 = 300;
/// Signatures in one header: one for each of at most 10 old keys of Svix, the new one, and a few
/// of other versions.
pub const SIGNATURES_MAX: usize = 16;
/// The signature header. 16 Ed25519 signatures are 16 x (4 + 88 + 1) = 1,488 bytes.
pub const SIGNATURE_HEADER_BYTES_MAX: usize = 4 << 10;
/// Secrets of one source. Each costs an HMAC of the body: 8 x 1 MiB are some 30 ms.
pub const SECRETS_MAX: usize = 8;
/// A source's name.
pub const SOURCE_NAME_BYTES_MAX: usize = 64;
/// Rejections that are kept of deliveries whose signature did not hold, and as many again of those
/// whose did: 2 x 1,000 x about 400 bytes = 800 kB at the most.
pub const REJECTIONS_MAX: usize = 1_000;
/// What a rejection keeps of a text that a stranger chose, in characters.
pub const REJECTION_TEXT_MAX: usize = 64;
