//! Messages that Clerk sends or wants sent, and the waiting list.

use serde_json::{Map, Value};

use super::view::{Time, view};

view! {
    /// A mail: the data of `email.created`. It may carry a one-time code: neither log nor store it.
    pub struct Email {
        /// `ema_…`.
        id: String,
    } {
        /// Which template: `verification_code`, `invitation`, ….
        slug: Option<String>,
        /// The part of the sender's address before the `@`.
        from_email_name: Option<String>,
        /// The recipient.
        to_email_address: Option<String>,
        /// `idn_…`.
        email_address_id: Option<String>,
        /// `user_…`.
        user_id: Option<String>,
        /// The subject.
        subject: Option<String>,
        /// The body as HTML.
        body: Option<String>,
        /// The body as plain text.
        body_plain: Option<String>,
        /// `queued`, ….
        status: Option<String>,
        /// What the template was filled with, such as `otp_code`.
        data: Map<String, Value>,
        /// Whether Clerk delivers it; if not, it is for you to send.
        delivered_by_clerk: bool,
    }
}

view! {
    /// A text message: the data of `sms.created`. It may carry a one-time code: neither log nor store it.
    pub struct Sms {
        /// `sms_…`.
        id: String,
    } {
        /// Which template.
        slug: Option<String>,
        /// The sender's number.
        from_phone_number: Option<String>,
        /// The recipient's number.
        to_phone_number: Option<String>,
        /// `idn_…`.
        phone_number_id: Option<String>,
        /// `user_…`.
        user_id: Option<String>,
        /// The text.
        message: Option<String>,
        /// `queued`, ….
        status: Option<String>,
        /// What the template was filled with.
        data: Map<String, Value>,
        /// Whether Clerk delivers it; if not, it is for you to send.
        delivered_by_clerk: bool,
    }
}

view! {
    /// An entry of the waiting list: the data of `waitlistEntry.created` and `.updated`.
    pub struct WaitlistEntry {
        /// `wle_…`.
        id: String,
    } {
        /// Who waits.
        email_address: String,
        /// `pending`, `invited`, `rejected` or `completed`.
        status: String,
        /// The invitation, once there is one, as Clerk sends it.
        invitation: Option<Value>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}
