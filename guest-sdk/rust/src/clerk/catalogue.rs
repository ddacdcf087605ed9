//! The catalogue: the 46 types of event that Clerk sends, and the view of each one's data. The list is Clerk's
//! OpenAPI specification of its webhooks (2025-04-15) and the types of its JavaScript SDK. An event of any
//! other type is an event like these; take its data as `serde_json::Value`.

use super::{
    Deleted, Email, Organization, OrganizationDomain, OrganizationInvitation, OrganizationMembership, PaymentAttempt,
    Permission, Role, Session, Sms, Subscription, SubscriptionItem, User, WaitlistEntry,
};

macro_rules! catalogue {
    ($($event:ident = $view:ident, $name:literal;)*) => {
        /// The names of all events in the catalogue, as triggers name them.
        pub const EVENT_NAMES: &[&str] = &[$($name),*];

        $(
            #[doc = concat!("The data of `", $name, "`.")]
            pub type $event = $view;
        )*

        /// Whether `data` fits the view of the event of this name; `None` for a name that is not in the catalogue.
        pub fn fits(name: &str, data: &serde_json::Value) -> Option<Result<(), serde_json::Error>> {
            use serde::Deserialize;
            match name {
                $($name => Some($view::deserialize(data).map(|_| ())),)*
                _ => None,
            }
        }
    };
}

catalogue! {
    UserCreated = User, "clerk/user.created";
    UserUpdated = User, "clerk/user.updated";
    UserDeleted = Deleted, "clerk/user.deleted";
    SessionCreated = Session, "clerk/session.created";
    SessionPending = Session, "clerk/session.pending";
    SessionEnded = Session, "clerk/session.ended";
    SessionRemoved = Session, "clerk/session.removed";
    SessionRevoked = Session, "clerk/session.revoked";
    EmailCreated = Email, "clerk/email.created";
    SmsCreated = Sms, "clerk/sms.created";
    OrganizationCreated = Organization, "clerk/organization.created";
    OrganizationUpdated = Organization, "clerk/organization.updated";
    OrganizationDeleted = Deleted, "clerk/organization.deleted";
    OrganizationDomainCreated = OrganizationDomain, "clerk/organizationDomain.created";
    OrganizationDomainUpdated = OrganizationDomain, "clerk/organizationDomain.updated";
    OrganizationDomainDeleted = Deleted, "clerk/organizationDomain.deleted";
    OrganizationInvitationCreated = OrganizationInvitation, "clerk/organizationInvitation.created";
    OrganizationInvitationAccepted = OrganizationInvitation, "clerk/organizationInvitation.accepted";
    OrganizationInvitationRevoked = OrganizationInvitation, "clerk/organizationInvitation.revoked";
    OrganizationMembershipCreated = OrganizationMembership, "clerk/organizationMembership.created";
    OrganizationMembershipUpdated = OrganizationMembership, "clerk/organizationMembership.updated";
    OrganizationMembershipDeleted = OrganizationMembership, "clerk/organizationMembership.deleted";
    RoleCreated = Role, "clerk/role.created";
    RoleUpdated = Role, "clerk/role.updated";
    RoleDeleted = Deleted, "clerk/role.deleted";
    PermissionCreated = Permission, "clerk/permission.created";
    PermissionUpdated = Permission, "clerk/permission.updated";
    PermissionDeleted = Deleted, "clerk/permission.deleted";
    WaitlistEntryCreated = WaitlistEntry, "clerk/waitlistEntry.created";
    WaitlistEntryUpdated = WaitlistEntry, "clerk/waitlistEntry.updated";
    SubscriptionCreated = Subscription, "clerk/subscription.created";
    SubscriptionUpdated = Subscription, "clerk/subscription.updated";
    SubscriptionActive = Subscription, "clerk/subscription.active";
    SubscriptionPastDue = Subscription, "clerk/subscription.pastDue";
    SubscriptionItemCreated = SubscriptionItem, "clerk/subscriptionItem.created";
    SubscriptionItemUpdated = SubscriptionItem, "clerk/subscriptionItem.updated";
    SubscriptionItemActive = SubscriptionItem, "clerk/subscriptionItem.active";
    SubscriptionItemCanceled = SubscriptionItem, "clerk/subscriptionItem.canceled";
    SubscriptionItemUpcoming = SubscriptionItem, "clerk/subscriptionItem.upcoming";
    SubscriptionItemEnded = SubscriptionItem, "clerk/subscriptionItem.ended";
    SubscriptionItemAbandoned = SubscriptionItem, "clerk/subscriptionItem.abandoned";
    SubscriptionItemIncomplete = SubscriptionItem, "clerk/subscriptionItem.incomplete";
    SubscriptionItemPastDue = SubscriptionItem, "clerk/subscriptionItem.pastDue";
    SubscriptionItemFreeTrialEnding = SubscriptionItem, "clerk/subscriptionItem.freeTrialEnding";
    PaymentAttemptCreated = PaymentAttempt, "clerk/paymentAttempt.created";
    PaymentAttemptUpdated = PaymentAttempt, "clerk/paymentAttempt.updated";
}
