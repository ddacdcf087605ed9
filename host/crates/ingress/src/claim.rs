//! What a delivery's head claims: id, time and signatures, proven well formed and fresh. Must not
//! look at the body, and proves nothing about who sent it.

use http::HeaderMap;
use stepwell_core::Timestamp;

use crate::cause::Cause;
use crate::limits::{
    DELIVERY_ID_BYTES_MAX, SIGNATURE_HEADER_BYTES_MAX, SIGNATURES_MAX, TIMESTAMP_DIGITS_MAX, TOLERANCE_S,
};

/// Names of the three headers, in two families: Svix's own, and that of Standard Webhooks.
struct Family {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

const SVIX: Family = Family { id: "svix-id", timestamp: "svix-timestamp", signature: "svix-signature" };
const STANDARD: Family = Family { id: "webhook-id", timestamp: "webhook-timestamp", signature: "webhook-signature" };

/// The three headers as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Texts<'h> {
    id: &'h str,
    timestamp: &'h str,
    signature: &'h str,
}

/// A head that is well formed and fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'h> {
    /// Without a dot, so that id and body cannot be split anew under one signature.
    pub(crate) id: &'h str,
    /// Seconds since 1970. Its digits are exactly those that came: no sign, no leading zero.
    pub(crate) sent_s: i64,
    signature: &'h str,
}

impl<'h> Claim<'h> {
    /// Reads the claim out of the headers, stricter than Svix's libraries do.
    pub(crate) fn read(headers: &'h HeaderMap, now: Timestamp) -> Result<Self, Cause> {
        let texts = match (family(headers, &SVIX)?, family(headers, &STANDARD)?) {
            (None, None) => return Err(Cause::HeaderMissing),
            (Some(texts), None) | (None, Some(texts)) => texts,
            (Some(svix), Some(standard)) if svix == standard => svix,
            (Some(_), Some(_)) => return Err(Cause::FamiliesDisagree),
        };
        check_id(texts.id)?;
        let sent_s = seconds(texts.timestamp)?;
        check_fresh(sent_s, now)?;
        check_signatures(texts.signature)?;
        Ok(Self { id: texts.id, sent_s, signature: texts.signature })
    }

    /// The entries `v1,<base64>`. Those of other versions are not for us.
    pub(crate) fn signatures(&self) -> impl Iterator<Item = &'h str> {
        entries(self.signature).filter(|entry| is_v1(entry))
    }

    /// When it was sent, as signed.
    pub(crate) fn sent_at(&self) -> Timestamp {
        Timestamp::from_millis(self.sent_s.saturating_mul(1_000))
    }
}

/// The lengths of id, timestamp and signature headers of the first family that has any.
pub(crate) fn sizes(headers: &HeaderMap) -> (usize, usize, usize) {
    let size = |name: &str| headers.get_all(name).iter().map(|value| value.len()).sum::<usize>();
    let of = |family: &Family| (size(family.id), size(family.timestamp), size(family.signature));
    match of(&SVIX) {
        (0, 0, 0) => of(&STANDARD),
        sizes => sizes,
    }
}

/// The delivery's id as it came, whether or not it is one.
pub(crate) fn id_as_sent(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(SVIX.id).or_else(|| headers.get(STANDARD.id)).map(http::HeaderValue::as_bytes)
}

fn family<'h>(headers: &'h HeaderMap, names: &Family) -> Result<Option<Texts<'h>>, Cause> {
    match (one(headers, names.id)?, one(headers, names.timestamp)?, one(headers, names.signature)?) {
        (Some(id), Some(timestamp), Some(signature)) => Ok(Some(Texts { id, timestamp, signature })),
        (None, None, None) => Ok(None),
        _ => Err(Cause::HeaderMissing),
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Cause> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Cause::HeaderMalformed),
        (Some(_), Some(_)) => Err(Cause::HeaderRepeated),
    }
}

fn check_id(id: &str) -> Result<(), Cause> {
    let fits = (1..=DELIVERY_ID_BYTES_MAX).contains(&id.len());
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    (fits && plain).then_some(()).ok_or(Cause::IdMalformed)
}

/// A leading zero is refused too: two spellings of one number would share one signature.
fn seconds(text: &str) -> Result<i64, Cause> {
    let fits = (1..=TIMESTAMP_DIGITS_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|b| b.is_ascii_digit()) || text.starts_with('0') {
        return Err(Cause::TimestampMalformed);
    }
    text.parse().map_err(|_| Cause::TimestampMalformed)
}

/// In whole seconds, as Svix's libraries compare.
fn check_fresh(sent_s: i64, now: Timestamp) -> Result<(), Cause> {
    let age_s = now.as_millis() / 1_000 - sent_s;
    if age_s > TOLERANCE_S {
        return Err(Cause::TimestampTooOld);
    }
    if age_s < -TOLERANCE_S {
        return Err(Cause::TimestampTooNew);
    }
    Ok(())
}

fn check_signatures(header: &str) -> Result<(), Cause> {
    if header.len() > SIGNATURE_HEADER_BYTES_MAX {
        return Err(Cause::SignaturesTooLong);
    }
    if entries(header).count() > SIGNATURES_MAX {
        return Err(Cause::SignaturesTooMany);
    }
    if !entries(header).any(is_v1) {
        return Err(Cause::SignatureVersion);
    }
    Ok(())
}

fn entries(header: &str) -> impl Iterator<Item = &str> {
    header.split(' ').filter(|entry| !entry.is_empty())
}

fn is_v1(entry: &str) -> bool {
    entry.starts_with("v1,")
}
