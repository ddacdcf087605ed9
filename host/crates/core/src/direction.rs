//! Characters that turn the text around them: in a name they make it look like another.

/// Whether it changes the direction of the text behind it: the embeddings, overrides and isolates of Unicode's
/// bidirectional algorithm (UAX 9), and its marks.
pub const fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
