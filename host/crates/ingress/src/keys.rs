//! A source's secrets, and the proof that a body was signed with one of them. Must never print a
//! secret, nor tell by its timing how much of a signature was right.
//!
//! `svix::Webhook` computes the signature, and we compare. Its `verify` reads the system's clock,
//! which is a port here; its `verify_ignoring_timestamp` picks the headers again by rules looser
//! than ours (the first of several, `+1` for `1`), so that what it proves would not be what
//! [`Claim`] checked. `sign` is given exactly the checked values. It takes UTF-8 alone, so the signature of
//! another body is computed here, by the same HMAC: who signed it is told what is wrong with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac_sha256::HMAC;
use secrecy::{ExposeSecret, SecretSlice};
use stepwell_core::Timestamp;
use subtle::{Choice, ConstantTimeEq};
use svix::webhooks::Webhook;

use crate::cause::Cause;
use crate::claim::Claim;
use crate::source::Secret;

/// The secrets of one source, ready to use.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    webhook: Webhook,
    bytes: SecretSlice<u8>,
    expires: Option<Timestamp>,
}

/// A delivery whose signature holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified<'a> {
    pub(crate) claim: Claim<'a>,
    pub(crate) body: &'a [u8],
}

/// The number (from 1) of a secret that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadSecret(pub(crate) usize);

impl Keys {
    /// Reads the secrets: base64 with or without `whsec_` before it.
    pub(crate) fn new(secrets: &[Secret]) -> Result<Self, BadSecret> {
        let keys = secrets
            .iter()
            .enumerate()
            .map(|(index, secret)| Key::new(secret).ok_or(BadSecret(index.saturating_add(1))));
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// Proves the claim over this body. Every secret is tried with every signature, whatever
    /// matched before, so that the time it takes tells nothing. A body that is not UTF-8 is no JSON, and
    /// that is said once the signature holds.
    pub(crate) fn verify<'a>(&self, claim: Claim<'a>, body: &'a [u8], now: Timestamp) -> Result<Verified<'a>, Cause> {
        let (mut valid, mut expired) = (Choice::from(0), Choice::from(0));
        for key in &self.0 {
            let matched = key.matches(&claim, body);
            if key.expires.is_some_and(|expires| expires <= now) {
                expired |= matched;
            } else {
                valid |= matched;
            }
        }
        if valid.into() {
            std::str::from_utf8(body).map(|_| Verified { claim, body }).map_err(|_| Cause::BodyNotUtf8)
        } else if expired.into() {
            Err(Cause::SecretExpired)
        } else {
            Err(Cause::SignatureMismatch)
        }
    }
}

impl Key {
    fn new(secret: &Secret) -> Option<Self> {
        let text = secret.secret.expose_secret().trim_ascii();
        let webhook = Webhook::new(text).ok()?;
        let bytes = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
        Some(Self { webhook, bytes: bytes.into(), expires: secret.expires })
    }

    fn matches(&self, claim: &Claim<'_>, body: &[u8]) -> Choice {
        // It fails only where the body is not UTF-8.
        let expected = self.webhook.sign(claim.id, claim.sent_s, body).unwrap_or_else(|_| self.sign_bytes(claim, body));
        let expected = expected.as_bytes();
        claim.signatures().fold(Choice::from(0), |found, entry| found | entry.as_bytes().ct_eq(expected))
    }

    /// What `sign` answers, of any bytes.
    fn sign_bytes(&self, claim: &Claim<'_>, body: &[u8]) -> String {
        let mut mac = HMAC::new(self.bytes.expose_secret());
        mac.update(format!("{}.{}.", claim.id, claim.sent_s));
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn bytes_are_signed_as_text_is() {
        let secret = Secret { secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(), expires: None };
        let key = Key::new(&secret).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [("svix-id", "msg_1"), ("svix-timestamp", "1700000000"), ("svix-signature", "v1,x")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let claim = Claim::read(&headers, Timestamp::from_millis(1_700_000_000_000)).unwrap();
        for body in ["", "{}", "é"] {
            let by_svix = key.webhook.sign(claim.id, claim.sent_s, body.as_bytes()).unwrap();
            assert_eq!(key.sign_bytes(&claim, body.as_bytes()), by_svix);
        }
    }
}
