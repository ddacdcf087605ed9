//! Ids by the beginning of their text: since ids sort by time, a beginning is a range of a list.

use stepwell_store::{Cursor, Page};

/// The ids that begin with the same hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdRange {
    low: u128,
    /// The first id behind the range; none if it goes to the last id there can be.
    above: Option<u128>,
    /// How many digits were given.
    digits: usize,
}

impl IdRange {
    /// From 1 to 32 hexadecimal digits, dashes left out of account.
    pub(crate) fn of_prefix(text: &str) -> Result<Self, &'static str> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let count = u32::try_from(digits.len()).unwrap_or(u32::MAX);
        if !(1..=32).contains(&count) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("must be the first digits of a UUID");
        }
        let value = u128::from_str_radix(&digits, 16).map_err(|_| "must be the first digits of a UUID")?;
        let shift = 4 * (32 - count);
        let above = value.checked_add(1).and_then(|next| next.checked_mul(1u128.checked_shl(shift)?));
        Ok(Self { low: value << shift, above, digits: digits.len() })
    }

    /// The digits that were given, without dashes.
    pub(crate) fn prefix(&self) -> String {
        let mut text = format!("{:032x}", self.low);
        text.truncate(self.digits);
        text
    }

    /// The page with what lies behind the range passed over.
    pub(crate) fn narrow(&self, page: Page) -> Page {
        let after = page.after.map(|cursor| u128::from_be_bytes(cursor.0));
        let after = match (after, self.above) {
            (Some(after), Some(above)) => Some(after.min(above)),
            (after, above) => after.or(above),
        };
        Page { after: after.map(|id| Cursor(id.to_be_bytes())), ..page }
    }

    /// Whether the list, which goes down, has left the range.
    pub(crate) fn is_past(&self, id: &[u8; 16]) -> bool {
        u128::from_be_bytes(*id) < self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> (String, String) {
        let range = IdRange::of_prefix(text).unwrap();
        (format!("{:032x}", range.low), range.above.map_or_else(String::new, |above| format!("{above:032x}")))
    }

    #[test]
    fn a_prefix_is_a_range() {
        assert_eq!(range("0"), (format!("{:0<32}", "0"), format!("{:0<32}", "1")));
        assert_eq!(range("0190-AB"), (format!("{:0<32}", "0190ab"), format!("{:0<32}", "0190ac")));
        assert_eq!(range(&"f".repeat(32)), ("f".repeat(32), String::new()));
        assert_eq!(range("f"), (format!("{:0<32}", "f"), String::new()));
        let id = "0192f0c1-0000-7000-8000-000000000001";
        assert_eq!(range(id).0, id.replace('-', ""));
        assert_eq!(range(id).1, "0192f0c1000070008000000000000002");
        assert_eq!(IdRange::of_prefix("0192-F0").unwrap().prefix(), "0192f0");
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "-", "g", "+1", "0x1", &"0".repeat(33)] {
            assert!(IdRange::of_prefix(text).is_err(), "{text:?}");
        }
    }
}
