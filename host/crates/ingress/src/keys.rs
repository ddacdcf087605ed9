//! A source's secrets, and the proof that a body was signed with one of them. Must never print a
//! secret, nor tell by its timing how much of a signature was right.
//!
//! `svix::Webhook` computes the signature, and we compare. Its `verify` reads the system's clock,
//! which is a port here; its `verify_ignoring_timestamp` picks the headers again by rules looser
//! than ours (the first of several, `+1` for `1`), so that what it proves would not be what
//! [`Claim`] checked. `sign` is given exactly the checked values.

use secrecy::ExposeSecret;
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
        let keys = secrets.iter().enumerate().map(|(index, secret)| {
            let webhook = Webhook::new(secret.secret.expose_secret().trim_ascii());
            let webhook = webhook.map_err(|_| BadSecret(index.saturating_add(1)))?;
            Ok(Key { webhook, expires: secret.expires })
        });
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// Proves the claim over this body. Every secret is tried with every signature, whatever
    /// matched before, so that the time it takes tells nothing.
    pub(crate) fn verify<'a>(&self, claim: Claim<'a>, body: &'a [u8], now: Timestamp) -> Result<Verified<'a>, Cause> {
        let (mut valid, mut expired) = (Choice::from(0), Choice::from(0));
        for key in &self.0 {
            let matched = key.matches(&claim, body)?;
            if key.expires.is_some_and(|expires| expires <= now) {
                expired |= matched;
            } else {
                valid |= matched;
            }
        }
        if valid.into() {
            Ok(Verified { claim, body })
        } else if expired.into() {
            Err(Cause::SecretExpired)
        } else {
            Err(Cause::SignatureMismatch)
        }
    }
}

impl Key {
    /// `sign` fails only where the body is not UTF-8. That is no JSON either, whoever signed it.
    fn matches(&self, claim: &Claim<'_>, body: &[u8]) -> Result<Choice, Cause> {
        let expected = self.webhook.sign(claim.id, claim.sent_s, body).map_err(|_| Cause::BodyNotUtf8)?;
        let expected = expected.as_bytes();
        Ok(claim.signatures().fold(Choice::from(0), |found, entry| found | entry.as_bytes().ct_eq(expected)))
    }
}
