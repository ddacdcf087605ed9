//! Shows characters that turn the text around them, so that nothing on a page looks like something else.

use stepwell_core::direction::turns_text;

/// In JSON they are written as escapes, which mean the same.
pub(super) fn escaped(json: String) -> String {
    if !json.contains(turns_text) {
        return json;
    }
    let one = |c: char| if turns_text(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(one).collect()
}

/// On a page a mark stands in their place, but for what a form gives back to its sender.
pub(super) fn shown(page: String) -> String {
    const FORM: (&str, &str) = ("<textarea", "</textarea>");
    if !page.contains(turns_text) {
        return page;
    }
    let mut out = String::with_capacity(page.len());
    for (number, part) in page.split(FORM.0).enumerate() {
        let (kept, rest) = match part.find(FORM.1) {
            Some(end) if number > 0 => part.split_at(end),
            _ => ("", part),
        };
        out.push_str(if number > 0 { FORM.0 } else { "" });
        out.push_str(kept);
        out.extend(rest.chars().map(|c| if turns_text(c) { char::REPLACEMENT_CHARACTER } else { c }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_around_is_seen() {
        assert_eq!(escaped("{\"a\":\"x\u{202e}y\"}".to_owned()), "{\"a\":\"x\\u202ey\"}");
        let page = "<p title=\"\u{202e}\">\u{2066}a</p><textarea id=\"d\">\u{200f}b</textarea>\u{202a}<textarea>\u{2067}</textarea>";
        let expected = "<p title=\"\u{fffd}\">\u{fffd}a</p><textarea id=\"d\">\u{200f}b</textarea>\u{fffd}<textarea>\u{2067}</textarea>";
        assert_eq!(shown(page.to_owned()), expected);
        assert_eq!(shown("<p>שלום</p>".to_owned()), "<p>שלום</p>");
    }
}
