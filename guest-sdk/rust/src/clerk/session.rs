//! Sessions.

use serde_json::Value;

use super::user::User;
use super::view::{Time, view};

view! {
    /// A session: the data of every `session.…` event.
    pub struct Session {
        /// `sess_…`.
        id: String,
        /// `user_…`.
        user_id: String,
    } {
        /// `client_…`.
        client_id: Option<String>,
        /// `active`, `pending`, `ended`, `expired`, `removed`, `revoked`, `abandoned` or `replaced`.
        status: String,
        /// The whole user; present in webhooks.
        user: Option<User>,
        /// Who acts in the user's place, as Clerk sends it.
        actor: Option<Value>,
        /// Device, browser and place.
        latest_activity: Option<SessionActivity>,
        /// When it was last used.
        last_active_at: Option<Time>,
        /// When it expires.
        expire_at: Option<Time>,
        /// When it counts as abandoned.
        abandon_at: Option<Time>,
        /// When it began.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// From where a session was last used.
    pub struct SessionActivity {} {
        /// `sess_activity_…`.
        id: Option<String>,
        /// `Macintosh`, ….
        device_type: Option<String>,
        /// Whether it is a telephone or tablet.
        is_mobile: bool,
        /// `Safari`, ….
        browser_name: Option<String>,
        /// Its version.
        browser_version: Option<String>,
        /// The address on the net.
        ip_address: Option<String>,
        /// The town, as guessed from the address.
        city: Option<String>,
        /// The country, as guessed from the address.
        country: Option<String>,
    }
}
