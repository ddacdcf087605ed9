//! JSON as text to read: indented, every token as it came (a number keeps its digits), bounded.

use maud::{Markup, html};
use stepwell_core::Json;

use super::direction::escaped;
use crate::limits::SHOWN_JSON_BYTES_MAX;

/// A block of JSON. `whole` is where all of it is, for when it is too long to show.
pub(super) fn block(json: &Json, whole: &str) -> Markup {
    let mut text = escaped(indented(json.as_str()));
    let is_cut = text.len() > SHOWN_JSON_BYTES_MAX;
    text.truncate(text.floor_char_boundary(SHOWN_JSON_BYTES_MAX));
    html! {
        pre class="json" tabindex="0" { code { (text) } }
        @if is_cut {
            p class="muted" { "The first " (SHOWN_JSON_BYTES_MAX / 1024) " KiB of it. " a href=(whole) { "All of it as JSON" } }
        }
    }
}

/// Valid JSON text with one member or element a line.
pub(super) fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(2).min(2 * SHOWN_JSON_BYTES_MAX));
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let mut chars = text.chars().filter(|c| !c.is_ascii_whitespace() || *c == ' ').peekable();
    while let Some(c) = chars.next() {
        if out.len() > SHOWN_JSON_BYTES_MAX {
            break;
        }
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
            continue;
        }
        match c {
            ' ' => {}
            '{' | '[' => {
                out.push(c);
                while chars.next_if_eq(&' ').is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => {
                in_text = other == '"';
                out.push(other);
            }
        }
    }
    out
}

/// Deep nesting is not indented without end.
fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(32)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_as_they_came() {
        let text = " {\"a\" : 1.0e400,\n\"b\\\"{,:\":[ ] ,\t\"c\":{ \"d\":[1,\" two  \"]}} ";
        let expected = "{\n  \"a\": 1.0e400,\n  \"b\\\"{,:\": [],\n  \"c\": {\n    \"d\": [\n      1,\n      \" two  \"\n    ]\n  }\n}";
        assert_eq!(indented(text), expected);
        assert_eq!(indented("null"), "null");
        assert_eq!(indented("\"\\\\\""), "\"\\\\\"");
    }

    #[test]
    fn long_text_is_cut() {
        let text = format!("[{}1]", "1,".repeat(1 << 20));
        assert!(indented(&text).len() < SHOWN_JSON_BYTES_MAX + 64);
    }
}
