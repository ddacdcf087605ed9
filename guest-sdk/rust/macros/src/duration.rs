//! Whether a text is a duration as the host reads it: `30s`, `1h30m`, `7d`.

const UNITS: [&str; 6] = ["w", "d", "h", "m", "s", "ms"];

/// One or more whole numbers, each with its unit, from large units to small.
pub(crate) fn is_duration(text: &str) -> bool {
    let mut rest = text;
    let mut least = 0;
    while !rest.is_empty() {
        let Some((unit, after)) = part(rest) else {
            return false;
        };
        let Some(place) = UNITS.iter().position(|known| *known == unit) else {
            return false;
        };
        if place < least {
            return false;
        }
        (least, rest) = (place + 1, after);
    }
    !text.is_empty()
}

/// The unit of the first part, and what follows it.
fn part(text: &str) -> Option<(&str, &str)> {
    let behind = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if behind.len() == text.len() {
        return None;
    }
    let end = behind.find(|letter: char| letter.is_ascii_digit()).unwrap_or(behind.len());
    behind.split_at_checked(end)
}
