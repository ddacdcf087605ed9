//! Stripe's error shape: `{error: {type, code, message, param}}`. Must not decide when one
//! is due.

use serde_json::{Map, Value, json};

use crate::emulators::call::Reply;

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Error {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl Error {
    pub(super) fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, message: message.into(), param: None }
    }

    /// 400 `invalid_request_error`.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(super) fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(super) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub(super) fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    /// What a path names: 404.
    pub(super) fn no_such(kind: &str, id: &str) -> Self {
        let message = format!("No such {kind}: '{id}'");
        Self::new(404, "invalid_request_error", message).code("resource_missing").param("id")
    }

    /// The error that the provider itself would send with this status.
    pub(super) fn injected(status: u16) -> Self {
        match status {
            400 => Self::invalid("Invalid request."),
            401 => Self::new(status, "invalid_request_error", "Invalid API Key provided."),
            402 => Self::new(status, "card_error", "Your card was declined.").code("card_declined"),
            409 => Self::new(
                status,
                "invalid_request_error",
                "This object cannot be accessed right now because another API request is accessing it.",
            )
            .code("lock_timeout"),
            429 => Self::new(status, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit"),
            500.. => Self::new(status, "api_error", "Sorry! There was an error while talking to Stripe."),
            _ => Self::new(status, "invalid_request_error", "The request was refused."),
        }
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        let mut object = Map::new();
        object.insert("type".into(), Value::from(error.kind));
        object.insert("message".into(), Value::from(error.message));
        if let Some(code) = error.code {
            object.insert("code".into(), Value::from(code));
        }
        if let Some(param) = error.param {
            object.insert("param".into(), Value::from(param));
        }
        Self::new(error.status, json!({ "error": object }))
    }
}
