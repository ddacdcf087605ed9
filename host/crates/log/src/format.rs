//! The bytes of a segment, numbers little-endian.
//!
//! A segment: `magic:8 "SWLOG\0\0\0"  version:4  reserved:4  first frame:8  crc32c:4  reserved:4` (32 bytes),
//! then frames. A frame: `magic:4 "SWFR"  length:4  number:8  first frame of its segment:8  crc32c:4`
//! (28 bytes), then `length` bytes of payload. A checksum covers everything else in its header, and
//! a frame's the payload too. The number of its segment in every frame keeps a block of an older file,
//! which a file system may show after a crash, from being taken for one of this.

use crate::limits::PAYLOAD_BYTES_MAX;

/// What this version writes, and the only one it reads.
pub(crate) const VERSION: u32 = 1;
pub(crate) const SEGMENT_HEADER: usize = 32;
pub(crate) const FRAME_HEADER: usize = 28;
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"SWFR";
const SEGMENT_MAGIC: [u8; 8] = *b"SWLOG\0\0\0";

/// Why bytes are no header of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Of another version; its checksum may be elsewhere.
    Version(u32),
    Damaged(&'static str),
}

/// The header of a segment whose first frame has this number.
pub(crate) fn segment_header(first: u64) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    let parts = [&SEGMENT_MAGIC[..], &VERSION.to_le_bytes(), &[0; 4], &first.to_le_bytes()].concat();
    let crc = crc32c::crc32c(&parts).to_le_bytes();
    header.iter_mut().zip(parts.iter().chain(&crc)).for_each(|(byte, part)| *byte = *part);
    header
}

/// The number of the first frame, of a segment's header.
pub(crate) fn read_segment_header(header: &[u8]) -> Result<u64, BadHeader> {
    let Some((parts, rest)) = header.split_at_checked(24) else { return Err(BadHeader::Damaged("it is too short")) };
    if !parts.starts_with(&SEGMENT_MAGIC) {
        return Err(BadHeader::Damaged("it does not begin as a log does"));
    }
    let version = u32_at(parts, 8).unwrap_or_default();
    if version != VERSION {
        return Err(BadHeader::Version(version));
    }
    if u32_at(rest, 0) != Some(crc32c::crc32c(parts)) {
        return Err(BadHeader::Damaged("the checksum of its header does not match"));
    }
    u64_at(parts, 16).ok_or(BadHeader::Damaged("it is too short"))
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) number: u64,
    pub(crate) segment: u64,
    crc: u32,
}

impl FrameHeader {
    /// The header at the beginning of these bytes, if they could be one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let header = bytes.get(..FRAME_HEADER).ok_or("a frame's header is cut off")?;
        if !header.starts_with(&FRAME_MAGIC) {
            return Err("no frame begins here");
        }
        let short = "a frame's header is cut off";
        let length = u32_at(header, 4).ok_or(short)? as usize;
        if length > PAYLOAD_BYTES_MAX {
            return Err("a frame's length is beyond what one may have");
        }
        Ok(Self {
            length,
            number: u64_at(header, 8).ok_or(short)?,
            segment: u64_at(header, 16).ok_or(short)?,
            crc: u32_at(header, 24).ok_or(short)?,
        })
    }

    /// Whether header and payload are as they were written.
    pub(crate) fn check(&self, payload: &[u8]) -> bool {
        self.crc == checksum(self.length, self.number, self.segment, payload)
    }
}

/// A whole frame: `payload` behind its header, for which the first 28 bytes are left free.
pub(crate) fn seal_frame(frame: &mut [u8], number: u64, segment: u64) {
    let Some((header, payload)) = frame.split_at_mut_checked(FRAME_HEADER) else { return };
    let crc = checksum(payload.len(), number, segment, payload);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let parts: [&[u8]; 5] =
        [&FRAME_MAGIC, &length.to_le_bytes(), &number.to_le_bytes(), &segment.to_le_bytes(), &crc.to_le_bytes()];
    header.iter_mut().zip(parts.concat()).for_each(|(byte, part)| *byte = part);
}

fn checksum(length: usize, number: u64, segment: u64, payload: &[u8]) -> u32 {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&length), &number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, &segment.to_le_bytes()), payload)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEADER];
        frame.extend(payload);
        seal_frame(&mut frame, 7, 5);
        frame
    }

    fn is_good(bytes: &[u8]) -> bool {
        FrameHeader::read(bytes)
            .is_ok_and(|header| bytes.len() == FRAME_HEADER + header.length && header.check(&bytes[FRAME_HEADER..]))
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_seen() {
        let good = frame(b"payload");
        assert!(is_good(&good));
        for bit in 0..good.len() * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&damaged), "bit {bit}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_segment_header_is_seen() {
        let good = segment_header(9);
        assert_eq!(read_segment_header(&good), Ok(9));
        for bit in 0..28 * 8 {
            let mut damaged = good;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read_segment_header(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let golden = [0x53, 0x57, 0x4c, 0x4f, 0x47, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(segment_header(9)[..24], golden);
        let golden = [0x53, 0x57, 0x46, 0x52, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(frame(b"hi")[..24], golden);
        assert_eq!(frame(b"hi")[28..], *b"hi");
    }
}
