//! Signs a delivery as a sender would, for `stepwell webhooks test` and for tests. Must not be
//! used on the way in.

use secrecy::{ExposeSecret, SecretString};
use stepwell_core::Timestamp;
use svix::webhooks::Webhook;
use thiserror::Error;

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    #[error("the secret is not base64 behind whsec_")]
    Secret,
    #[error("the body is not UTF-8")]
    Body,
}

/// The headers that make `body` a delivery of this id, sent at `at`.
pub fn sign(
    secret: &SecretString,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<[(&'static str, String); 3], SignError> {
    let webhook = Webhook::new(secret.expose_secret().trim_ascii()).map_err(|_| SignError::Secret)?;
    let seconds = at.as_millis() / 1_000;
    let signature = webhook.sign(id, seconds, body).map_err(|_| SignError::Body)?;
    Ok([("svix-id", id.to_owned()), ("svix-timestamp", seconds.to_string()), ("svix-signature", signature)])
}
