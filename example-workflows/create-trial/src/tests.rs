//! The workflow against the SDK's test host.

use serde_json::{Value, json};
use stepwell_sdk::testing::{self, Answer, Host, Outcome};

use super::*;

fn run(data: Value, answer: impl FnMut(&testing::Sent) -> Answer + 'static) -> Outcome<Trial> {
    let event: Event<UserCreated> = testing::event("clerk/user.created", &data).unwrap();
    let host = Host::new().config("STRIPE_BASE_URL", "https://api.stripe.com").config("STRIPE_PRICE_ID", "price_1");
    host.answer(answer).run(|| create_trial(event.clone()))
}

fn zoe() -> Value {
    json!({
        "id": "user_1", "first_name": "Zoë", "last_name": "Ek", "primary_email_address_id": "idn_1",
        "email_addresses": [{"id": "idn_1", "email_address": "zoe@example.com"}]
    })
}

fn stripe_answers(sent: &testing::Sent) -> Answer {
    let id = if sent.url.ends_with("/customers") { "cus_1" } else { "sub_1" };
    Answer::json(200, &json!({"id": id, "status": "trialing"}).to_string())
}

fn plain(body: &str) -> String {
    body.replace("%5B", "[").replace("%5D", "]").replace("%40", "@")
}

#[test]
fn a_customer_then_a_subscription() {
    let outcome = run(zoe(), stripe_answers);
    assert_eq!(outcome.result.unwrap(), Trial { customer: "cus_1".into(), subscription: "sub_1".into() });
    let bodies: Vec<_> = outcome.requests.iter().map(|sent| plain(&sent.body)).collect();
    let subscription = "customer=cus_1&items[0][price]=price_1&trial_period_days=14\
        &trial_settings[end_behavior][missing_payment_method]=cancel&metadata[user_id]=user_1";
    assert_eq!(bodies, ["email=zoe@example.com&name=Zo%C3%AB+Ek&metadata[user_id]=user_1", subscription]);
    let keys: Vec<_> = outcome.requests.iter().map(|sent| sent.idempotency_key.as_str()).collect();
    assert_eq!(keys, ["workflow/run/create-customer", "workflow/run/create-subscription"]);
    assert_eq!(outcome.requests[0].header("stripe-version"), Some(stripe::VERSION));
}

#[test]
fn a_failing_subscription_makes_no_second_customer() {
    let mut failures = 2;
    let outcome = run(zoe(), move |sent| {
        let fails = sent.url.ends_with("/subscriptions") && failures > 0;
        failures -= u32::from(fails);
        if fails { Answer::new(500) } else { stripe_answers(sent) }
    });
    assert!(outcome.result.is_ok());
    let customers = outcome.requests.iter().filter(|sent| sent.url.ends_with("/customers")).count();
    assert_eq!((customers, outcome.requests.len()), (1, 4));
}

#[test]
fn a_user_without_address_and_name_gets_a_trial_too() {
    let outcome = run(json!({"id": "user_1", "first_name": null, "last_name": null}), stripe_answers);
    assert!(outcome.result.is_ok());
    assert_eq!(plain(&outcome.requests[0].body), "metadata[user_id]=user_1");
}

#[test]
fn a_price_that_stripe_does_not_know_fails_the_run_with_its_words() {
    let outcome = run(zoe(), |sent| {
        let known = sent.url.ends_with("/customers");
        let problem =
            r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such price"}}"#;
        if known { stripe_answers(sent) } else { Answer::json(400, problem) }
    });
    let error = outcome.result.unwrap_err();
    assert!(error.is_permanent() && error.message().ends_with("No such price"), "{error}");
}
