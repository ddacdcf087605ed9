//! Resend's error shape: `{statusCode, name, message}`. Must not decide when one is due.

use serde_json::json;

use crate::emulators::call::Reply;

pub(super) fn error(status: u16, name: &str, message: impl AsRef<str>) -> Reply {
    Reply::new(status, json!({ "statusCode": status, "name": name, "message": message.as_ref() }))
}

/// The error that the provider itself would send with this status.
pub(super) fn injected(status: u16) -> Reply {
    let (name, message) = match status {
        401 => ("restricted_api_key", "This API key is restricted to only send emails."),
        403 => ("invalid_api_key", "API key is invalid."),
        404 => ("not_found", "The requested endpoint does not exist."),
        409 => ("concurrent_idempotent_requests", "Another request with the same idempotency key is in progress."),
        422 => ("invalid_parameter", "The parameter must be valid."),
        429 => ("rate_limit_exceeded", "Too many requests. Please limit the number of requests per second."),
        503 => ("service_unavailable", "The service is unavailable."),
        500.. => ("application_error", "An unexpected error occurred."),
        _ => ("validation_error", "The request is invalid."),
    };
    error(status, name, message)
}
