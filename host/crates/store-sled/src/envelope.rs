//! What every value carries: format version, shape, length, and a CRC32C that also covers the key, so
//! that damage, and a value under another's key, is an error and never data.
//!
//! `version:1 shape:1 length:4 crc32c:4 body`, numbers big-endian; the checksum is over key, the first
//! six bytes and the body. A body that is too large for one key is put as chunks, and its own value
//! then says how many: `chunks:4 length:4 crc32c:4`, the checksum being that of the whole body. The body of a
//! sealed shape is encrypted ([`crate::cipher`]), as a whole before it is put as chunks; the envelope does not look
//! into it.

use std::ops::Range;

use crate::limits::VALUE_BYTES_MAX;

/// The version of the envelope and of all row bodies in it.
const VERSION: u8 = 1;
const HEADER: usize = 10;
/// The largest body under one key.
pub(crate) const BODY_BYTES_MAX: usize = VALUE_BYTES_MAX - HEADER;

/// How a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    /// The body is a [`Chunked`].
    Head,
    Chunk,
    /// As whole, encrypted.
    SealedWhole,
    /// As a head, of a body that is encrypted.
    SealedHead,
}

/// Where a large body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    pub(crate) chunks: u32,
    pub(crate) length: u32,
    pub(crate) crc: u32,
}

impl Shape {
    const fn code(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Head => 1,
            Self::Chunk => 2,
            Self::SealedWhole => 3,
            Self::SealedHead => 4,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Whole),
            1 => Some(Self::Head),
            2 => Some(Self::Chunk),
            3 => Some(Self::SealedWhole),
            4 => Some(Self::SealedHead),
            _ => None,
        }
    }
}

/// A value: the body in its envelope, for this key alone.
pub(crate) fn seal(key: &[u8], shape: Shape, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + body.len());
    value.extend([VERSION, shape.code()]);
    // A body has at most 4 KiB.
    value.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    let crc = checksum(key, &value, body);
    value.extend(crc.to_be_bytes());
    value.extend(body);
    value
}

/// The body of a value, or why it is none.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<(Shape, &'a [u8]), String> {
    let (header, body) = value.split_at_checked(HEADER).ok_or_else(|| format!("it has {} bytes", value.len()))?;
    let (described, _) = header.split_at(6);
    let version = header.first().copied().unwrap_or_default();
    if version != VERSION {
        return Err(format!("its format version is {version}, this host reads {VERSION}"));
    }
    if number(header, 2..6) != u32::try_from(body.len()).ok() {
        return Err(format!("its length is not the {} bytes that are there", body.len()));
    }
    if number(header, 6..10) != Some(checksum(key, described, body)) {
        return Err("its checksum does not match".to_owned());
    }
    let shape = header.get(1).copied().and_then(Shape::of).ok_or("its shape is unknown")?;
    Ok((shape, body))
}

impl Chunked {
    pub(crate) fn of(body: &[u8]) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            chunks: number(body.chunks(BODY_BYTES_MAX).len()),
            length: number(body.len()),
            crc: crc32c::crc32c(body),
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [self.chunks, self.length, self.crc].into_iter().flat_map(u32::to_be_bytes).collect()
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, String> {
        let field = |range| number(body, range).ok_or("its head is too short");
        Ok(Self { chunks: field(0..4)?, length: field(4..8)?, crc: field(8..12)? })
    }

    /// Whether this is the body that was put.
    pub(crate) fn check(self, body: &[u8]) -> Result<(), String> {
        if Self::of(body) == self { Ok(()) } else { Err("its chunks do not match its head".to_owned()) }
    }
}

fn checksum(key: &[u8], described: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(key);
    crc32c::crc32c_append(crc32c::crc32c_append(crc, described), body)
}

fn number(bytes: &[u8], range: Range<usize>) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(range)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_seen() {
        let value = seal(b"key", Shape::Whole, b"body");
        assert_eq!(unseal(b"key", &value), Ok((Shape::Whole, b"body".as_slice())));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(b"key", &damaged).is_err(), "bit {bit}");
        }
        assert!(unseal(b"kez", &value).is_err());
        (0..value.len()).for_each(|n| assert!(unseal(b"key", &value[..n]).is_err()));
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let golden = [1, 0, 0, 0, 0, 4, 0x2d, 0x7b, 0xd2, 0xe3, b'b', b'o', b'd', b'y'];
        assert_eq!(seal(b"key", Shape::Whole, b"body"), golden);
        let shapes = [Shape::Whole, Shape::Head, Shape::Chunk, Shape::SealedWhole, Shape::SealedHead];
        for (code, shape) in shapes.into_iter().enumerate() {
            let value = seal(b"key", shape, b"body");
            assert_eq!((value[1] as usize, unseal(b"key", &value).unwrap().0), (code, shape));
        }
    }

    #[test]
    fn heads_describe_their_chunks() {
        let body = vec![7; BODY_BYTES_MAX * 2 + 1];
        let head = Chunked::of(&body);
        assert_eq!((head.chunks, head.length), (3, body.len() as u32));
        assert_eq!(Chunked::decode(&head.encode()), Ok(head));
        assert!(head.check(&body).is_ok() && head.check(&body[1..]).is_err() && Chunked::decode(&[0; 11]).is_err());
    }
}
