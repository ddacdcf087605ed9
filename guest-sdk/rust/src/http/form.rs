//! `application/x-www-form-urlencoded`, as <https://url.spec.whatwg.org/#urlencoded-serializing> writes it.

use std::fmt::{self, Display, Write};

/// Fields of a form in the order in which they were added. Providers such as Stripe nest by brackets in the
/// name: `items[0][price]`.
///
/// ```
/// use stepwell_sdk::http::Form;
///
/// let form = Form::new().field("items[0][price]", "price_1").field_opt("name", None::<&str>);
/// assert_eq!(form.to_string(), "items%5B0%5D%5Bprice%5D=price_1");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Display) -> Self {
        self.fields.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub fn field_opt(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds `name[key]` for each entry.
    #[must_use]
    pub fn map<'a>(self, name: &str, entries: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        entries.into_iter().fold(self, |form, (key, value)| form.field(&format!("{name}[{key}]"), value))
    }
}

impl Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, value)) in self.fields.iter().enumerate() {
            if n > 0 {
                f.write_char('&')?;
            }
            encode(f, name)?;
            f.write_char('=')?;
            encode(f, value)?;
        }
        Ok(())
    }
}

fn encode(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => f.write_char(char::from(byte))?,
            b' ' => f.write_char('+')?,
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collections::BTreeMap;

    #[test]
    fn escapes_all_but_the_unreserved() {
        let form = Form::new().field("name", "Zoë & Söhne = 100% *ok*").field("a b", "");
        assert_eq!(form.to_string(), "name=Zo%C3%AB+%26+S%C3%B6hne+%3D+100%25+*ok*&a+b=");
    }

    #[test]
    fn maps_nest_by_brackets() {
        let metadata = BTreeMap::from([("user_id".to_owned(), "user_1".to_owned())]);
        assert_eq!(Form::new().map("metadata", &metadata).to_string(), "metadata%5Buser_id%5D=user_1");
    }
}
