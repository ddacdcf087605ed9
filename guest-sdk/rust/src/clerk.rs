//! Clerk's events (<https://clerk.com/docs/webhooks/overview>): the catalogue and typed views of their data.
//!
//! A view has the fields that workflows use; every other field stays in its `other`. What Clerk may leave out or
//! set to null is an `Option`, an empty text, list or map, or `false`. Only ids without which a view would be of
//! no use are demanded: an event without one fails its run with a message that names the field.
//!
//! ```
//! use stepwell_sdk::clerk::User;
//!
//! let user: User = serde_json::from_str(r#"{
//!     "id": "user_1", "first_name": "Zoë", "last_name": null, "primary_email_address_id": "idn_2",
//!     "email_addresses": [
//!         {"id": "idn_1", "email_address": "old@example.com"},
//!         {"id": "idn_2", "email_address": "zoe@example.com"}
//!     ]
//! }"#)?;
//! assert_eq!(user.primary_email(), Some("zoe@example.com"));
//! assert_eq!(user.display_name().as_deref(), Some("Zoë"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod billing;
mod catalogue;
mod message;
mod organization;
mod session;
mod user;
mod view;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Event;

pub use billing::{Fee, Payer, PaymentAttempt, Plan, Subscription, SubscriptionItem};
pub use catalogue::*;
pub use message::{Email, Sms, WaitlistEntry};
pub use organization::{
    Organization, OrganizationDomain, OrganizationInvitation, OrganizationMembership, Permission, PublicUserData, Role,
};
pub use session::{Session, SessionActivity};
pub use user::{EmailAddress, ExternalAccount, PhoneNumber, User, Verification};
pub use view::Time;

use view::view;

view! {
    /// What is left of something that was deleted.
    pub struct Deleted {} {
        /// `user`, `organization`, ….
        object: String,
        /// The id of what was deleted.
        id: Option<String>,
        /// The slug of a deleted organization.
        slug: Option<String>,
        /// Your own id of a deleted user.
        external_id: Option<String>,
        /// Always true.
        deleted: bool,
    }
}

/// What the host keeps of Clerk's envelope beside the data, from [`Event::meta`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// `ins_…`: which Clerk instance sent it.
    pub instance_id: Option<String>,
    /// Facts of the request that caused it, such as `http_request.client_ip`; absent where Clerk itself did.
    pub event_attributes: Option<Map<String, Value>>,
    /// When the host received it.
    pub received_at: Option<crate::Timestamp>,
}

/// Clerk's part of an event's `meta`; `None` if the event did not come from Clerk.
pub fn meta<T>(event: &Event<T>) -> Option<Meta> {
    event.meta.get("clerk").and_then(|meta| Meta::deserialize(meta).ok())
}

#[cfg(test)]
mod tests;
