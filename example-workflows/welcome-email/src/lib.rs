//! Sends a welcome mail to every new user: one step, by Resend.

mod mail;

use serde::Serialize;
use stepwell_sdk::clerk::UserCreated;
use stepwell_sdk::prelude::*;
use stepwell_sdk::resend;

/// How the run ended.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Welcome {
    /// Resend's id of the mail.
    Sent(String),
    /// Why there was no mail to send.
    Skipped(&'static str),
}

/// Sends a welcome mail to every new user.
#[workflow(id = "welcome-email", name = "Welcome email", on = "clerk/user.created", concurrency = 10)]
fn welcome_email(event: Event<UserCreated>) -> Result<Welcome> {
    let user = &event.data;
    let Some(address) = user.primary_email() else {
        return Ok(Welcome::Skipped("the user has no primary email address"));
    };
    // Outside the step, so that every attempt sends the same body under the same idempotency key.
    let mail = mail::welcome(&config("MAIL_FROM")?, address, user.display_name().as_deref())?;
    let sent = step::run("send-email", || resend::send(&mail))?;
    info!(mail = sent.id, "welcome mail sent");
    Ok(Welcome::Sent(sent.id))
}

component!(welcome_email; asks = resend::asks().var("MAIL_FROM", mail::FROM_DEFAULT));

#[cfg(test)]
mod tests;
