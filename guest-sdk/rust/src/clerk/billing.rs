//! Clerk Billing: subscriptions, their items, and attempts to be paid.

use serde_json::Value;

use super::view::{Time, view};

view! {
    /// A subscription: the data of every `subscription.…` event.
    pub struct Subscription {
        /// `csub_…`.
        id: String,
    } {
        /// `active`, `past_due`, `canceled`, `ended`, `abandoned` or `incomplete`.
        status: String,
        /// `cpayer_…`.
        payer_id: Option<String>,
        /// Who pays.
        payer: Option<Payer>,
        /// What is paid for.
        items: Vec<SubscriptionItem>,
        /// The last payment.
        latest_payment_id: Option<String>,
        /// Since when it is active.
        active_at: Option<Time>,
        /// Since when a payment is overdue.
        past_due_at: Option<Time>,
        /// When it was cancelled.
        canceled_at: Option<Time>,
        /// When it ended.
        ended_at: Option<Time>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// An item of a subscription: the data of every `subscriptionItem.…` event. `freeTrialEnding` comes three
    /// days before the end of the trial.
    pub struct SubscriptionItem {
        /// `csub_item_…`.
        id: String,
    } {
        /// `active`, `upcoming`, `past_due`, `canceled`, `ended`, `abandoned`, `incomplete`, ….
        status: String,
        /// Whether it is in its free trial.
        is_free_trial: bool,
        /// `month` or `annual`.
        interval: Option<String>,
        /// `cplan_…`.
        plan_id: Option<String>,
        /// What was chosen.
        plan: Option<Plan>,
        /// Who pays.
        payer: Option<Payer>,
        /// When the paid period began.
        period_start: Option<Time>,
        /// When it ends; also a trial's end.
        period_end: Option<Time>,
        /// When it was cancelled.
        canceled_at: Option<Time>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// An attempt to be paid: the data of `paymentAttempt.created` and `.updated`.
    pub struct PaymentAttempt {
        /// `payment_attempt_…`.
        id: String,
    } {
        /// `pending`, `paid` or `failed`.
        status: String,
        /// `checkout` or `recurring`.
        charge_type: Option<String>,
        /// `cpayment_…`.
        payment_id: Option<String>,
        /// Who pays.
        payer: Option<Payer>,
        /// What it comes to; as Clerk sends it, with `grand_total`, `tax_total`, ….
        totals: Option<Value>,
        /// Why it failed, as Clerk sends it.
        failed_reason: Option<Value>,
        /// What is paid for.
        subscription_items: Vec<SubscriptionItem>,
        /// When it failed.
        failed_at: Option<Time>,
        /// When it was paid.
        paid_at: Option<Time>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// Who pays: a user or an organization.
    pub struct Payer {} {
        /// `cpayer_…`.
        id: Option<String>,
        /// `user_…`.
        user_id: Option<String>,
        /// `org_…`.
        organization_id: Option<String>,
        /// The address for bills.
        email: Option<String>,
        /// The user's given name.
        first_name: Option<String>,
        /// The user's family name.
        last_name: Option<String>,
        /// The organization's name.
        organization_name: Option<String>,
    }
}

view! {
    /// A plan.
    pub struct Plan {} {
        /// `cplan_…`.
        id: Option<String>,
        /// Its name.
        name: String,
        /// Its name in addresses.
        slug: Option<String>,
        /// The price of a month, in the smallest unit of the currency.
        amount: Option<u64>,
        /// The price with more detail.
        fee: Option<Fee>,
        /// `USD`, ….
        currency: Option<String>,
        /// Whether it comes again.
        is_recurring: bool,
    }
}

view! {
    /// An amount of money.
    pub struct Fee {} {
        /// In the smallest unit of the currency.
        amount: Option<u64>,
        /// `USD`, ….
        currency: Option<String>,
        /// For showing, such as `9.99`.
        amount_formatted: Option<String>,
        /// For showing, such as `$`.
        currency_symbol: Option<String>,
    }
}
