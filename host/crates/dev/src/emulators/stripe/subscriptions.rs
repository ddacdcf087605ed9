//! Subscriptions, whose status follows the emulated clock: a trial ends when its time has
//! come, without anybody touching it. Must not bill.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::emulators::limits::OBJECTS_MAX;
use crate::emulators::state::State;

use super::customers;
use super::error::Error;
use super::lists::Page;
use super::params::Params;

const DAY_S: u64 = 24 * 60 * 60;
/// A month, near enough for a subscription that never bills.
const PERIOD_S: u64 = 30 * DAY_S;
/// Two years, as at Stripe.
const TRIAL_DAYS_MAX: u64 = 730;
/// Prices in one subscription, as at Stripe.
const ITEMS_MAX: usize = 20;

/// A subscription as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// `cus_…`
    pub customer: String,
    /// Unix seconds, by the emulated clock; also the trial's start.
    pub created: u64,
    /// Unix seconds.
    pub trial_end: Option<u64>,
    /// What happens at the trial's end without a payment method: `cancel`, `pause` or
    /// `create_invoice`.
    pub missing_payment_method: String,
    /// What is subscribed to.
    pub items: Vec<Item>,
    /// As given.
    pub metadata: BTreeMap<String, String>,
    /// As given.
    pub description: Option<String>,
    /// As given.
    pub cancel_at_period_end: bool,
    /// Unix seconds, once cancelled by a call.
    pub canceled_at: Option<u64>,
}

/// One price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// `price_…`
    pub price: String,
    /// At least 1.
    pub quantity: u64,
}

impl Subscription {
    /// The status at a time. No customer here has a payment method.
    pub fn status(&self, now_s: u64) -> &'static str {
        match (self.canceled_at, self.trial_end) {
            (Some(_), _) => "canceled",
            (None, None) => "incomplete",
            (None, Some(end)) if now_s < end => "trialing",
            (None, Some(_)) => match self.missing_payment_method.as_str() {
                "cancel" => "canceled",
                "pause" => "paused",
                _ => "past_due",
            },
        }
    }

    pub(super) fn cancel(&mut self, now_s: u64) {
        self.canceled_at.get_or_insert(now_s);
    }

    /// As the API shows it at a time.
    pub(super) fn json(&self, now_s: u64) -> Value {
        let status = self.status(now_s);
        let canceled_at = self.canceled_at.or(self.trial_end).filter(|_| status == "canceled");
        let period_end = self.trial_end.unwrap_or(self.created + PERIOD_S);
        let item = |item: &Item| {
            json!({
                "id": item.id, "object": "subscription_item", "created": self.created, "metadata": {},
                "current_period_start": self.created, "current_period_end": period_end,
                "price": { "id": item.price, "object": "price" },
                "quantity": item.quantity, "subscription": self.id,
            })
        };
        let items: Vec<Value> = self.items.iter().map(item).collect();
        json!({
            "id": self.id, "object": "subscription", "billing_cycle_anchor": period_end,
            "cancel_at": null, "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": canceled_at, "collection_method": "charge_automatically",
            "created": self.created, "currency": "usd", "customer": self.customer,
            "default_payment_method": null, "description": self.description, "ended_at": canceled_at,
            "items": {
                "object": "list", "data": items, "has_more": false, "total_count": items.len(),
                "url": format!("/v1/subscription_items?subscription={}", self.id),
            },
            "latest_invoice": null, "livemode": false, "metadata": self.metadata,
            "pending_setup_intent": null, "schedule": null, "start_date": self.created, "status": status,
            "trial_end": self.trial_end, "trial_start": self.trial_end.map(|_| self.created),
            "trial_settings": { "end_behavior": { "missing_payment_method": self.missing_payment_method } },
        })
    }
}

pub(super) fn create(state: &mut State, mut params: Params) -> Result<Value, Error> {
    let customer = params.needed("customer")?;
    let items = items(&mut params)?;
    let now_s = state.clock.now_s();
    let subscription = Subscription {
        id: String::new(),
        customer,
        created: now_s,
        trial_end: trial_end(&mut params, now_s)?,
        missing_payment_method: missing_payment_method(&mut params)?,
        items,
        metadata: params.metadata()?,
        description: params.text("description")?,
        cancel_at_period_end: params.boolean("cancel_at_period_end")?.unwrap_or(false),
        canceled_at: None,
    };
    params.one_of("collection_method", &["charge_automatically"])?;
    let allowed = ["allow_incomplete", "default_incomplete", "error_if_incomplete"];
    let incomplete = params.one_of("payment_behavior", &allowed)?.as_deref() == Some("default_incomplete");
    params.ignore_expand()?;
    params.done()?;
    admit(state, &subscription, incomplete)?;
    Ok(keep(state, subscription))
}

fn admit(state: &State, subscription: &Subscription, incomplete: bool) -> Result<(), Error> {
    let id = &subscription.customer;
    if customers::find(state, id).is_none() {
        let error = Error::invalid(format!("No such customer: '{id}'"));
        return Err(error.code("resource_missing").param("customer"));
    }
    if subscription.trial_end.is_none() && !incomplete {
        let message = "This customer has no attached payment source or default payment method.";
        return Err(Error::invalid(message).code("resource_missing"));
    }
    if state.subscriptions.len() >= OBJECTS_MAX {
        return Err(Error::new(500, "api_error", format!("The emulator holds at most {OBJECTS_MAX} subscriptions.")));
    }
    Ok(())
}

fn keep(state: &mut State, subscription: Subscription) -> Value {
    let mut subscription = Subscription { id: state.ids.letters("sub_", 24), ..subscription };
    for item in &mut subscription.items {
        item.id = state.ids.letters("si_", 14);
    }
    let json = subscription.json(subscription.created);
    let place = state.place();
    state.subscriptions.insert(place, subscription);
    json
}

fn items(params: &mut Params) -> Result<Vec<Item>, Error> {
    let members = params.members("items")?;
    if members.is_empty() {
        return Err(Error::missing("items"));
    }
    if members.len() > ITEMS_MAX {
        return Err(params.invalid("items", "At most 20 items"));
    }
    members.into_iter().map(item).collect()
}

fn item(mut member: Params) -> Result<Item, Error> {
    let price = member.needed("price")?;
    let letters = price.strip_prefix("price_").unwrap_or_default();
    if letters.is_empty() || !letters.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let error = Error::invalid(format!("No such price: '{price}'")).code("resource_missing");
        return Err(error.param(member.full("price")));
    }
    let quantity = member.integer("quantity")?.unwrap_or(1);
    if quantity == 0 {
        return Err(member.invalid("quantity", "Invalid integer, must be at least 1"));
    }
    member.metadata()?;
    member.done()?;
    Ok(Item { id: String::new(), price, quantity })
}

fn trial_end(params: &mut Params, now_s: u64) -> Result<Option<u64>, Error> {
    let days = params.integer("trial_period_days")?;
    let end = params.integer("trial_end")?;
    match (days, end) {
        (Some(_), Some(_)) => {
            Err(Error::invalid("You may only specify one of these parameters: trial_end, trial_period_days."))
        }
        (Some(days), None) if (1..=TRIAL_DAYS_MAX).contains(&days) => Ok(Some(now_s + days * DAY_S)),
        (Some(_), None) => Err(params.invalid("trial_period_days", "Invalid integer, must be from 1 to 730")),
        (None, Some(end)) if end > now_s && end <= now_s + TRIAL_DAYS_MAX * DAY_S => Ok(Some(end)),
        (None, Some(_)) => Err(params.invalid("trial_end", "Invalid timestamp, must be in the next 730 days")),
        (None, None) => Ok(None),
    }
}

fn missing_payment_method(params: &mut Params) -> Result<String, Error> {
    let default = || "create_invoice".to_owned();
    let Some(mut settings) = params.group("trial_settings")? else {
        return Ok(default());
    };
    let mut chosen = None;
    if let Some(mut end) = settings.group("end_behavior")? {
        chosen = end.one_of("missing_payment_method", &["cancel", "create_invoice", "pause"])?;
        end.done()?;
    }
    settings.done()?;
    Ok(chosen.unwrap_or_else(default))
}

pub(super) fn retrieve(state: &State, id: &str, mut params: Params) -> Result<Value, Error> {
    params.ignore_expand()?;
    params.done()?;
    let now_s = state.clock.now_s();
    let found = state.subscriptions.values().find(|s| s.id == id);
    found.map(|s| s.json(now_s)).ok_or_else(|| Error::no_such("subscription", id))
}

pub(super) fn list(state: &State, mut params: Params) -> Result<Value, Error> {
    let page = Page::take(&mut params)?;
    let customer = params.text("customer")?;
    let price = params.text("price")?;
    let status = params.text("status")?;
    params.ignore_expand()?;
    params.done()?;
    let now_s = state.clock.now_s();
    let of_status = |s: &Subscription| match status.as_deref() {
        // Cancelled ones are left out unless asked for.
        None => s.status(now_s) != "canceled",
        Some("all") => true,
        Some(status) => s.status(now_s) == status,
    };
    let chosen = state.subscriptions.values().rev().filter(|s| {
        of_status(s)
            && customer.as_ref().is_none_or(|c| *c == s.customer)
            && price.as_ref().is_none_or(|p| s.items.iter().any(|i| i.price == *p))
    });
    page.cut("/v1/subscriptions", chosen.map(|s| s.json(now_s)).collect())
}

pub(super) fn cancel(state: &mut State, id: &str, params: Params) -> Result<Value, Error> {
    params.done()?;
    let now_s = state.clock.now_s();
    let found = state.subscriptions.values_mut().find(|s| s.id == id && s.status(now_s) != "canceled");
    let subscription = found.ok_or_else(|| Error::no_such("subscription", id))?;
    subscription.cancel(now_s);
    Ok(subscription.json(now_s))
}
