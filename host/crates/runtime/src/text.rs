//! Text of guests that people will read: in logs, errors and terminals.

/// `text` without what could forge a line or paint a terminal, cut to at most `bytes_max` before.
pub(crate) fn harmless(text: &str, bytes_max: usize) -> String {
    let cut = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    let harmless = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || is_direction(c));
    cut.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Marks that change the direction of text, by which a line can be made to read otherwise.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_direction_marks_are_replaced() {
        assert_eq!(harmless("a\u{1b}[31m\u{202e}b\r\n\tc", 100), "a\u{fffd}[31m\u{fffd}b\u{fffd}\n\tc");
        assert_eq!(harmless(&"ä".repeat(100), 9).len(), 8);
    }
}
