//! What a frame of the log carries: the rows that a group puts and deletes. Pure puts and deletes, so
//! replaying a frame twice, or over a later state of the same keys followed by the frames that made it,
//! ends in the same rows.
//!
//! `version:1`, then for each row `key length` and `value length + 1, or 0 for a deletion` (both LEB128),
//! then key and value.

use sled::IVec;

use crate::layers::{Group, Layer};

const VERSION: u8 = 1;

/// Appends the payload of a group to a frame's buffer.
pub(crate) fn encode(layer: &Layer, frame: &mut Vec<u8>) {
    frame.push(VERSION);
    for (key, value) in layer {
        put_number(frame, key.len());
        put_number(frame, value.as_ref().map_or(0, |value| value.len() + 1));
        frame.extend_from_slice(key);
        frame.extend_from_slice(value.as_deref().unwrap_or_default());
    }
}

/// Puts what a payload says over a group. Fails, having put some of it, with what is wrong.
pub(crate) fn replay(payload: &[u8], group: &mut Group) -> Result<(), String> {
    let (version, mut rest) = payload.split_first().ok_or("it is empty")?;
    if *version != VERSION {
        return Err(format!("its format version is {version}, this host reads {VERSION}"));
    }
    while !rest.is_empty() {
        let (key, value) = (take_number(&mut rest)?, take_number(&mut rest)?);
        let key = take(&mut rest, key)?.to_vec();
        let value = match value.checked_sub(1) {
            Some(length) => Some(IVec::from(take(&mut rest, length)?)),
            None => None,
        };
        group.put(key, value);
    }
    Ok(())
}

pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(crate) fn take_number(bytes: &mut &[u8]) -> Result<usize, &'static str> {
    let mut number = 0_usize;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("it is cut off")?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("it has a length that is none")
}

pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or("it is cut off")?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        let mut group = Group::default();
        group.put(b"deleted".to_vec(), None);
        group.put(b"empty".to_vec(), Some(IVec::from(b"")));
        group.put(vec![7; 300], Some(IVec::from(vec![9; 70_000])));
        group
    }

    #[test]
    fn what_was_put_and_deleted_is_replayed() {
        let mut payload = Vec::new();
        encode(&group().layer, &mut payload);
        let mut replayed = Group::default();
        replay(&payload, &mut replayed).unwrap();
        assert_eq!(replayed.layer, group().layer);
        assert_eq!(replayed.bytes, group().bytes);
    }

    #[test]
    fn a_cut_or_unknown_payload_is_refused_and_never_panics() {
        let mut payload = Vec::new();
        encode(&group().layer, &mut payload);
        let whole = |end: &usize| {
            let mut replayed = Group::default();
            replay(&payload[..*end], &mut replayed).is_ok()
        };
        // Between rows nothing is cut: the frame's checksum is what says that all are there.
        assert_eq!((0..payload.len()).filter(whole).count(), 3);
        assert!(replay(&[2], &mut Group::default()).unwrap_err().contains("version is 2"));
        assert!(replay(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &mut Group::default()).is_err());
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let mut group = Group::default();
        group.put(b"a".to_vec(), Some(IVec::from(b"bc")));
        group.put(b"d".to_vec(), None);
        let mut payload = Vec::new();
        encode(&group.layer, &mut payload);
        assert_eq!(payload, [1, 1, 3, b'a', b'b', b'c', 1, 0, b'd']);
    }
}
