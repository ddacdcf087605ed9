//! Sample events of Clerk's whole catalogue, as data, and what of them is to be hidden from people.
//! Must not be sent or shown by itself: CLI, dashboard and API do that.
//!
//! People and ids are made up. The primary address of the sample user is not the first of the list,
//! since that is what handlers get wrong.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::subject;

/// One sample: a whole envelope as Clerk sends it.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    name: &'static str,
    envelope: &'static str,
}

impl Sample {
    /// The event's name, `clerk/user.created`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The body that Clerk would send: `{type, object, data, timestamp, instance_id, event_attributes?}`.
    pub const fn envelope(&self) -> &'static str {
        self.envelope
    }

    /// The envelope's `data`: what the event of that name carries.
    pub fn data(&self) -> &'static str {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(borrow)]
            data: &'static RawValue,
        }
        serde_json::from_str::<Envelope>(self.envelope).map_or("null", |envelope| envelope.data.get())
    }
}

/// The names of all samples, in the order of Clerk's catalogue.
pub fn names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(Sample::name)
}

/// The sample of this event.
pub fn get(name: &str) -> Option<Sample> {
    SAMPLES.iter().copied().find(|sample| sample.name == name)
}

/// Whom an event of Clerk's would be about, were it delivered: what the intake finds in such data. None for what is
/// about nobody, and for names that are not Clerk's.
pub fn subject(event: &str, data: &str) -> Option<String> {
    let event_type = event.strip_prefix("clerk/")?;
    subject::of_clerk(event_type, serde_json::from_str(data).ok()?)
}

/// What of an event's data is hidden from people unless they ask: it lets whoever reads it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Redaction {
    /// The event's name.
    pub event: &'static str,
    /// JSON pointers (RFC 6901) into its `data`.
    pub pointers: &'static [&'static str],
}

/// All redactions: one-time codes, in texts and in the data of the texts, and links with a ticket.
pub const REDACTIONS: &[Redaction] = &[
    Redaction { event: "clerk/email.created", pointers: &["/subject", "/body", "/body_plain", "/data"] },
    Redaction { event: "clerk/sms.created", pointers: &["/message", "/data"] },
    Redaction { event: "clerk/organizationInvitation.created", pointers: &["/url"] },
    Redaction { event: "clerk/waitlistEntry.updated", pointers: &["/invitation/url"] },
];

/// The pointers to hide in the data of this event; none for most.
pub fn redactions(event: &str) -> &'static [&'static str] {
    REDACTIONS.iter().find(|redaction| redaction.event == event).map_or(&[], |redaction| redaction.pointers)
}

macro_rules! sample {
    ($type:literal) => {
        Sample { name: concat!("clerk/", $type), envelope: include_str!(concat!("../samples/", $type, ".json")) }
    };
}

const SAMPLES: &[Sample] = &[
    sample!("user.created"),
    sample!("user.updated"),
    sample!("user.deleted"),
    sample!("session.created"),
    sample!("session.pending"),
    sample!("session.ended"),
    sample!("session.removed"),
    sample!("session.revoked"),
    sample!("email.created"),
    sample!("sms.created"),
    sample!("organization.created"),
    sample!("organization.updated"),
    sample!("organization.deleted"),
    sample!("organizationDomain.created"),
    sample!("organizationDomain.updated"),
    sample!("organizationDomain.deleted"),
    sample!("organizationInvitation.created"),
    sample!("organizationInvitation.accepted"),
    sample!("organizationInvitation.revoked"),
    sample!("organizationMembership.created"),
    sample!("organizationMembership.updated"),
    sample!("organizationMembership.deleted"),
    sample!("role.created"),
    sample!("role.updated"),
    sample!("role.deleted"),
    sample!("permission.created"),
    sample!("permission.updated"),
    sample!("permission.deleted"),
    sample!("waitlistEntry.created"),
    sample!("waitlistEntry.updated"),
    sample!("subscription.created"),
    sample!("subscription.updated"),
    sample!("subscription.active"),
    sample!("subscription.pastDue"),
    sample!("subscriptionItem.created"),
    sample!("subscriptionItem.updated"),
    sample!("subscriptionItem.active"),
    sample!("subscriptionItem.canceled"),
    sample!("subscriptionItem.upcoming"),
    sample!("subscriptionItem.ended"),
    sample!("subscriptionItem.abandoned"),
    sample!("subscriptionItem.incomplete"),
    sample!("subscriptionItem.pastDue"),
    sample!("subscriptionItem.freeTrialEnding"),
    sample!("paymentAttempt.created"),
    sample!("paymentAttempt.updated"),
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn all_46_types_are_there_as_whole_envelopes() {
        assert_eq!(names().count(), 46);
        for name in names() {
            let sample = get(name).unwrap();
            let envelope: Value = serde_json::from_str(sample.envelope()).unwrap();
            assert_eq!(format!("clerk/{}", envelope["type"].as_str().unwrap()), name);
            assert_eq!(envelope["object"], "event");
            assert!(envelope["timestamp"].as_i64().unwrap() > 1_000_000_000_000, "{name}");
            let data: Value = serde_json::from_str(sample.data()).unwrap();
            assert_eq!(data, envelope["data"]);
            assert!(data["id"].is_string() && data["object"].is_string(), "{name}");
        }
        assert!(get("clerk/user.exploded").is_none());
    }

    #[test]
    fn redactions_hit_and_leave_no_code_or_ticket() {
        for redaction in REDACTIONS {
            let mut data: Value = serde_json::from_str(get(redaction.event).unwrap().data()).unwrap();
            for pointer in redactions(redaction.event) {
                *data.pointer_mut(pointer).unwrap() = Value::Null;
            }
            assert!(!data.to_string().contains("424242"), "{}", redaction.event);
        }
        for name in names() {
            let sample = get(name).unwrap();
            let secret = sample.data().contains("424242") || sample.data().contains("__clerk_ticket");
            assert_eq!(secret, !redactions(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn primary_address_of_the_sample_user_is_not_the_first() {
        let user: Value = serde_json::from_str(get("clerk/user.created").unwrap().data()).unwrap();
        assert_ne!(user["email_addresses"][0]["id"], user["primary_email_address_id"]);
    }
}
