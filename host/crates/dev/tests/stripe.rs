//! The emulator of Stripe refuses what Stripe refuses, and remembers its answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed assumption fails the test"
)]

mod support;

use serde_json::Value;
use stepwell_dev::emulators::{Fault, Provider};
use support::{Answer, Call, Desk, HOUR_MS, START_MS};

const TRIAL: &str = "&items[0][price]=price_pro&trial_period_days=14\
    &trial_settings[end_behavior][missing_payment_method]=cancel&metadata[user_id]=user_1";

async fn post(desk: &Desk, path: &str, body: &str) -> Answer {
    desk.send(Call::stripe("POST", path).body(body)).await
}

async fn get(desk: &Desk, path: &str) -> Answer {
    desk.send(Call::stripe("GET", path).body("")).await
}

async fn customer(desk: &Desk) -> String {
    let answer = post(desk, "/v1/customers", "email=a%2Bb%40c.test&name=Ada+L&metadata[user_id]=user_1").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, code: &str, param: &str) {
    let error = &answer.body["error"];
    let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
    assert_eq!(
        (answer.status, text("code").as_str(), text("param").as_str()),
        (status, code, param),
        "{}",
        answer.text
    );
    assert!(error["type"].is_string() && error["message"].is_string(), "{}", answer.text);
}

#[tokio::test]
async fn a_trial_is_created_and_ends_with_the_clock() {
    let desk = Desk::new();
    let customer = customer(&desk).await;
    assert!(customer.starts_with("cus_"));
    let made = post(&desk, "/v1/subscriptions", &format!("customer={customer}{TRIAL}")).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let start = START_MS / 1000;
    assert_eq!(made.body["status"], "trialing");
    assert_eq!(made.body["trial_end"], start + 14 * 86_400);
    assert_eq!(made.body["metadata"]["user_id"], "user_1");
    assert_eq!(made.body["items"]["data"][0]["price"]["id"], "price_pro");
    assert!(made.headers["request-id"].to_str().unwrap().starts_with("req_"));
    let path = format!("/v1/subscriptions/{}", made.body["id"].as_str().unwrap());
    for (hours, status) in [(14 * 24 - 1, "trialing"), (1, "canceled")] {
        desk.emulators.advance(hours * HOUR_MS);
        assert_eq!(get(&desk, &path).await.body["status"], status);
    }
    assert_eq!(get(&desk, "/v1/subscriptions").await.body["data"], Value::Array(vec![]));
    assert_eq!(get(&desk, "/v1/subscriptions?status=all").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn customers_are_read_listed_searched_and_deleted() {
    let desk = Desk::new();
    let id = customer(&desk).await;
    let got = get(&desk, &format!("/v1/customers/{id}")).await;
    assert_eq!((got.body["email"].as_str(), got.body["name"].as_str()), (Some("a+b@c.test"), Some("Ada L")));
    let second = customer(&desk).await;
    let page = get(&desk, "/v1/customers?limit=1&email=a%2Bb%40c.test").await;
    assert_eq!(
        (&page.body["data"][0]["id"], &page.body["has_more"]),
        (&Value::from(second.clone()), &Value::from(true))
    );
    let next = get(&desk, &format!("/v1/customers?limit=1&starting_after={second}")).await;
    assert_eq!((&next.body["data"][0]["id"], &next.body["has_more"]), (&Value::from(id.clone()), &Value::from(false)));
    let query = "query=metadata%5B%27user_id%27%5D%3A%27user_1%27+AND+email%3A%27a%2Bb%40c.test%27";
    let found = get(&desk, &format!("/v1/customers/search?{query}")).await;
    assert_eq!(found.body["data"].as_array().map(Vec::len), Some(2), "{}", found.text);
    assert_eq!(desk.send(Call::stripe("DELETE", &format!("/v1/customers/{id}")).body("")).await.body["deleted"], true);
    is_error(&get(&desk, &format!("/v1/customers/{id}")).await, 404, "resource_missing", "id");
}

/// Rows of a body, the code and the parameter of its refusal.
async fn refused(path: &str, rows: &str) {
    let desk = Desk::new();
    let id = customer(&desk).await;
    for row in rows.lines() {
        let mut words = row.split_whitespace();
        let mut word = || words.next().expect("three words").replace("ID", &id);
        let (body, code, param) = (word(), word(), word());
        let body = body.replace("TRIAL", TRIAL);
        is_error(&post(&desk, path, &body).await, 400, &code, &param);
    }
}

#[tokio::test]
async fn a_customers_parameters_are_read_strictly() {
    let rows = "\
        e-mail=a          parameter_unknown e-mail
        email=a           email_invalid     email
        email[x]=a        -                 email
        email=a@b&email=c -                 email
        address[street]=a parameter_unknown address[street]
        metadata[a][b]=c  -                 metadata[a]";
    refused("/v1/customers", rows).await;
    let key = "k".repeat(41);
    let row = format!("metadata[{key}]=a - metadata[{key}]");
    refused("/v1/customers", &row).await;
}

#[tokio::test]
async fn a_subscriptions_parameters_are_read_strictly() {
    let end = "trial_settings[end_behavior][missing_payment_method]";
    let rows = format!(
        "\
        TRIAL                                                     parameter_missing customer
        customer=cus_noneTRIAL                                    resource_missing  customer
        customer=ID&trial_period_days=14                          parameter_missing items
        customer=ID&items[0][price]=gold                          resource_missing  items[0][price]
        customer=ID&items[1][price]=price_a                       -                 items
        customer=ID&items[0][price]=price_a                       resource_missing  -
        customer=ID&items[0][price]=price_a&trial_period_days=0   -                 trial_period_days
        customer=ID&items[0][price]=price_a&trial_period_days=x   parameter_invalid_integer trial_period_days
        customer=ID&items[0][price]=price_a&items[0][quantity]=0  -                 items[0][quantity]
        customer=IDTRIAL&trial_setings=1                          parameter_unknown trial_setings
        customer=ID&items[0][price]=price_a&{end}=x               -                 {end}"
    );
    refused("/v1/subscriptions", &rows).await;
}

#[tokio::test]
async fn what_is_no_form_or_no_endpoint_is_refused() {
    let desk = Desk::new();
    let answer = get(&desk, "/v1/customers?page=1").await;
    is_error(&answer, 400, "parameter_unknown", "page");
    is_error(&post(&desk, "/v1/prices", "").await, 404, "-", "-");
    let json = Call::stripe("POST", "/v1/customers").header("content-type", "application/json");
    is_error(&desk.send(json.body("{}")).await, 400, "-", "-");
}

#[tokio::test]
async fn credentials_version_and_key_are_checked() {
    let desk = Desk::new();
    let call = || Call::stripe("POST", "/v1/customers");
    is_error(&desk.send(call().without("authorization").body("")).await, 401, "-", "-");
    is_error(&desk.send(call().header("authorization", "Bearer re_x").body("")).await, 401, "-", "-");
    is_error(&desk.send(call().header("stripe-version", "latest").body("")).await, 400, "-", "-");
    is_error(&desk.send(call().key(&"k".repeat(256)).body("")).await, 400, "-", "-");
    for version in ["2024-06-20", "2025-03-31.basil"] {
        assert_eq!(desk.send(call().header("stripe-version", version).body("")).await.status, 200);
    }
}

#[tokio::test]
async fn the_first_answer_is_replayed_for_24_hours() {
    let desk = Desk::new();
    let call = |body: &'static str| Call::stripe("POST", "/v1/customers").key("k").body(body);
    let first = desk.send(call("email=a@b.c&name=A")).await;
    let again = desk.send(call("name=A&email=a@b.c")).await;
    assert_eq!(
        (again.status, &again.body, again.headers["idempotent-replayed"].to_str().unwrap()),
        (200, &first.body, "true")
    );
    assert!(first.headers.get("idempotent-replayed").is_none());
    let other = desk.send(call("name=B")).await;
    assert_eq!((other.status, other.body["error"]["type"].as_str()), (400, Some("idempotency_error")));
    assert_eq!(desk.emulators.outbox().customers.len(), 1);
    desk.emulators.advance(24 * HOUR_MS);
    assert_ne!(desk.send(call("email=a@b.c&name=A")).await.body, first.body);
}

#[tokio::test]
async fn a_500_is_stored_and_a_429_and_a_refusal_are_not() {
    let desk = Desk::new();
    let call = |key: &str, body: &'static str| Call::stripe("POST", "/v1/customers").key(key).body(body);
    desk.emulators.put_faults(vec![Fault::status(Provider::Stripe, 500).times(1)]).unwrap();
    for replayed in [false, true, true] {
        let answer = desk.send(call("a", "name=A")).await;
        assert_eq!((answer.status, answer.headers.contains_key("idempotent-replayed")), (500, replayed));
    }
    assert_eq!(desk.send(call("a2", "name=A")).await.status, 200);

    desk.emulators.put_faults(vec![Fault::status(Provider::Stripe, 429).times(1)]).unwrap();
    assert_eq!(desk.send(call("b", "name=B")).await.status, 429);
    assert_eq!(desk.send(call("b", "name=B")).await.status, 200);

    assert_eq!(desk.send(call("c", "nom=C")).await.status, 400);
    assert_eq!(desk.send(call("c", "name=C")).await.status, 200);
    assert_eq!(desk.emulators.outbox().customers.len(), 3);
}

#[tokio::test]
async fn a_fault_may_concern_one_path_only() {
    let desk = Desk::new();
    let fault = Fault {
        path: Some("/v1/subscriptions".into()),
        method: Some("post".into()),
        ..Fault::status(Provider::Stripe, 402)
    };
    desk.emulators.put_faults(vec![fault]).unwrap();
    let id = customer(&desk).await;
    is_error(&post(&desk, "/v1/subscriptions", &format!("customer={id}{TRIAL}")).await, 402, "card_declined", "-");
    assert_eq!(get(&desk, "/v1/subscriptions").await.status, 200);
}
