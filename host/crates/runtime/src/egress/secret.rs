//! Placeholders that a guest holds in the place of secrets, and the masking of what comes back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use stepwell_core::id::Seed;

use crate::limits::SECRET_BYTES_MIN;

/// How every placeholder begins.
const MARK: &str = "{{secret:";
/// What stands where a secret was echoed.
const MASK: &str = "[redacted]";

/// The placeholder for `name`, the same on every replay of a run and another in every run.
pub(crate) fn placeholder(seed: &Seed, name: &str) -> String {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
    let part = String::from(seed.part(&format!("secret/{name}")));
    format!("{MARK}{name}:{}}}}}", part.get(..16).unwrap_or_default())
}

/// Puts secrets in the place of their placeholders. Fails with the first placeholder that none is for.
pub(crate) fn fill<'a>(
    seed: &Seed,
    value: &str,
    secrets: impl Iterator<Item = (&'a str, &'a SecretString)>,
) -> Result<Option<String>, String> {
    if !value.contains(MARK) {
        return Ok(None);
    }
    let mut filled = value.to_owned();
    let mut left = value.to_owned();
    for (name, secret) in secrets {
        let placeholder = placeholder(seed, name);
        filled = filled.replace(&placeholder, secret.expose_secret());
        left = left.replace(&placeholder, "");
    }
    match left.split_once(MARK) {
        Some((_, rest)) => Err(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()),
        None => Ok(Some(filled)),
    }
}

/// Finds secrets, as they are and as they are usually written in JSON, URLs and base64.
#[derive(Clone, Debug, Default)]
pub(crate) struct Masks(Vec<SecretString>);

impl Masks {
    pub(crate) fn of<'a>(secrets: impl Iterator<Item = &'a SecretString>) -> Self {
        let mut masks = Vec::new();
        for secret in secrets {
            let text = secret.expose_secret();
            if text.len() < SECRET_BYTES_MIN {
                continue;
            }
            let encoded: String = form_urlencoded(text);
            let in_json = text.replace('\\', "\\\\").replace('"', "\\\"");
            // Some writers of JSON escape the slash too.
            let slashed = in_json.replace('/', "\\/");
            let mut spellings = vec![text.to_owned(), STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text), encoded];
            spellings.extend([in_json, slashed].into_iter().filter(|spelling| spelling != text));
            masks.extend(spellings.into_iter().map(SecretString::from));
        }
        Self(masks)
    }

    pub(crate) fn text(&self, text: String) -> String {
        self.0.iter().fold(text, |text, mask| {
            let mask = mask.expose_secret();
            if text.contains(mask) { text.replace(mask, MASK) } else { text }
        })
    }

    pub(crate) fn bytes(&self, bytes: Bytes) -> Bytes {
        self.0.iter().fold(bytes, |bytes, mask| replace(bytes, mask.expose_secret().as_bytes()))
    }
}

fn replace(bytes: Bytes, mask: &[u8]) -> Bytes {
    let Some(mut at) = find(&bytes, mask) else { return bytes };
    let (mut rest, mut out) = (&bytes[..], Vec::with_capacity(bytes.len()));
    loop {
        let (before, found) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(MASK.as_bytes());
        rest = found.split_at(mask.len()).1;
        match find(rest, mask) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    out.into()
}

fn find(bytes: &[u8], mask: &[u8]) -> Option<usize> {
    let first = *mask.first()?;
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.map(|(at, _)| at).find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(mask)))
}

fn form_urlencoded(text: &str) -> String {
    reqwest::Url::parse_with_params("http://x/", [("", text)])
        .ok()
        .and_then(|url| url.query().and_then(|query| query.strip_prefix('=')).map(str::to_owned))
        .unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        Seed::try_from("ab".repeat(32)).unwrap()
    }

    #[test]
    fn placeholders_are_filled_where_there_is_a_secret() {
        let (seed, key) = (seed(), SecretString::from("sk_live_1234"));
        let held = || [("KEY", &key)].into_iter();
        let placed = placeholder(&seed, "KEY");
        assert_eq!(fill(&seed, &format!("Bearer {placed}"), held()), Ok(Some("Bearer sk_live_1234".to_owned())));
        assert_eq!(fill(&seed, "Bearer x", held()), Ok(None));
        assert_eq!(fill(&seed, &placeholder(&seed, "OTHER"), held()), Err("OTHER".to_owned()));
        let another = Seed::try_from("cd".repeat(32)).unwrap();
        assert_eq!(fill(&seed, &placeholder(&another, "KEY"), held()), Err("KEY".to_owned()));
    }

    #[test]
    fn a_secret_that_looks_like_a_placeholder_is_no_placeholder() {
        let (seed, key) = (seed(), SecretString::from("{{secret:odd"));
        let filled = fill(&seed, &placeholder(&seed, "KEY"), [("KEY", &key)].into_iter());
        assert_eq!(filled, Ok(Some("{{secret:odd".to_owned())));
    }

    #[test]
    fn echoes_are_masked_in_each_spelling() {
        let secret = SecretString::from("s3cr/et+key");
        let masks = Masks::of([&secret].into_iter());
        for echo in ["s3cr/et+key", "czNjci9ldCtrZXk=", "czNjci9ldCtrZXk", "s3cr%2Fet%2Bkey", "s3cr\\/et+key"] {
            let masked = masks.bytes(format!("<{echo}><{echo}>").into());
            assert_eq!(masked, "<[redacted]><[redacted]>".as_bytes(), "{echo}");
            assert_eq!(masks.text(format!("a{echo}b")), "a[redacted]b");
        }
        assert_eq!(masks.bytes(Bytes::from_static(b"s3cr")), "s3cr".as_bytes());
    }
}
