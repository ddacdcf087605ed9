//! Deliveries as Clerk sends them: a sample of the real ones, signed with true time.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};
use stepwell_core::Timestamp;
use stepwell_ingress::{samples, sign};

use crate::clock::now_ms;
use crate::config::SECRET;
use crate::wire::{Answer, Request, once};

/// One delivery; sent again, it is a duplicate of the first.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub source: String,
    pub id: String,
    pub body: Bytes,
    pub secret: String,
}

impl Delivery {
    /// Of this type (`user.created`), about a user whose primary address is `{user}@example.com`.
    pub fn clerk(kind: &str, id: &str, user: &str) -> Result<Self> {
        let sample = samples::get(&format!("clerk/{kind}")).with_context(|| format!("there is no sample of {kind}"))?;
        let mut envelope: Value = serde_json::from_str(sample.envelope()).context("a sample is JSON")?;
        if let Some(data) = envelope.get_mut("data") {
            personalise(data, user);
        }
        Ok(Self::of("clerk", id, &envelope))
    }

    /// Of a type of the source `test`, whose prefix is `test/`.
    pub fn test(kind: &str, id: &str, data: &Value) -> Self {
        Self::of("test", id, &json!({"type": kind, "data": data, "timestamp": now_ms()}))
    }

    fn of(source: &str, id: &str, envelope: &Value) -> Self {
        let body = Bytes::from(envelope.to_string());
        Self { source: source.to_owned(), id: id.to_owned(), body, secret: SECRET.to_owned() }
    }

    /// The request, signed now.
    pub fn request(&self) -> Result<Request> {
        let secret = SecretString::from(self.secret.clone());
        let signed = sign(&secret, &self.id, Timestamp::from_millis(now_ms()), &self.body)?;
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(signed);
        Ok(Request { method: "POST", path: format!("/webhooks/{}", self.source), headers, body: self.body.clone() })
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, intake: SocketAddr) -> Result<Answer> {
        once(intake, &self.request()?).await
    }
}

fn personalise(data: &mut Value, user: &str) {
    let primary = data.get("primary_email_address_id").cloned().unwrap_or_default();
    if let Some(id) = data.get_mut("id") {
        *id = json!(format!("user_{user}"));
    }
    if let Some(name) = data.get_mut("first_name") {
        *name = json!(user);
    }
    let addresses = data.get_mut("email_addresses").and_then(Value::as_array_mut);
    let address = addresses.into_iter().flatten().find(|address| address.get("id") == Some(&primary));
    if let Some(text) = address.and_then(|address| address.get_mut("email_address")) {
        *text = json!(format!("{user}@example.com"));
    }
}
