//! The workflow against the SDK's test host.

use serde_json::{Value, json};
use stepwell_sdk::testing::{self, Answer, Host, Outcome};

use super::*;

fn run(data: Value) -> Outcome<CheckIn> {
    let event: Event<UserCreated> = testing::event("clerk/user.created", &data).unwrap();
    let host = Host::new().config("RESEND_BASE_URL", "https://api.resend.com").config("MAIL_FROM", mail::FROM_DEFAULT);
    host.answer(|_| Answer::json(200, r#"{"id":"mail_1"}"#)).run(|| drip_check_in(event.clone()))
}

#[test]
fn the_mail_goes_out_after_a_week() {
    let addresses = json!([{"id": "idn_1", "email_address": "zoe@example.com"}]);
    let outcome = run(json!({"id": "user_1", "primary_email_address_id": "idn_1", "email_addresses": addresses}));
    assert_eq!(outcome.result.unwrap(), CheckIn::Sent("mail_1".into()));
    assert_eq!(outcome.journal, ["wait-a-week slept 7d", "send-check-in done"]);
    assert_eq!(outcome.requests.len(), 1);
    assert!(outcome.requests[0].body.contains("zoe@example.com"));
}

#[test]
fn nobody_without_an_address_is_waited_for() {
    let outcome = run(json!({"id": "user_1"}));
    assert_eq!(outcome.result.unwrap(), CheckIn::Skipped("the user has no primary email address"));
    assert!(outcome.journal.is_empty());
}
