//! A mail: from the JSON of `POST /emails`, read field by field with nothing left over. Must
//! not send anything anywhere.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::emulators::call::Reply;

use super::reply::error;

/// Recipients of one kind.
const RECIPIENTS_MAX: usize = 50;
/// Longest name or value of a tag.
const TAG_CHARS_MAX: usize = 256;

/// A mail as it would have been sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mail {
    /// A UUID.
    pub id: String,
    /// When it was sent, by the emulated clock.
    pub at_ms: u64,
    /// The key under which it was sent.
    pub idempotency_key: Option<String>,
    /// What was asked for.
    #[serde(flatten)]
    pub draft: Draft,
}

/// A mail as it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Draft {
    /// `Name <address>` or an address.
    pub from: String,
    /// One to fifty.
    pub to: Vec<String>,
    /// Copies.
    pub cc: Vec<String>,
    /// Blind copies.
    pub bcc: Vec<String>,
    /// Where answers go.
    pub reply_to: Vec<String>,
    /// One line.
    pub subject: String,
    /// At least one of `html` and `text` is there.
    pub html: Option<String>,
    /// The alternative for readers without HTML.
    pub text: Option<String>,
    /// Names and values for the sender's own use.
    pub tags: Vec<Tag>,
    /// Headers beyond the usual ones.
    pub headers: BTreeMap<String, String>,
    /// The names of attached files; their contents are not kept.
    pub attachments: Vec<String>,
    /// As asked for; this emulator sends at once.
    pub scheduled_at: Option<String>,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// The same.
    pub value: String,
}

impl Mail {
    /// The answer of `GET /emails/{id}`.
    pub(super) fn retrieved(&self) -> Value {
        let draft = &self.draft;
        json!({
            "object": "email", "id": self.id, "to": draft.to, "from": draft.from,
            "created_at": crate::emulators::time::rfc3339(self.at_ms),
            "subject": draft.subject, "html": draft.html, "text": draft.text, "bcc": draft.bcc,
            "cc": draft.cc, "reply_to": draft.reply_to, "last_event": "delivered",
        })
    }
}

impl Draft {
    pub(super) fn sent(self, id: String, at_ms: u64, idempotency_key: Option<String>) -> Mail {
        Mail { id, at_ms, idempotency_key, draft: self }
    }

    pub(super) fn parse(body: Value) -> Result<Self, Reply> {
        let Value::Object(object) = body else {
            return Err(error(422, "validation_error", "The request body must be a JSON object."));
        };
        let mut fields = Fields(object);
        let draft = Self {
            from: fields.needed_text("from")?,
            to: fields.recipients("to")?,
            subject: fields.needed_text("subject")?,
            cc: fields.recipients("cc")?,
            bcc: fields.recipients("bcc")?,
            reply_to: fields.recipients("reply_to")?,
            html: fields.text("html")?,
            text: fields.text("text")?,
            tags: fields.tags()?,
            headers: fields.headers()?,
            attachments: fields.attachments()?,
            scheduled_at: fields.text("scheduled_at")?,
        };
        fields.nothing_left()?;
        draft.check()?;
        Ok(draft)
    }

    fn check(&self) -> Result<(), Reply> {
        if self.to.is_empty() {
            return Err(missing("to"));
        }
        if self.html.is_none() && self.text.is_none() {
            return Err(missing("html` or `text"));
        }
        if self.subject.chars().any(char::is_control) {
            return Err(invalid("subject", "it must be one line"));
        }
        let lists = [("to", &self.to), ("cc", &self.cc), ("bcc", &self.bcc), ("reply_to", &self.reply_to)];
        check_address("from", &self.from)?;
        for (field, list) in lists {
            if list.len() > RECIPIENTS_MAX {
                return Err(invalid(field, "at most 50 addresses"));
            }
            list.iter().try_for_each(|address| check_address(field, address))?;
        }
        Ok(())
    }
}

/// A JSON object of which fields are taken until none is left.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> Result<Option<String>, Reply> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name, "it must be a string")),
        }
    }

    fn needed_text(&mut self, name: &str) -> Result<String, Reply> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
    }

    fn recipients(&mut self, name: &str) -> Result<Vec<String>, Reply> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(many)) => many.into_iter().map(|one| string(name, one)).collect(),
            Some(_) => Err(invalid(name, "it must be a string or a list of strings")),
        }
    }

    fn list(&mut self, name: &str) -> Result<Vec<Self>, Reply> {
        let items = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(invalid(name, "it must be a list")),
        };
        let object = |item| match item {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(invalid(name, "it must be a list of objects")),
        };
        items.into_iter().map(object).collect()
    }

    fn tags(&mut self) -> Result<Vec<Tag>, Reply> {
        let tag = |mut fields: Self| {
            let tag = Tag { name: fields.needed_text("name")?, value: fields.needed_text("value")? };
            fields.nothing_left()?;
            if plain(&tag.name) && plain(&tag.value) {
                return Ok(tag);
            }
            Err(invalid("tags", "only ASCII letters, numbers, underscores and dashes, at most 256"))
        };
        self.list("tags")?.into_iter().map(tag).collect()
    }

    fn attachments(&mut self) -> Result<Vec<String>, Reply> {
        let attachment = |mut fields: Self| {
            let name = fields.needed_text("filename")?;
            let source = (fields.text("content")?, fields.text("path")?);
            fields.text("content_type")?;
            fields.text("content_id")?;
            fields.nothing_left()?;
            match source {
                (Some(_), None) | (None, Some(_)) => Ok(name),
                _ => Err(error(422, "invalid_attachment", "Attachment must have either a `content` or `path`.")),
            }
        };
        self.list("attachments")?.into_iter().map(attachment).collect()
    }

    fn headers(&mut self) -> Result<BTreeMap<String, String>, Reply> {
        match self.0.remove("headers") {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(object)) => {
                object.into_iter().map(|(name, value)| Ok((name, string("headers", value)?))).collect()
            }
            Some(_) => Err(invalid("headers", "it must be an object of strings")),
        }
    }

    fn nothing_left(self) -> Result<(), Reply> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(error(422, "validation_error", format!("Unrecognized field `{name}`."))),
        }
    }
}

fn string(field: &str, value: Value) -> Result<String, Reply> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(invalid(field, "it must hold strings")),
    }
}

fn plain(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    text.len() <= TAG_CHARS_MAX && text.bytes().all(letter)
}

/// `email@example.com` or `Name <email@example.com>`.
fn check_address(field: &str, text: &str) -> Result<(), Reply> {
    let address = match text.strip_suffix('>') {
        Some(open) => open.rsplit_once('<').map(|(_, address)| address),
        None => Some(text),
    };
    let sound = address.and_then(|a| a.split_once('@')).is_some_and(|(local, domain)| {
        let letters = |s: &str| {
            !s.is_empty() && !s.contains(|c: char| c.is_whitespace() || c.is_control() || "@<>,;".contains(c))
        };
        letters(local) && letters(domain) && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if sound && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let rule = "The email address needs to follow the `email@example.com` or `Name <email@example.com>` format.";
    Err(error(422, "validation_error", format!("Invalid `{field}` field. {rule}")))
}

fn missing(field: &str) -> Reply {
    error(422, "missing_required_field", format!("Missing `{field}` field."))
}

fn invalid(field: &str, why: &str) -> Reply {
    error(422, "validation_error", format!("Invalid `{field}` field: {why}."))
}
