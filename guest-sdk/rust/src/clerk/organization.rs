//! Organizations, who belongs to them, and what members may do.

use serde_json::{Map, Value};

use super::view::{Time, view};

view! {
    /// An organization: the data of `organization.created` and `organization.updated`.
    pub struct Organization {
        /// `org_…`.
        id: String,
    } {
        /// Its name.
        name: String,
        /// Its name in addresses.
        slug: Option<String>,
        /// A picture.
        image_url: Option<String>,
        /// How many members it has.
        members_count: Option<u64>,
        /// How many it may have; 0 for any number.
        max_allowed_memberships: Option<u64>,
        /// Whether its admins may delete it.
        admin_delete_enabled: bool,
        /// Readable by frontend and backend.
        public_metadata: Map<String, Value>,
        /// Readable by the backend.
        private_metadata: Map<String, Value>,
        /// `user_…`.
        created_by: Option<String>,
        /// When it came to be.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// A domain of an organization: the data of `organizationDomain.created` and `.updated`.
    pub struct OrganizationDomain {
        /// `orgdmn_…`.
        id: String,
    } {
        /// `org_…`.
        organization_id: Option<String>,
        /// Such as `example.com`.
        name: String,
        /// `manual_invitation`, `automatic_invitation`, `automatic_suggestion`, ….
        enrollment_mode: Option<String>,
        /// An address in the domain that proves it.
        affiliation_email_address: Option<String>,
        /// Whether and how it was verified, as Clerk sends it.
        verification: Option<Value>,
        /// When it was added.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// An invitation into an organization: the data of every `organizationInvitation.…` event.
    pub struct OrganizationInvitation {
        /// `orginv_…`.
        id: String,
    } {
        /// Who is invited.
        email_address: String,
        /// The role to be had, such as `org:member`.
        role: String,
        /// The role's name.
        role_name: Option<String>,
        /// `org_…`.
        organization_id: Option<String>,
        /// Who invites: `user_…`.
        inviter_id: Option<String>,
        /// `pending`, `accepted`, `revoked` or `expired`.
        status: String,
        /// Who accepted: `user_…`, in `organizationInvitation.accepted`.
        user_id: Option<String>,
        /// Where to accept it.
        url: Option<String>,
        /// When it ends.
        expires_at: Option<Time>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// A membership: the data of every `organizationMembership.…` event, whole also when it was deleted.
    pub struct OrganizationMembership {
        /// `orgmem_…`.
        id: String,
    } {
        /// Such as `org:admin`.
        role: String,
        /// The role's name.
        role_name: Option<String>,
        /// What the role may do.
        permissions: Vec<String>,
        /// The organization.
        organization: Option<Organization>,
        /// The member.
        public_user_data: Option<PublicUserData>,
        /// When it began.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// What an organization sees of a member.
    pub struct PublicUserData {
        /// `user_…`.
        user_id: String,
    } {
        /// The given name.
        first_name: Option<String>,
        /// The family name.
        last_name: Option<String>,
        /// Address, number or name by which the member signs in.
        identifier: Option<String>,
        /// A picture.
        image_url: Option<String>,
    }
}

view! {
    /// A role: the data of `role.created` and `role.updated`.
    pub struct Role {
        /// `role_…`.
        id: String,
    } {
        /// Such as `org:admin`.
        key: String,
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// Whether the organization's creator may have it.
        is_creator_eligible: bool,
        /// What it may do.
        permissions: Vec<Permission>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}

view! {
    /// A permission: the data of `permission.created` and `permission.updated`.
    pub struct Permission {
        /// `perm_…`.
        id: String,
    } {
        /// Such as `org:invoices:read`.
        key: String,
        /// Its name.
        name: String,
        /// What it allows.
        description: Option<String>,
        /// `user` or `system`.
        r#type: Option<String>,
        /// When it was made.
        created_at: Option<Time>,
        /// When it last changed.
        updated_at: Option<Time>,
    }
}
