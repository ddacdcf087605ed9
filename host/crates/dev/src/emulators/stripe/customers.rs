//! Customers. Must not hold a way to pay.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::emulators::limits::OBJECTS_MAX;
use crate::emulators::state::State;

use super::error::Error;
use super::lists::Page;
use super::params::Params;

const ADDRESS: [&str; 6] = ["line1", "line2", "city", "state", "postal_code", "country"];

/// A customer as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Customer {
    /// `cus_…`
    pub id: String,
    /// Unix seconds, by the emulated clock.
    pub created: u64,
    /// As given.
    pub email: Option<String>,
    /// As given.
    pub name: Option<String>,
    /// As given.
    pub phone: Option<String>,
    /// As given.
    pub description: Option<String>,
    /// `line1`, `line2`, `city`, `state`, `postal_code`, `country`.
    pub address: Option<BTreeMap<String, String>>,
    /// As given.
    pub metadata: BTreeMap<String, String>,
}

impl Customer {
    /// As the API shows it.
    pub(super) fn json(&self) -> Value {
        let address = self.address.as_ref().map(|given| {
            let line = |name: &str| (name.to_owned(), given.get(name).map_or(Value::Null, |v| json!(v)));
            Value::Object(ADDRESS.into_iter().map(line).collect())
        });
        json!({
            "id": self.id, "object": "customer", "address": address, "balance": 0,
            "created": self.created, "currency": null, "default_source": null, "delinquent": false,
            "description": self.description, "discount": null, "email": self.email,
            "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null },
            "livemode": false, "metadata": self.metadata, "name": self.name, "phone": self.phone,
            "preferred_locales": [], "shipping": null, "tax_exempt": "none",
        })
    }

    fn matches(&self, field: &str, value: &str) -> bool {
        let key = field.strip_prefix("metadata['").and_then(|f| f.strip_suffix("']"));
        match (field, key) {
            (_, Some(key)) => self.metadata.get(key).is_some_and(|v| v == value),
            ("email", _) => self.email.as_deref().is_some_and(|e| e.eq_ignore_ascii_case(value)),
            ("name", _) => self.name.as_deref() == Some(value),
            _ => false,
        }
    }
}

pub(super) fn create(state: &mut State, mut params: Params) -> Result<Value, Error> {
    let email = params.text("email")?;
    if let Some(email) = &email {
        check_email(email)?;
    }
    let customer = Customer {
        id: String::new(),
        created: state.clock.now_s(),
        email,
        name: params.text("name")?,
        phone: params.text("phone")?,
        description: params.text("description")?,
        address: address(&mut params)?,
        metadata: params.metadata()?,
    };
    params.ignore_expand()?;
    params.done()?;
    if state.customers.len() >= OBJECTS_MAX {
        return Err(Error::new(500, "api_error", format!("The emulator holds at most {OBJECTS_MAX} customers.")));
    }
    let customer = Customer { id: state.ids.letters("cus_", 14), ..customer };
    let json = customer.json();
    let place = state.place();
    state.customers.insert(place, customer);
    Ok(json)
}

fn address(params: &mut Params) -> Result<Option<BTreeMap<String, String>>, Error> {
    let Some(mut group) = params.group("address")? else {
        return Ok(None);
    };
    let mut lines = BTreeMap::new();
    for name in ADDRESS {
        if let Some(line) = group.text(name)? {
            lines.insert(name.to_owned(), line);
        }
    }
    group.done()?;
    Ok(Some(lines))
}

fn check_email(email: &str) -> Result<(), Error> {
    let sound = email.len() <= 512
        && !email.contains(char::is_whitespace)
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if sound {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid email address: {email}")).code("email_invalid").param("email"))
}

pub(super) fn find<'a>(state: &'a State, id: &str) -> Option<&'a Customer> {
    state.customers.values().find(|customer| customer.id == id)
}

pub(super) fn retrieve(state: &State, id: &str, mut params: Params) -> Result<Value, Error> {
    params.ignore_expand()?;
    params.done()?;
    find(state, id).map(Customer::json).ok_or_else(|| Error::no_such("customer", id))
}

pub(super) fn list(state: &State, mut params: Params) -> Result<Value, Error> {
    let page = Page::take(&mut params)?;
    let email = params.text("email")?;
    params.ignore_expand()?;
    params.done()?;
    let chosen = state.customers.values().rev().filter(|c| email.is_none() || c.email == email);
    page.cut("/v1/customers", chosen.map(Customer::json).collect())
}

/// `metadata['user_id']:'user_1' AND email:'a@b.c'`. The real one finds an object only some
/// time after it was made, and says so; this one at once.
pub(super) fn search(state: &State, mut params: Params) -> Result<Value, Error> {
    let query = params.needed("query")?;
    let limit = params.integer("limit")?.unwrap_or(10);
    params.ignore_expand()?;
    params.done()?;
    let clauses: Option<Vec<(&str, &str)>> = query.split(" AND ").map(clause).collect();
    let Some(clauses) = clauses else {
        return Err(params_error(&query));
    };
    let chosen = state.customers.values().rev();
    let chosen = chosen.filter(|c| clauses.iter().all(|(field, value)| c.matches(field, value)));
    let limit = usize::try_from(limit.min(100)).unwrap_or_default();
    let data: Vec<Value> = chosen.take(limit).map(Customer::json).collect();
    Ok(
        json!({ "object": "search_result", "url": "/v1/customers/search", "has_more": false, "next_page": null, "data": data }),
    )
}

fn clause(text: &str) -> Option<(&str, &str)> {
    let (field, value) = text.trim().rsplit_once(':')?;
    let value = value.strip_prefix(['\'', '"'])?.strip_suffix(['\'', '"'])?;
    let known = field == "email" || field == "name" || (field.starts_with("metadata['") && field.ends_with("']"));
    known.then_some((field, value))
}

fn params_error(query: &str) -> Error {
    Error::invalid(format!("We were unable to parse your search query: {query}")).param("query")
}

/// Its subscriptions end with it.
pub(super) fn delete(state: &mut State, id: &str, params: Params) -> Result<Value, Error> {
    params.done()?;
    let now_s = state.clock.now_s();
    let place = state.customers.iter().find(|(_, c)| c.id == id).map(|(place, _)| *place);
    let place = place.ok_or_else(|| Error::no_such("customer", id))?;
    state.customers.remove(&place);
    for subscription in state.subscriptions.values_mut().filter(|s| s.customer == id) {
        subscription.cancel(now_s);
    }
    Ok(json!({ "id": id, "object": "customer", "deleted": true }))
}
