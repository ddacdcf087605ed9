//! Bodies as they are kept: their JSON text or, where that is shorter, the text packed by zstd with a
//! dictionary that knows what rows say. Rows are so alike that a fifth of their bytes is left.
//!
//! A packed body is `1`, then the frame of zstd without its magic number; or `2`, then the same of a text whose ids are
//! shortened ([`ids`]). No JSON text begins with these bytes.
//! A dictionary is never changed: another one gets a number of its own, and this one is kept to read by.
//! [`DICTIONARY_1`] was trained by zstd (16 KiB) with rows of the example workflows for each sample of
//! Clerk's events, all ids, names, times and digests in them replaced by random ones.

mod ids;

use std::borrow::Cow;
use std::sync::{LazyLock, Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;

use crate::limits::{PACKED_BYTES_MIN, UNPACKED_BYTES_MAX};

/// What a body begins with that is packed with the first dictionary.
const PACKED_1: u8 = 1;
/// And with shortened ids.
const SHORTENED_1: u8 = 2;
const DICTIONARY_1: &[u8] = include_bytes!("1.dictionary");
const LEVEL: i32 = 1;
/// What every frame of zstd begins with (RFC 8878, section 3.1.1), and no packed body has.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// A frame's header has at most so many bytes (RFC 8878, section 3.1.1.1).
const HEADER_BYTES_MAX: usize = 18;
/// Contexts that are kept for the next one who packs or unpacks, of up to 200 KiB each.
const CONTEXTS_KEPT: usize = 4;

static PACKERS: LazyLock<Contexts<Compressor<'static>>> = LazyLock::new(Contexts::default);
static UNPACKERS: LazyLock<Contexts<Decompressor<'static>>> = LazyLock::new(Contexts::default);
static ENCODER_1: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY_1, LEVEL));
static DECODER_1: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY_1));

/// Contexts of zstd that nobody uses.
struct Contexts<T>(Mutex<Vec<T>>);

impl<T> Default for Contexts<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T> Contexts<T> {
    fn with<R>(&self, new: impl FnOnce() -> Option<T>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut context = idle.or_else(new)?;
        let result = work(&mut context);
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < CONTEXTS_KEPT {
            idle.push(context);
        }
        Some(result)
    }
}

/// A text as it is kept under this key.
pub(crate) fn pack(key: &[u8], text: Vec<u8>) -> Vec<u8> {
    if text.len() < PACKED_BYTES_MIN {
        return text;
    }
    let new = || {
        let mut packer = Compressor::with_prepared_dictionary(&ENCODER_1).ok()?;
        packer.include_dictid(false).ok().map(|()| packer)
    };
    let (form, shortened) = match ids::shorten(key, &text) {
        Some(short) => (SHORTENED_1, Cow::Owned(short)),
        None => (PACKED_1, Cow::Borrowed(text.as_slice())),
    };
    let packed = PACKERS.with(new, |packer| packer.compress(&shortened));
    drop(shortened);
    match packed {
        Some(Ok(frame)) if frame.len() < text.len() + MAGIC.len() - 1 => {
            frame.strip_prefix(&MAGIC).map(|rest| [&[form], rest].concat()).unwrap_or(text)
        }
        // What does not become shorter, or what zstd has no memory for, is kept as it is.
        Some(Ok(_) | Err(_)) | None => text,
    }
}

/// The text that is kept as this body under this key, or why there is none.
pub fn unpack<'a>(key: &[u8], body: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
    let Some((&form @ (PACKED_1 | SHORTENED_1), rest)) = body.split_first() else { return Ok(Cow::Borrowed(body)) };
    let length = length(rest)?;
    let frame = [&MAGIC, rest].concat();
    let new = || Decompressor::with_prepared_dictionary(&DECODER_1).ok();
    let unpacked = UNPACKERS.with(new, |unpacker| unpacker.decompress(&frame, length));
    match unpacked {
        Some(Ok(text)) if form == SHORTENED_1 => ids::lengthen(key, &text).map(Cow::Owned),
        Some(Ok(text)) => Ok(Cow::Owned(text)),
        Some(Err(error)) => Err(format!("it does not unpack: {error}")),
        None => Err("it does not unpack: there is no memory for it".to_owned()),
    }
}

/// How long the text is that is kept as this body, without unpacking it and with its ids as short as they are kept.
pub(crate) fn unpacked_len(body: &[u8]) -> usize {
    match body.split_first() {
        Some((&(PACKED_1 | SHORTENED_1), rest)) => length(rest).unwrap_or(0),
        Some(_) | None => body.len(),
    }
}

fn length(rest: &[u8]) -> Result<usize, String> {
    let header = [&MAGIC, rest.get(..HEADER_BYTES_MAX).unwrap_or(rest)].concat();
    let said = get_frame_content_size(&header).ok().flatten().and_then(|length| usize::try_from(length).ok());
    match said {
        Some(length) if length <= UNPACKED_BYTES_MAX => Ok(length),
        Some(length) => Err(format!("it says that it unpacks to {length} bytes")),
        None => Err("it does not say to how many bytes it unpacks".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use stepwell_core::Digest;

    use super::*;

    const ENTRY: &str = r#"{"index":0,"call":{"kind":"run","name":"send","options":"e3b0c44298fc1c14"},"state":{"done":{"attempts":[{"number":1,"started_at":1795549182766,"ended_at":1795549182769}],"output":1,"at":1795549182769}}}"#;

    /// Changed bytes would make every row unreadable that was packed with them.
    #[test]
    fn a_dictionary_is_never_changed() {
        let digest = "e84e5d57607dff4b1afbf9f2044fb1e762623daf95eff85573dfda2567e857db";
        assert_eq!(Digest::of(DICTIONARY_1).to_string(), digest);
    }

    #[test]
    fn bodies_come_back_as_they_were() {
        let noise: Vec<u8> = (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let many = format!("[{}]", vec![ENTRY; 5_000].join(","));
        for text in [b"".as_slice(), b"1", b"{}", ENTRY.as_bytes(), many.as_bytes(), &noise, &[7; 1 << 20]] {
            let body = pack(b"M", text.to_vec());
            assert_eq!(unpack(b"M", &body).unwrap(), text);
            assert_eq!(unpacked_len(&body), text.len());
            assert!(body.len() <= text.len());
        }
        let body = pack(b"M", ENTRY.as_bytes().to_vec());
        assert!(body.len() * 4 < ENTRY.len(), "{} of {}", body.len(), ENTRY.len());
    }

    #[test]
    fn a_body_that_does_not_unpack_is_an_error() {
        let body = pack(b"M", ENTRY.as_bytes().to_vec());
        assert!((1..body.len()).all(|end| unpack(b"M", &body[..end]).is_err()));
        // A frame that says of itself that it has 2^62 bytes.
        let bomb = [&[PACKED_1, 0b1110_0000], (1_u64 << 62).to_le_bytes().as_slice(), &[0; 9]].concat();
        assert!(unpack(b"M", &bomb).unwrap_err().contains("bytes"));
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let golden = include_bytes!("1.golden");
        assert_eq!(unpack(b"M", golden).unwrap(), ENTRY.as_bytes());
    }
}
