//! Users and what belongs to them.

use serde_json::{Map, Value};

use super::view::{Time, view};

view! {
    /// A user: the data of `user.created` and `user.updated`.
    pub struct User {
        /// `user_…`.
        id: String,
    } {
        /// Your own id of the user.
        external_id: Option<String>,
        /// Which of [`User::email_addresses`] to write to.
        primary_email_address_id: Option<String>,
        /// Which of [`User::phone_numbers`] to call.
        primary_phone_number_id: Option<String>,
        /// The wallet to use.
        primary_web3_wallet_id: Option<String>,
        /// The name to sign in with.
        username: Option<String>,
        /// The given name.
        first_name: Option<String>,
        /// The family name.
        last_name: Option<String>,
        /// Such as `de-DE`.
        locale: Option<String>,
        /// A picture; Clerk makes one where the user has none.
        image_url: Option<String>,
        /// Whether the user set a picture.
        has_image: bool,
        /// Readable by frontend and backend, writable by the backend.
        public_metadata: Map<String, Value>,
        /// Readable and writable by the backend.
        private_metadata: Map<String, Value>,
        /// Writable by the frontend too: trust it as little as any input.
        unsafe_metadata: Map<String, Value>,
        /// All addresses; may be empty. For the one to write to see [`User::primary_email`].
        email_addresses: Vec<EmailAddress>,
        /// All numbers; may be empty.
        phone_numbers: Vec<PhoneNumber>,
        /// Accounts elsewhere, by which the user signs in.
        external_accounts: Vec<ExternalAccount>,
        /// Wallets, as Clerk sends them.
        web3_wallets: Vec<Value>,
        /// Passkeys, as Clerk sends them.
        passkeys: Vec<Value>,
        /// Whether there is a password.
        password_enabled: bool,
        /// Whether a second factor is set up.
        two_factor_enabled: bool,
        /// Whether the user may not sign in.
        banned: bool,
        /// Whether too many attempts have locked the account.
        locked: bool,
        /// When the user last signed in.
        last_sign_in_at: Option<Time>,
        /// When the user was last active, to the day.
        last_active_at: Option<Time>,
        /// When the user accepted the terms.
        legal_accepted_at: Option<Time>,
        /// When the user came to be.
        created_at: Option<Time>,
        /// When the user last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// An address of a user.
    pub struct EmailAddress {} {
        /// `idn_…`.
        id: Option<String>,
        /// The address.
        email_address: String,
        /// Whether it is kept for an invitation.
        reserved: bool,
        /// Whether and how it was verified.
        verification: Option<Verification>,
        /// The accounts it comes from, as Clerk sends them.
        linked_to: Vec<Value>,
        /// When it was added.
        created_at: Option<Time>,
    }
}

view! {
    /// Whether and how something was verified.
    pub struct Verification {} {
        /// `verified`, `unverified`, ….
        status: Option<String>,
        /// `email_code`, `from_oauth_google`, `admin`, ….
        strategy: Option<String>,
    }
}

view! {
    /// A telephone number of a user.
    pub struct PhoneNumber {} {
        /// `idn_…`.
        id: Option<String>,
        /// In E.164, such as `+4930123456`.
        phone_number: String,
        /// Whether it serves as a second factor.
        reserved_for_second_factor: bool,
        /// Whether and how it was verified.
        verification: Option<Verification>,
    }
}

view! {
    /// An account elsewhere.
    pub struct ExternalAccount {} {
        /// `eac_…` or `idn_…`.
        id: Option<String>,
        /// `oauth_google`, ….
        provider: String,
        /// The id there.
        provider_user_id: Option<String>,
        /// The address there.
        email_address: Option<String>,
        /// The name there.
        username: Option<String>,
    }
}

impl User {
    /// The address to write to: the one whose id is `primary_email_address_id`, wherever it stands in the list.
    /// `None` for a user without one, who signed up by telephone or wallet.
    pub fn primary_email(&self) -> Option<&str> {
        let primary = self.primary_email_address_id.as_deref()?;
        let mut addresses = self.email_addresses.iter();
        let address = addresses.find(|address| address.id.as_deref() == Some(primary))?;
        Some(address.email_address.as_str()).filter(|text| !text.is_empty())
    }

    /// First and last name as far as they are known, else the user name; `None` if none is.
    pub fn display_name(&self) -> Option<String> {
        let given = [&self.first_name, &self.last_name].into_iter().flatten().map(|name| name.trim());
        let full = given.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
        let name = if full.is_empty() { self.username.as_deref().unwrap_or_default().trim() } else { &full };
        Some(name.to_owned()).filter(|name| !name.is_empty())
    }
}
