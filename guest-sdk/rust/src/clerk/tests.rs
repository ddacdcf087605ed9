//! The views on payloads as Clerk sends them.

use serde_json::json;

use super::*;

fn user(fields: Value) -> User {
    let mut data = json!({"id": "user_29w83sxmDNGwOuEthce5gg56FcC", "object": "user"});
    data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(data).unwrap()
}

fn address(id: &str, text: &str) -> Value {
    json!({"id": id, "email_address": text, "object": "email_address", "reserved": false,
        "linked_to": [], "verification": {"status": "verified", "strategy": "ticket"}})
}

#[test]
fn the_primary_address_is_found_by_its_id() {
    let two = json!([address("idn_1", "old@example.org"), address("idn_2", "new@example.org")]);
    let cases = [
        (json!({"email_addresses": two, "primary_email_address_id": "idn_2"}), Some("new@example.org")),
        (json!({"email_addresses": two, "primary_email_address_id": "idn_1"}), Some("old@example.org")),
        (json!({"email_addresses": two, "primary_email_address_id": "idn_9"}), None),
        (json!({"email_addresses": two, "primary_email_address_id": null}), None),
        (json!({"email_addresses": [], "primary_email_address_id": "idn_1"}), None),
        (json!({"email_addresses": null}), None),
        (json!({}), None),
    ];
    for (fields, expected) in cases {
        assert_eq!(user(fields.clone()).primary_email(), expected, "{fields}");
    }
}

#[test]
fn a_name_is_never_null_null() {
    let cases = [
        (json!({"first_name": "Zoë", "last_name": "Ek"}), Some("Zoë Ek")),
        (json!({"first_name": "Zoë", "last_name": null}), Some("Zoë")),
        (json!({"first_name": null, "last_name": "Ek"}), Some("Ek")),
        (json!({"first_name": "  ", "last_name": null, "username": "zoe"}), Some("zoe")),
        (json!({"first_name": null, "last_name": null, "username": null}), None),
        (json!({}), None),
    ];
    for (fields, expected) in cases {
        assert_eq!(user(fields.clone()).display_name().as_deref(), expected, "{fields}");
    }
}

#[test]
fn a_whole_user_keeps_what_the_view_does_not_name() {
    let data = json!({
        "birthday": "", "created_at": 1654012591514_u64, "external_id": "567772", "banned": false,
        "email_addresses": [address("idn_29w83yL7CwVlJXylYLxcslromF1", "example@example.org")],
        "external_accounts": [], "first_name": "Example", "gender": "", "has_image": null,
        "image_url": "https://img.clerk.com/xxxxxx", "last_name": null, "last_sign_in_at": 1654012591,
        "password_enabled": true, "phone_numbers": [], "username": null, "two_factor_enabled": false,
        "primary_email_address_id": "idn_29w83yL7CwVlJXylYLxcslromF1", "primary_phone_number_id": null,
        "private_metadata": {}, "public_metadata": {"plan": "pro"}, "unsafe_metadata": null,
        "updated_at": 1654012591835_u64, "web3_wallets": []
    });
    let user = user(data);
    assert_eq!(user.other["gender"], "");
    assert_eq!(user.other["object"], "user");
    assert_eq!(user.public_metadata["plan"], "pro");
    assert!(user.unsafe_metadata.is_empty() && !user.has_image);
    let times = [user.created_at, user.last_sign_in_at].map(|time| time.unwrap().0.to_string());
    assert_eq!(times, ["2022-05-31T15:56:31.514Z", "2022-05-31T15:56:31.000Z"]);
    let back: User = serde_json::from_value(serde_json::to_value(&user).unwrap()).unwrap();
    assert_eq!(back, user);
}

#[test]
fn the_catalogue_has_46_types_each_once() {
    let names: std::collections::BTreeSet<_> = EVENT_NAMES.iter().collect();
    assert_eq!((EVENT_NAMES.len(), names.len()), (46, 46));
}

#[test]
fn every_type_reads_data_of_ids_and_nulls() {
    for name in EVENT_NAMES {
        let data = json!({"id": "x_1", "object": "x", "user_id": "user_1", "status": null, "payer": null,
            "created_at": null, "items": null, "organization": null, "new_field": [1]});
        fits(name, &data).unwrap().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(fits("clerk/other.created", &json!({})).is_none());
    assert!(fits("clerk/user.created", &json!({})).unwrap().is_err());
}

#[test]
fn a_deleted_user_is_known_by_its_id() {
    let data: UserDeleted = serde_json::from_value(json!({"id": "user_1", "object": "user", "deleted": true})).unwrap();
    assert!(data.deleted);
    assert_eq!(data.id.as_deref(), Some("user_1"));
}

#[test]
fn billing_nests() {
    let data = json!({"id": "csub_item_1", "status": "active", "is_free_trial": true, "period_end": 1767225600000_u64,
        "plan": {"id": "cplan_1", "name": "Pro", "amount": 999, "currency": "USD"},
        "payer": {"user_id": "user_1", "email": "zoe@example.com"}});
    let item: SubscriptionItemFreeTrialEnding = serde_json::from_value(data).unwrap();
    assert_eq!(item.plan.unwrap().amount, Some(999));
    assert_eq!(item.payer.unwrap().email.as_deref(), Some("zoe@example.com"));
}

#[test]
fn the_envelope_is_read_from_meta() {
    let event: Event =
        serde_json::from_value(json!({"id": "1", "name": "clerk/user.created", "data": {}, "meta": {"clerk": {
        "instance_id": "ins_1", "event_attributes": {"http_request": {"client_ip": "::1"}}, "received_at": 5}}}))
        .unwrap();
    let meta = meta(&event).unwrap();
    assert_eq!(meta.instance_id.as_deref(), Some("ins_1"));
    assert_eq!(meta.event_attributes.unwrap()["http_request"]["client_ip"], "::1");
}
