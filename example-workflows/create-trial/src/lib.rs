//! Opens a trial for every new user: a customer at Stripe, then a subscription with 14 free days.

use serde::Serialize;
use stepwell_sdk::clerk::UserCreated;
use stepwell_sdk::collections::BTreeMap;
use stepwell_sdk::prelude::*;
use stepwell_sdk::stripe::{self, MissingPaymentMethod, NewCustomer, NewSubscription};

/// How long the trial lasts, in days.
const TRIAL_DAYS: u32 = 14;

/// What was opened.
#[derive(Debug, PartialEq, Serialize)]
struct Trial {
    /// `cus_…`.
    customer: String,
    /// `sub_…`.
    subscription: String,
}

/// Opens a trial subscription for every new user.
#[workflow(id = "create-trial", name = "Create trial", on = "clerk/user.created")]
fn create_trial(event: Event<UserCreated>) -> Result<Trial> {
    let user = &event.data;
    let metadata = BTreeMap::from([("user_id".to_owned(), user.id.clone())]);
    let new = NewCustomer {
        // A user who signed up by telephone has none; Stripe needs none.
        email: user.primary_email().map(str::to_owned),
        name: user.display_name(),
        metadata: metadata.clone(),
    };
    let customer = step::run("create-customer", || Ok(stripe::create_customer(&new)?.id))?;
    let new = NewSubscription {
        customer: customer.clone(),
        price: config("STRIPE_PRICE_ID")?,
        trial_period_days: Some(TRIAL_DAYS),
        missing_payment_method: Some(MissingPaymentMethod::Cancel),
        metadata,
    };
    let subscription = step::run("create-subscription", || Ok(stripe::create_subscription(&new)?.id))?;
    info!(customer = customer, subscription = subscription, "trial opened");
    Ok(Trial { customer, subscription })
}

component!(create_trial; asks = stripe::asks().var("STRIPE_PRICE_ID", "price_pro_monthly"));

#[cfg(test)]
mod tests;
