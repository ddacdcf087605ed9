//! Points in time and lengths of time, without a calendar library: the host keeps the clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::failure::millis;

/// `n` milliseconds.
pub const fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes.
pub const fn minutes(n: u64) -> Duration {
    seconds(n.saturating_mul(60))
}

/// `n` hours.
pub const fn hours(n: u64) -> Duration {
    minutes(n.saturating_mul(60))
}

/// `n` days of 24 hours.
pub const fn days(n: u64) -> Duration {
    hours(n.saturating_mul(24))
}

/// `n` weeks of 7 days.
pub const fn weeks(n: u64) -> Duration {
    days(n.saturating_mul(7))
}

const DAY_MS: u64 = 86_400_000;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// As JSON it is a whole number of milliseconds; text of RFC 3339 is read too. As text it is RFC 3339 in
/// UTC with milliseconds.
///
/// ```
/// use stepwell_sdk::{Timestamp, days};
///
/// let start: Timestamp = "2026-02-27T23:30:00+01:00".parse()?;
/// assert_eq!((start + days(2)).to_string(), "2026-03-01T22:30:00.000Z");
/// # Ok::<(), stepwell_sdk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, millis))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
    }
}

/// Why a text is no timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATimestamp(String);

impl fmt::Display for NotATimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no time of RFC 3339 from 1970 on: write it like 2026-01-31T09:30:00Z", self.0)
    }
}

impl std::error::Error for NotATimestamp {}

impl std::str::FromStr for Timestamp {
    type Err = NotATimestamp;

    /// Reads `2026-01-31T09:30:00Z`, with fractions of a second and offsets; years 1970 to 9999.
    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        parse(text).map(Self).ok_or_else(|| NotATimestamp(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let (year, rest_date) = fixed(date, 4)?;
    let (month, rest_date) = fixed(rest_date.strip_prefix('-')?, 2)?;
    let (day, end) = fixed(rest_date.strip_prefix('-')?, 2)?;
    let valid = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !valid || !end.is_empty() {
        return None;
    }
    let (time_ms, zone) = time_of_day(rest)?;
    let local = days_from_civil(year, month, day).checked_mul(DAY_MS)?.checked_add(time_ms)?;
    local.checked_add_signed(offset_ms(zone)?.checked_neg()?)
}

fn time_of_day(text: &str) -> Option<(u64, &str)> {
    let (hour, rest) = fixed(text, 2)?;
    let (minute, rest) = fixed(rest.strip_prefix(':')?, 2)?;
    let (second, rest) = fixed(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let whole = ((hour * 60 + minute) * 60 + second) * 1000;
    let Some(fraction) = rest.strip_prefix('.') else {
        return Some((whole, rest));
    };
    let digits = fraction.len() - fraction.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (fraction, zone) = fraction.split_at_checked(digits)?;
    let (millis, _) = fixed(&format!("{fraction:0<3}"), 3).map(|(ms, _)| (ms, ()))?;
    if digits == 0 { None } else { Some((whole + millis, zone)) }
}

fn offset_ms(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hour, rest) = fixed(rest, 2)?;
    let (minute, end) = fixed(rest.strip_prefix(':')?, 2)?;
    if hour > 23 || minute > 59 || !end.is_empty() {
        return None;
    }
    Some(sign * i64::try_from((hour * 60 + minute) * 60_000).ok()?)
}

/// Exactly `width` decimal digits at the start, and what follows.
fn fixed(text: &str, width: usize) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at_checked(width)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    if all { Some((digits.parse().ok()?, rest)) } else { None }
}

fn days_of(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day from 1970 on. The year begins in March, so that a leap day is its last;
/// 146,097 days are 400 years; 719,468 days lie between 0000-03-01 and 1970-01-01.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (year / 400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Reads the date form of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time, zone) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|name| *name == month)? + 1;
    if zone != "GMT" {
        return None;
    }
    format!("{year}-{month:02}-{day}T{time}Z").parse().ok()
}

/// As the host reads it: `1h30m`, `1s500ms`.
pub(crate) fn duration_text(length: Duration) -> String {
    let mut rest = millis(length);
    let mut text = String::new();
    for (unit, size) in [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Millis(u64),
            Text(String),
        }
        match Either::deserialize(from)? {
            Either::Millis(millis) => Ok(Self(millis)),
            Either::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_milliseconds_agree() {
        let cases = [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1999-12-31T23:59:59.999Z", 946_684_799_999),
            ("2000-02-29T12:00:00.000Z", 951_825_600_000),
            ("2026-03-01T00:00:00.001Z", 1_772_323_200_001),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ];
        for (text, millis) in cases {
            assert_eq!(Timestamp(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp(millis)), "{text}");
        }
    }

    #[test]
    fn every_day_of_a_century_comes_back() {
        for day in 0..36_525 {
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
        }
    }

    #[test]
    fn reads_offsets_and_fractions_and_refuses_the_rest() {
        assert_eq!("1970-01-01T01:00:00.25+01:00".parse(), Ok(Timestamp(250)));
        assert_eq!("1969-12-31T23:00:00-01:00".parse::<Timestamp>().ok(), None);
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_http_dates() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp(784_111_777_000)));
        assert_eq!(parse_http_date("tomorrow"), None);
    }

    #[test]
    fn lengths_read_as_people_write_them() {
        let cases = [(days(7), "7d"), (minutes(90), "1h30m"), (milliseconds(1500), "1s500ms"), (Duration::ZERO, "0s")];
        for (length, text) in cases {
            assert_eq!(duration_text(length), text);
        }
    }

    #[test]
    fn json_is_a_number_or_text() {
        assert_eq!(serde_json::from_str::<Timestamp>("1500").unwrap(), Timestamp(1500));
        assert_eq!(serde_json::from_str::<Timestamp>(r#""1970-01-01T00:00:01Z""#).unwrap(), Timestamp(1000));
        assert_eq!(serde_json::to_string(&Timestamp(7)).unwrap(), "7");
    }
}
