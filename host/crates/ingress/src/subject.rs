//! Whom a delivery is about: the person whose data it carries, by Clerk's own id. Must not judge what it does not know.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use stepwell_core::limits::SUBJECT_BYTES_MAX;

/// Where Clerk's events say whom they are about, and parts of them do, unread.
#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    public_user_data: Option<&'a RawValue>,
    #[serde(borrow)]
    payer: Option<&'a RawValue>,
    #[serde(borrow)]
    created_by: Option<&'a RawValue>,
    #[serde(borrow)]
    email_address: Option<&'a RawValue>,
    #[serde(borrow)]
    to_email_address: Option<&'a RawValue>,
    #[serde(borrow)]
    to_phone_number: Option<&'a RawValue>,
    /// Of a part alone.
    #[serde(borrow)]
    email: Option<&'a RawValue>,
}

/// The subject of an event of Clerk: the user's id where there is one, or else the address that it is about, as of
/// somebody who was invited or waits. None for what is about nobody, such as a role.
pub(crate) fn of_clerk(event_type: &str, data: &RawValue) -> Option<String> {
    let data = part(Some(data))?;
    if event_type.starts_with("user.") {
        return text(data.id);
    }
    let (member, payer) = (part(data.public_user_data), part(data.payer));
    let of = |part: &Option<Data<'_>>| part.as_ref().and_then(|part| text(part.user_id));
    text(data.user_id)
        .or_else(|| of(&member))
        .or_else(|| of(&payer))
        .or_else(|| text(data.to_email_address))
        .or_else(|| text(data.to_phone_number))
        .or_else(|| text(data.email_address))
        .or_else(|| payer.as_ref().and_then(|payer| text(payer.email)))
        .or_else(|| text(data.created_by))
}

/// What stands in the data at this JSON pointer: a text, or a whole number as text.
pub(crate) fn at(pointer: &str, data: &RawValue) -> Option<String> {
    let data: Value = serde_json::from_str(data.get()).ok()?;
    let found = match data.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    (1..=SUBJECT_BYTES_MAX).contains(&found.len()).then_some(found)
}

fn part(raw: Option<&RawValue>) -> Option<Data<'_>> {
    serde_json::from_str(raw?.get()).ok()
}

/// A text that may be a subject.
fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (1..=SUBJECT_BYTES_MAX).contains(&text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const USER: &str = "user_2g7np7Hrk0SN6kj5EDMLDaKNL0S";

    #[test]
    fn every_sample_is_about_its_user_or_whose_address_it_has_or_nobody() {
        for name in samples::names() {
            let event_type = name.strip_prefix("clerk/").unwrap();
            let data: &RawValue = serde_json::from_str(samples::get(name).unwrap().data()).unwrap();
            let expected = match event_type.split_once('.').unwrap().0 {
                "organizationInvitation" if event_type.ends_with(".accepted") => {
                    Some("user_2g81aCharlesQwErTyUiOpAsDfG")
                }
                "organizationInvitation" | "waitlistEntry" => Some("charles@example.com"),
                "role" | "permission" | "organizationDomain" => None,
                "organization" if event_type == "organization.deleted" => None,
                _ => Some(USER),
            };
            assert_eq!(of_clerk(event_type, data).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_pointed_at_is_the_subject_where_it_is_a_text_or_a_whole_number() {
        let data = r#"{"customer":{"id":"cus_1","number":7,"half":0.5},"to":["a@b.c"],"a/b":{"c~d":"x"},"empty":""}"#;
        let data: &RawValue = serde_json::from_str(data).unwrap();
        for (pointer, expected) in [
            ("/customer/id", Some("cus_1")),
            ("/customer/number", Some("7")),
            ("/to/0", Some("a@b.c")),
            ("/a~1b/c~0d", Some("x")),
            ("/customer/half", None),
            ("/customer", None),
            ("/empty", None),
            ("/to/1", None),
            ("/nobody", None),
        ] {
            assert_eq!(at(pointer, data).as_deref(), expected, "{pointer}");
        }
    }

    #[test]
    fn what_is_no_id_is_passed_over() {
        let long = "x".repeat(SUBJECT_BYTES_MAX + 1);
        let cases = [
            ("user.created", r#"{"id":"user_1","user_id":"user_2"}"#.to_owned(), Some("user_1")),
            ("user.created", r#"{"id":7}"#.to_owned(), None),
            ("user.created", r#"{"id":""}"#.to_owned(), None),
            ("user.created", format!(r#"{{"id":"{long}"}}"#), None),
            ("session.created", r#"{"id":"sess_1","user_id":"user_2"}"#.to_owned(), Some("user_2")),
            ("sms.created", r#"{"user_id":null,"to_phone_number":"+1"}"#.to_owned(), Some("+1")),
            ("x.y", r#"{"payer":{"user_id":null,"email":"a@b.c"}}"#.to_owned(), Some("a@b.c")),
            ("x.y", r#"{"payer":[],"public_user_data":{"user_id":"user_3"}}"#.to_owned(), Some("user_3")),
            ("x.y", "[]".to_owned(), None),
            ("x.y", "null".to_owned(), None),
        ];
        for (event_type, data, expected) in cases {
            let data: &RawValue = serde_json::from_str(&data).unwrap();
            assert_eq!(of_clerk(event_type, data).as_deref(), expected, "{event_type} {data}");
        }
    }
}
