//! Looks for a text in all files below a directory, in every form that it may have there.

use std::fs;
use std::path::{Path, PathBuf};

/// The forms in which a text may stand somewhere, each with its name.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let hex = |of: fn(u8) -> String| text.bytes().map(of).collect::<String>().into_bytes();
    let mut forms = vec![
        ("raw", text.as_bytes().to_vec()),
        ("reversed", text.bytes().rev().collect()),
        ("UTF-16, little end first", wide(u16::to_le_bytes)),
        ("UTF-16, big end first", wide(u16::to_be_bytes)),
        ("hexadecimal", hex(|byte| format!("{byte:02x}"))),
        ("HEXADECIMAL", hex(|byte| format!("{byte:02X}"))),
        (
            "in percents",
            hex(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") }),
        ),
        ("in JSON's escapes", hex(|byte| format!("\\u{byte:04x}"))),
    ];
    for skipped in 0..3 {
        forms.push(("base64", base64(text.as_bytes(), skipped, b'+', b'/')));
        forms.push(("base64 for URLs", base64(text.as_bytes(), skipped, b'-', b'_')));
    }
    forms
}

/// What does not depend on the neighbours, where so many bytes of the text belong to a group with others.
fn base64(text: &[u8], skipped: usize, plus: u8, slash: u8) -> Vec<u8> {
    let letter = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => plus,
        _ => slash,
    };
    let groups = text.get(skipped..).unwrap_or_default().chunks_exact(3);
    groups
        .flat_map(|group| {
            let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            [18, 12, 6, 0].map(|shift| letter((bits >> shift & 63) as u8))
        })
        .collect()
}

/// Whether this text stands in these bytes.
fn holds(bytes: &[u8], form: &[u8]) -> bool {
    let Some((first, rest)) = form.split_first() else { return false };
    let mut places = bytes.iter().enumerate().filter(|(_, byte)| *byte == first);
    places.any(|(place, _)| bytes.get(place + 1..).is_some_and(|behind| behind.starts_with(rest)))
}

/// In which forms a text stands in these bytes.
pub fn traces_in(bytes: &[u8], text: &str) -> Vec<&'static str> {
    forms(text).into_iter().filter(|(_, form)| holds(bytes, form)).map(|(name, _)| name).collect()
}

/// What stands before a row's body in its envelope: version, shape, length and checksum.
const ENVELOPE: usize = 1 + 1 + 4 + 4;
/// The largest body in one envelope.
const BODY_BYTES_MAX: usize = 4096;

/// In which forms a text stands in rows that are packed in these bytes, wherever they are: in a database's pages, in
/// a log, in a backup. What `unpack` answers is looked into.
pub fn traces_in_rows(bytes: &[u8], text: &str, unpack: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (place, _) in bytes.iter().enumerate().filter(|(_, version)| **version == 1) {
        let Some(&[_, shape, a, b, c, d]) = bytes.get(place..place + 6) else { continue };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if shape > 4 || length == 0 || length > BODY_BYTES_MAX {
            continue;
        }
        let body = bytes.get(place + ENVELOPE..place + ENVELOPE + length).and_then(&unpack);
        found.extend(body.map(|body| traces_in(&body, text)).unwrap_or_default());
    }
    found
}

/// All files below a directory.
///
/// # Panics
/// Where it cannot be read.
#[expect(clippy::expect_used, reason = "a test's mistake is to be loud")]
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(dir).expect("the directory is there").map(|entry| entry.expect("it can be listed").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Every file below a directory in which a text stands, or by which it is named, and how.
///
/// # Panics
/// Where a file cannot be read.
#[expect(clippy::expect_used, reason = "a test's mistake is to be loud")]
pub fn traces(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        found.extend(
            traces_in(name.as_bytes(), text).into_iter().map(|form| format!("{}: its name, {form}", path.display())),
        );
        if path.is_dir() {
            found.extend(traces(&path, text));
        } else if path.is_file() {
            let bytes = fs::read(&path).expect("it can be read");
            found.extend(traces_in(&bytes, text).into_iter().map(|form| format!("{}: {form}", path.display())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_looked_into_wherever_they_are() {
        let packed = b"~dekram";
        let row = [&[1, 0, 0, 0, 0, 7, 9, 9, 9, 9], packed.as_slice()].concat();
        let unpack = |body: &[u8]| body.strip_prefix(b"~").map(|body| body.iter().rev().copied().collect::<Vec<u8>>());
        for before in 0..30 {
            let bytes = [vec![1; before], row.clone(), vec![1; 5]].concat();
            assert!(traces_in_rows(&bytes, "marked", unpack).contains(&"raw"), "{before}");
            assert!(traces_in_rows(&bytes, "other!", unpack).is_empty());
        }
    }

    #[test]
    fn every_form_is_found_and_nothing_else() {
        for (name, form) in forms("grace+marker@example.com") {
            let around = [b"before ".as_slice(), &form, b" behind"].concat();
            assert!(traces_in(&around, "grace+marker@example.com").contains(&name), "{name}");
            assert!(traces_in(&around, "ada+marker@example.org").is_empty(), "{name}");
        }
        assert!(traces_in(b"xZ3JhY2UrbWFya2VyQGV4YW1wbGUuY29t", "grace+marker@example.com").contains(&"base64"));
    }
}
