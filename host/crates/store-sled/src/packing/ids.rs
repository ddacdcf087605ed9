//! Ids in the text of a row, shortened. Packing makes little of them, since they are random: an id is 38 characters of
//! text with its quotation marks, of which zstd leaves some twenty bytes. In the place of `"<id>"` stands
//! - `1` where it is the one in the row's key,
//! - `2` and the id's last ten bytes where the first six, which are its time, are those of the one in the key,
//! - `3` and its sixteen bytes otherwise.
//!
//! No JSON text has these bytes: control characters are escaped in it (RFC 8259, section 7). What has them is none, and
//! is left alone.

use memchr::{memchr, memchr3};

const OWN: u8 = 1;
const SAME_TIME: u8 = 2;
const ANY: u8 = 3;
/// Bytes of an id; of those the first that are its time.
const ID: usize = 16;
const TIME: usize = 6;
/// Characters of an id in quotation marks.
const QUOTED: usize = 38;
/// Where its hyphens are, counted from the first quotation mark.
const HYPHENS: [usize; 4] = [9, 14, 19, 24];
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The id in a row's key: behind the byte for its table, in those tables that are about runs and events. Whatever is
/// there in others does as well.
fn of_key(key: &[u8]) -> Option<&[u8; ID]> {
    key.get(1..)?.first_chunk()
}

/// A text with its ids shortened; none if there is nothing to shorten.
pub(super) fn shorten(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    if memchr3(OWN, SAME_TIME, ANY, text).is_some() {
        return None;
    }
    let own = of_key(key);
    let mut short = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = memchr(b'"', rest) {
        // What is no id is copied at once, with the quotation mark that begins none.
        let (plain, quoted) = rest.split_at(at);
        short.extend_from_slice(plain);
        match id_at(quoted) {
            Some(id) => {
                put(&mut short, &id, own);
                rest = quoted.get(QUOTED..).unwrap_or_default();
                found = true;
            }
            None => {
                short.push(b'"');
                rest = quoted.get(1..).unwrap_or_default();
            }
        }
    }
    short.extend_from_slice(rest);
    found.then_some(short)
}

fn put(short: &mut Vec<u8>, id: &[u8; ID], own: Option<&[u8; ID]>) {
    let (time, random) = id.split_at(TIME);
    match own {
        Some(own) if own == id => short.push(OWN),
        Some(own) if own.starts_with(time) => {
            short.push(SAME_TIME);
            short.extend(random);
        }
        Some(_) | None => {
            short.push(ANY);
            short.extend(id);
        }
    }
}

/// The id that a text begins with, in quotation marks.
fn id_at(text: &[u8]) -> Option<[u8; ID]> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let text = text.first_chunk::<QUOTED>()?;
    if text.last() != Some(&b'"') {
        return None;
    }
    let (mut id, mut digits) = ([0; ID], 0);
    for (place, byte) in text.iter().enumerate().skip(1).take(QUOTED - 2) {
        if HYPHENS.contains(&place) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        let half = id.get_mut(digits / 2)?;
        *half = (*half << 4) | digit;
        digits += 1;
    }
    Some(id)
}

/// The text that was shortened to this, or why there is none.
pub(super) fn lengthen(key: &[u8], short: &[u8]) -> Result<Vec<u8>, String> {
    let cut_short = || "an id in it is cut short".to_owned();
    let own = || of_key(key).ok_or_else(|| "it names the id of its key, which has none".to_owned());
    let mut text = Vec::with_capacity(short.len() * 2);
    let mut rest = short;
    loop {
        // Most of it is none: it is copied as it is, at once.
        let plain = memchr3(OWN, SAME_TIME, ANY, rest).unwrap_or(rest.len());
        let (plain, ids) = rest.split_at(plain);
        text.extend_from_slice(plain);
        let Some((&first, behind)) = ids.split_first() else { return Ok(text) };
        rest = behind;
        match first {
            OWN => write(&mut text, own()?),
            SAME_TIME => {
                let (random, behind) = rest.split_first_chunk::<{ ID - TIME }>().ok_or_else(cut_short)?;
                let mut id = *own()?;
                id.split_at_mut(TIME).1.copy_from_slice(random);
                write(&mut text, &id);
                rest = behind;
            }
            ANY => {
                let (id, behind) = rest.split_first_chunk::<ID>().ok_or_else(cut_short)?;
                write(&mut text, id);
                rest = behind;
            }
            other => text.push(other),
        }
    }
}

fn write(text: &mut Vec<u8>, id: &[u8; ID]) {
    let begin = text.len();
    text.push(b'"');
    for byte in id {
        if HYPHENS.contains(&(text.len() - begin)) {
            text.push(b'-');
        }
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN_ID: &str = "01a22896-4b84-76bd-a41a-b1f87fa0edb7";

    fn key() -> Vec<u8> {
        let id = id_at(format!("{OWN_ID:?}").as_bytes()).unwrap();
        [b"J".as_slice(), &id, &[0, 0, 0, 1]].concat()
    }

    #[test]
    fn ids_are_shortened_and_come_back() {
        let text = format!(
            r#"{{"id":"{OWN_ID}","event":"01a22896-4b84-7f7a-ac37-34744ba4a74e","of":["018bcfe5-6800-7101-8101-010101010101"]}}"#
        );
        let short = shorten(&key(), text.as_bytes()).unwrap();
        assert_eq!(text.len() - short.len(), (38 - 1) + (38 - 11) + (38 - 17));
        assert_eq!(lengthen(&key(), &short).unwrap(), text.as_bytes());
        // By another key an id that is not named in full would be another one, and by none there is none.
        assert_ne!(lengthen(&[7; 20], &short).unwrap(), text.as_bytes());
        assert!(lengthen(b"M", &short).is_err());
        let alone = shorten(b"M", text.as_bytes()).unwrap();
        assert_eq!(lengthen(b"M", &alone).unwrap(), text.as_bytes());
    }

    #[test]
    fn what_only_looks_like_an_id_is_left_alone() {
        let others = [
            r#""01A22896-4b84-76bd-a41a-b1f87fa0edb7""#,
            r#""01a22896-4b84-76bd-a41a-b1f87fa0edb""#,
            r#""01a22896x4b84-76bd-a41a-b1f87fa0edb7""#,
            r#""01a22896-4b84-76bd-a41a-b1f87fa0edg7""#,
            "01a22896-4b84-76bd-a41a-b1f87fa0edb7",
            "",
            "\"",
        ];
        for other in others {
            assert_eq!(shorten(&key(), other.as_bytes()), None, "{other}");
        }
        let none = format!("\u{2}{OWN_ID:?}");
        assert_eq!(shorten(&key(), none.as_bytes()), None);
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let text = r#"["01a22896-4b84-7f7a-ac37-34744ba4a74e","018bcfe5-6800-7101-8101-010101010101""#;
        let short = shorten(&key(), text.as_bytes()).unwrap();
        let whole: Vec<usize> = (0..=short.len()).filter(|end| lengthen(&key(), &short[..*end]).is_ok()).collect();
        assert_eq!(whole, [0, 1, 12, 13, 30]);
    }
}
