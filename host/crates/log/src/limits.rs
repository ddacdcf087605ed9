//! The log's bounds.

/// A segment is left for the next one once it has so many bytes: few enough that dropping one gives back
/// space soon, many enough that its three syncs of a new file are rare (at 10 MB/s, one in 3 s).
pub const SEGMENT_BYTES: u64 = 32 << 20;
/// It is noted after so many frames how far the log is durable, however busy it is: one sync more in 256.
pub const FRAMES_BEFORE_SEAL: u64 = 256;
/// The largest payload of a frame. A longer length in a header is damage, not a wish for memory.
pub const PAYLOAD_BYTES_MAX: usize = 128 << 20;
