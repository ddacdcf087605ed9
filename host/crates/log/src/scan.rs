//! Reads one segment: its good frames in order, and where bytes are bad. Decides nothing.

use crate::format::{BadHeader, FRAME_HEADER, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER, read_segment_header};

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Frame {
        offset: usize,
        number: u64,
        payload: &'a [u8],
    },
    /// Bytes from `offset` on are no frame; good ones may come behind them.
    Bad {
        offset: usize,
        reason: &'static str,
    },
}

/// Goes through the bytes of a segment.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    first: u64,
    at: usize,
    bad_header: Option<&'static str>,
}

impl<'a> Scan<'a> {
    /// Of the segment whose name says that this is its first frame. Fails with the version of one that
    /// another version wrote.
    pub(crate) fn new(bytes: &'a [u8], first: u64) -> Result<Self, u32> {
        let bad_header = match read_segment_header(bytes) {
            Ok(said) if said == first => None,
            Ok(_) => Some("its header has another number than its name"),
            Err(BadHeader::Damaged(reason)) => Some(reason),
            Err(BadHeader::Version(version)) => return Err(version),
        };
        Ok(Self { bytes, first, at: if bad_header.is_some() { 0 } else { SEGMENT_HEADER }, bad_header })
    }

    /// The good frame at this place, or why there is none.
    fn frame_at(&self, at: usize) -> Result<(u64, &'a [u8]), &'static str> {
        let header = FrameHeader::read(self.bytes.get(at..).unwrap_or_default())?;
        let from = at + FRAME_HEADER;
        let payload = self.bytes.get(from..from + header.length).ok_or("a frame is cut off")?;
        if !header.check(payload) {
            return Err("a frame's checksum does not match");
        }
        if header.segment != self.first {
            return Err("a frame of another segment is here");
        }
        Ok((header.number, payload))
    }

    /// Where the next good frame begins at or behind `at`.
    fn good_from(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..)?;
        let places = rest.windows(FRAME_MAGIC.len()).enumerate().filter(|(_, bytes)| **bytes == FRAME_MAGIC);
        places.map(|(place, _)| at + place).find(|place| self.frame_at(*place).is_ok())
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        if self.at >= self.bytes.len() && self.bad_header.is_none() {
            return None;
        }
        let reason = match self.bad_header.take() {
            Some(reason) => reason,
            None => match self.frame_at(self.at) {
                Ok((number, payload)) => {
                    let offset = self.at;
                    self.at += FRAME_HEADER + payload.len();
                    return Some(Found::Frame { offset, number, payload });
                }
                Err(reason) => reason,
            },
        };
        let offset = self.at;
        self.at = self.good_from(offset).unwrap_or(self.bytes.len());
        Some(Found::Bad { offset, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{seal_frame, segment_header};

    fn segment(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = segment_header(1).to_vec();
        for (payload, number) in frames.iter().zip(1..) {
            let mut frame = vec![0; FRAME_HEADER];
            frame.extend_from_slice(payload);
            seal_frame(&mut frame, number, 1);
            bytes.extend(frame);
        }
        bytes
    }

    fn found(bytes: &[u8]) -> Vec<String> {
        let name = |found| match found {
            Found::Frame { number, .. } => format!("{number}"),
            Found::Bad { offset, .. } => format!("bad at {offset}"),
        };
        Scan::new(bytes, 1).unwrap().map(name).collect()
    }

    #[test]
    fn good_frames_are_found_behind_bad_bytes() {
        let good = segment(&[b"one", b"two", b"three"]);
        assert_eq!(found(&good), ["1", "2", "3"]);
        let second = SEGMENT_HEADER + FRAME_HEADER + 3;
        for at in second..second + FRAME_HEADER + 3 {
            let mut damaged = good.clone();
            damaged[at] ^= 0x10;
            assert_eq!(found(&damaged), ["1".to_owned(), format!("bad at {second}"), "3".to_owned()], "byte {at}");
        }
        let mut headless = good.clone();
        headless[0] = b'X';
        assert_eq!(found(&headless), ["bad at 0", "1", "2", "3"]);
    }

    #[test]
    fn a_cut_ends_with_bad_bytes_or_between_frames() {
        let good = segment(&[b"one", b"two"]);
        let second = SEGMENT_HEADER + FRAME_HEADER + 3;
        for end in second + 1..good.len() {
            assert_eq!(found(&good[..end]), ["1".to_owned(), format!("bad at {second}")]);
        }
        assert_eq!(found(&good[..second]), ["1"]);
        assert_eq!(found(&[]), ["bad at 0"]);
    }

    #[test]
    fn a_frame_inside_a_payload_is_not_one() {
        let inner = segment(&[b"x"]);
        assert_eq!(found(&segment(&[&inner, b"two"])), ["1", "2"]);
    }

    #[test]
    fn a_newer_version_is_told() {
        let mut bytes = segment(&[]);
        bytes[8] = 2;
        assert_eq!(Scan::new(&bytes, 1).map(|_| ()), Err(2));
    }
}
