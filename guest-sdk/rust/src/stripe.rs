//! Customers and subscriptions by Stripe's API (<https://docs.stripe.com/api>), in forms with brackets.
//!
//! Build what is sent outside the step, so that every attempt sends the same: Stripe answers a known
//! idempotency key with other parameters by an error. It keeps a key for at least 24 hours, and with it the
//! first answer, even a 500.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::collections::BTreeMap;
use crate::http::{Form, Request, Response};
use crate::{Asks, Result, Timestamp, config, secret};

/// The config value with the API's base URL.
pub const BASE_URL: &str = "STRIPE_BASE_URL";

/// The secret with the API key.
pub const API_KEY: &str = "STRIPE_API_KEY";

/// The version of the API that this module was written for, sent as `stripe-version`.
pub const VERSION: &str = "2025-09-30.clover";

/// What a component that uses this module asks for: the host in `STRIPE_BASE_URL` (by default
/// `https://api.stripe.com`) and the secret `STRIPE_API_KEY`.
pub fn asks() -> Asks {
    Asks::new().host("$STRIPE_BASE_URL").secret(API_KEY).var(BASE_URL, "https://api.stripe.com")
}

/// A customer to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCustomer {
    /// Where Stripe's mails go; at most 512 characters.
    pub email: Option<String>,
    /// The full name; at most 256 characters.
    pub name: Option<String>,
    /// Up to 50 entries; keys of at most 40, values of at most 500 characters.
    pub metadata: BTreeMap<String, String>,
}

/// A customer, as far as workflows need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: String,
    /// The address, if it has one.
    #[serde(default)]
    pub email: Option<String>,
    /// All else that Stripe answered.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A subscription of one price to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSubscription {
    /// `cus_…`.
    pub customer: String,
    /// `price_…`.
    pub price: String,
    /// Days before the first charge: 1 to 730; none to charge at once.
    pub trial_period_days: Option<u32>,
    /// What happens at the trial's end if there is nothing to charge.
    pub missing_payment_method: Option<MissingPaymentMethod>,
    /// As in [`NewCustomer`].
    pub metadata: BTreeMap<String, String>,
}

/// What happens to a subscription whose trial ends without a payment method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingPaymentMethod {
    /// It is cancelled.
    Cancel,
    /// It rests until there is one.
    Pause,
    /// An invoice is made all the same.
    CreateInvoice,
}

/// A subscription, as far as workflows need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// `trialing`, `active`, `past_due`, ….
    #[serde(default)]
    pub status: String,
    /// The end of the trial in seconds since 1970; see [`Subscription::trial_ends_at`].
    #[serde(default)]
    pub trial_end: Option<u64>,
    /// All else that Stripe answered.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Subscription {
    /// When the trial ends, if it has one.
    pub fn trial_ends_at(&self) -> Option<Timestamp> {
        self.trial_end.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)))
    }
}

impl NewCustomer {
    fn form(&self) -> Form {
        let form = Form::new().field_opt("email", self.email.as_ref()).field_opt("name", self.name.as_ref());
        form.map("metadata", &self.metadata)
    }
}

impl NewSubscription {
    fn form(&self) -> Form {
        let end = self.missing_payment_method.map(|rule| match rule {
            MissingPaymentMethod::Cancel => "cancel",
            MissingPaymentMethod::Pause => "pause",
            MissingPaymentMethod::CreateInvoice => "create_invoice",
        });
        Form::new()
            .field("customer", &self.customer)
            .field("items[0][price]", &self.price)
            .field_opt("trial_period_days", self.trial_period_days)
            .field_opt("trial_settings[end_behavior][missing_payment_method]", end)
            .map("metadata", &self.metadata)
    }
}

/// Creates a customer. Call it inside a step of its own; the host adds the step's idempotency key.
///
/// # Errors
/// To be tried again, after what `retry-after` asks for: 409, 429, 5xx, network faults, and a success that cannot
/// be read. Permanent: all else, and any failure that Stripe repeats from its memory (`idempotent-replayed`),
/// since the same key would only be answered the same again. The message has Stripe's.
pub fn create_customer(customer: &NewCustomer) -> Result<Customer> {
    read(&post("/v1/customers", &customer.form())?)
}

/// Creates a subscription. Call it inside a step of its own; the host adds the step's idempotency key.
///
/// # Errors
/// As [`create_customer`].
pub fn create_subscription(subscription: &NewSubscription) -> Result<Subscription> {
    read(&post("/v1/subscriptions", &subscription.form())?)
}

fn post(path: &str, form: &Form) -> Result<Response> {
    let base = config(BASE_URL)?;
    let request = Request::post(&format!("{}{path}", base.trim_end_matches('/')));
    request.bearer(&secret(API_KEY)).header("stripe-version", VERSION).form(form).send()
}

/// Stripe's error: `{error: {type, code, message, param}}`.
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Problem,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    param: Option<String>,
}

fn read<T: serde::de::DeserializeOwned>(response: &Response) -> Result<T> {
    if response.is_success() {
        return response.json();
    }
    let Answer { error } = response.json().unwrap_or_default();
    let text = format!("stripe answered {}{error}", response.status());
    if response.header("idempotent-replayed") == Some("true") {
        let why = "this is its stored answer for the step's idempotency key, so the same request gains nothing";
        return Err(response.failed_for_good(format!("{text} ({why})")));
    }
    let again = matches!(response.status(), 409 | 429 | 500..);
    Err(if again { response.failed(text) } else { response.failed_for_good(text) })
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for word in [&self.kind, &self.code].into_iter().flatten() {
            write!(f, " {word}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        match &self.param {
            Some(param) => write!(f, " (parameter {param})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, headers: &[(&str, &str)]) -> crate::Error {
        let body = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such price","param":"items[0][price]"}}"#;
        read::<Customer>(&Response::of(status, headers, body)).unwrap_err()
    }

    #[test]
    fn each_status_has_its_meaning() {
        let cases = [
            (400, true),
            (401, true),
            (402, true),
            (403, true),
            (404, true),
            (409, false),
            (429, false),
            (500, false),
            (503, false),
        ];
        for (status, is_permanent) in cases {
            let error = failure(status, &[("retry-after", "2")]);
            assert_eq!(error.is_permanent(), is_permanent, "{status}");
            assert_eq!(error.retry_after().is_some(), !is_permanent, "{status}");
        }
        let text =
            "stripe answered 400 invalid_request_error resource_missing: No such price (parameter items[0][price])";
        assert_eq!(failure(400, &[]).message(), text);
    }

    #[test]
    fn a_failure_from_memory_is_for_good() {
        let error = failure(500, &[("Idempotent-Replayed", "true"), ("retry-after", "2")]);
        assert!(error.is_permanent() && error.message().contains("stored answer"), "{error}");
        assert!(!failure(500, &[("idempotent-replayed", "false")]).is_permanent());
        let replayed = Response::of(200, &[("idempotent-replayed", "true")], r#"{"id":"cus_1"}"#);
        assert_eq!(read::<Customer>(&replayed).unwrap().id, "cus_1");
    }

    #[test]
    fn a_subscription_nests_by_brackets() {
        let subscription = NewSubscription {
            customer: "cus_1".into(),
            price: "price_1".into(),
            trial_period_days: Some(14),
            missing_payment_method: Some(MissingPaymentMethod::Cancel),
            metadata: BTreeMap::from([("user_id".to_owned(), "user_1".to_owned())]),
        };
        let expected = "customer=cus_1&items[0][price]=price_1&trial_period_days=14\
            &trial_settings[end_behavior][missing_payment_method]=cancel&metadata[user_id]=user_1";
        let sent = subscription.form().to_string();
        assert_eq!(sent.replace("%5B", "[").replace("%5D", "]"), expected);
    }

    #[test]
    fn what_is_absent_is_not_sent() {
        assert_eq!(NewCustomer::default().form().to_string(), "");
    }

    #[test]
    fn unknown_fields_are_kept() {
        let body = r#"{"id":"sub_1","status":"trialing","trial_end":1767225600,"currency":"eur"}"#;
        let subscription: Subscription = read(&Response::of(200, &[], body)).unwrap();
        assert_eq!(subscription.other["currency"], "eur");
        assert_eq!(subscription.trial_ends_at().unwrap().to_string(), "2026-01-01T00:00:00.000Z");
    }
}
