//! Times and lengths of time in words.

use std::time::Duration;

use stepwell_core::Timestamp;

const UNITS: [(&str, u128); 4] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];

/// `850 ms`, `1.2 s`, `3 min 20 s`, `6 d 23 h`: two units at most, cut and not rounded.
pub(super) fn length(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    if ms < 10_000 && ms % 1_000 >= 100 {
        return format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    }
    let place = UNITS.iter().position(|(_, size)| ms >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = ms;
    let mut parts = Vec::new();
    for (unit, size) in UNITS.iter().skip(place).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

/// `now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at) {
        recent if recent < Duration::from_secs(2) => "now".to_owned(),
        past => format!("{} ago", rough(past)),
    }
}

/// `now` once it has come, else `in 6 d`.
pub(super) fn ahead(at: Timestamp, now: Timestamp) -> String {
    match at.since(now) {
        Duration::ZERO => "now".to_owned(),
        rest => format!("in {}", length(rest)),
    }
}

/// The largest unit alone.
fn rough(duration: Duration) -> String {
    let ms = duration.as_millis();
    let unit = UNITS.iter().find(|(_, size)| ms >= *size);
    unit.map_or_else(|| "0 s".to_owned(), |(unit, size)| format!("{} {unit}", ms / size))
}

/// `2026-01-31 12:00:00`, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// The same with its milliseconds.
pub(super) fn clock_ms(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..23).unwrap_or(&text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_250, "1.2 s"),
            (10_000, "10 s"),
            (200_000, "3 min 20 s"),
            (3_600_000, "1 h"),
            (3_601_000, "1 h"),
            (604_799_000, "6 d 23 h"),
            (604_800_000, "7 d"),
        ] {
            assert_eq!(length(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn points() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let later = now.after(Duration::from_secs(90));
        assert_eq!((ago(now, later).as_str(), ago(later, now).as_str()), ("1 min ago", "now"));
        assert_eq!((ahead(later, now).as_str(), ahead(now, later).as_str()), ("in 1 min 30 s", "now"));
        assert_eq!((clock(now).as_str(), clock_ms(now).as_str()), ("2023-11-14 22:13:20", "2023-11-14 22:13:20.000"));
    }
}
