//! The workflow against the SDK's test host.

use serde_json::{Value, json};
use stepwell_sdk::testing::{self, Answer, Host, Outcome};

use super::*;

fn user(fields: Value) -> Event<UserCreated> {
    let mut data = json!({
        "id": "user_1", "first_name": "Zoë", "last_name": null, "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com"},
            {"id": "idn_2", "email_address": "zoe@example.com"}
        ]
    });
    data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    testing::event("clerk/user.created", &data).unwrap()
}

fn run(fields: Value, answer: impl FnMut(&testing::Sent) -> Answer + 'static) -> Outcome<Welcome> {
    let event = user(fields);
    let host = Host::new().config("RESEND_BASE_URL", "https://api.resend.com").config("MAIL_FROM", mail::FROM_DEFAULT);
    host.answer(answer).run(|| welcome_email(event.clone()))
}

#[test]
fn the_primary_address_gets_one_mail() {
    let outcome = run(json!({}), |_| Answer::json(200, r#"{"id":"mail_1"}"#));
    assert_eq!(outcome.result.unwrap(), Welcome::Sent("mail_1".into()));
    assert_eq!(outcome.requests.len(), 1);
    let sent = &outcome.requests[0];
    assert_eq!(
        (sent.url.as_str(), sent.idempotency_key.as_str()),
        ("https://api.resend.com/emails", "workflow/run/send-email")
    );
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["to"], json!(["zoe@example.com"]));
    assert!(body["text"].as_str().unwrap().starts_with("Welcome, Zoë!"));
}

#[test]
fn every_attempt_sends_the_same_body() {
    let mut answers = vec![Answer::json(200, r#"{"id":"mail_1"}"#), Answer::lost(), Answer::new(503)];
    let outcome = run(json!({}), move |_| answers.pop().unwrap());
    assert!(outcome.result.is_ok());
    let bodies: Vec<_> = outcome.requests.iter().map(|sent| (&sent.body, &sent.idempotency_key)).collect();
    assert!(bodies.len() == 3 && bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_user_without_an_address_ends_well_without_a_mail() {
    let outcome = run(json!({"email_addresses": [], "primary_email_address_id": null}), |_| Answer::new(500));
    let output = serde_json::to_value(outcome.result.unwrap()).unwrap();
    assert_eq!(output, json!({"skipped": "the user has no primary email address"}));
    assert!(outcome.requests.is_empty());
}

#[test]
fn a_name_cannot_bring_in_markup() {
    let outcome = run(json!({"first_name": "<b>Zoë</b>"}), |_| Answer::json(200, r#"{"id":"mail_1"}"#));
    let body: Value = serde_json::from_str(&outcome.requests[0].body).unwrap();
    let html = body["html"].as_str().unwrap();
    assert!(!html.contains("<b>") && html.contains("&#60;b&#62;Zoë"), "{html}");
    assert!(body["text"].as_str().unwrap().contains("<b>Zoë</b>"));
}

#[test]
fn a_name_that_is_unknown_is_left_out() {
    let outcome = run(json!({"first_name": null}), |_| Answer::json(200, r#"{"id":"mail_1"}"#));
    assert!(outcome.requests[0].body.contains("Welcome!") && !outcome.requests[0].body.contains("null"));
}
