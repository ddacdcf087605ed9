//! Asks every new user after a week how it goes: a sleep of seven days, then one mail by Resend.

mod mail;

use serde::Serialize;
use stepwell_sdk::clerk::UserCreated;
use stepwell_sdk::prelude::*;
use stepwell_sdk::resend;

/// How the run ended.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CheckIn {
    /// Resend's id of the mail.
    Sent(String),
    /// Why there was no mail to send.
    Skipped(&'static str),
}

/// Asks every new user after a week how it goes.
#[workflow(id = "drip-check-in", name = "Drip check-in", on = "clerk/user.created")]
fn drip_check_in(event: Event<UserCreated>) -> Result<CheckIn> {
    let user = &event.data;
    // Known now and not otherwise in a week, so nobody sleeps for nothing.
    let Some(address) = user.primary_email() else {
        return Ok(CheckIn::Skipped("the user has no primary email address"));
    };
    step::sleep("wait-a-week", days(7));
    let mail = mail::check_in(&config("MAIL_FROM")?, address, user.display_name().as_deref())?;
    let sent = step::run("send-check-in", || resend::send(&mail))?;
    info!(mail = sent.id, "check-in mail sent");
    Ok(CheckIn::Sent(sent.id))
}

component!(drip_check_in; asks = resend::asks().var("MAIL_FROM", mail::FROM_DEFAULT));

#[cfg(test)]
mod tests;
