//! How long what is over is kept: lengths of time, or `forever`; events also by their names.

use serde::Deserialize;
use serde::de::Error;
use stepwell_core::duration;
use stepwell_core::trigger::Pattern;
use stepwell_store::Keep;
use stepwell_store::limits::{RETENTION_MAX, RETENTION_MIN};
use toml::Value;

/// What stands for the events that no other pattern is about.
const OTHERS: &str = "*";

/// The section `[retention]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    events: Events,
    completed: Length,
    failed: Length,
    cancelled: Length,
}

/// One length for all of them, or a table of patterns.
#[derive(Clone, Debug)]
struct Events {
    others: Option<Keep>,
    named: Vec<(Pattern, Keep)>,
}

#[derive(Clone, Copy, Debug)]
struct Length(Keep);

/// How long after something else: 0s to 100 years.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay(pub(crate) std::time::Duration);

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let delay = duration::parse(&text).ok().filter(|delay| *delay <= RETENTION_MAX);
        let wrong = || Error::custom(format_args!("{text:?} is no length of time: write one such as \"24h\""));
        delay.map(Self).ok_or_else(wrong)
    }
}

impl From<&Retention> for stepwell_store::Retention {
    fn from(config: &Retention) -> Self {
        let Retention { events, completed, failed, cancelled } = config;
        Self {
            completed: completed.0,
            failed: failed.0,
            cancelled: cancelled.0,
            events: events.others.unwrap_or(Self::default().events),
            events_named: events.named.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        length(&Value::deserialize(from)?).map(Self).map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        let Some(table) = value.as_table() else {
            let others = length(&value).map_err(Error::custom)?;
            return Ok(Self { others: Some(others), named: Vec::new() });
        };
        let mut events = Self { others: None, named: Vec::new() };
        for (name, value) in table {
            let keep = length(value).map_err(|wrong| Error::custom(format_args!("{name:?}: {wrong}")))?;
            match name.as_str() {
                OTHERS => events.others = Some(keep),
                _ => events.named.push((Pattern::try_from(name.clone()).map_err(Error::custom)?, keep)),
            }
        }
        Ok(events)
    }
}

fn length(value: &Value) -> Result<Keep, String> {
    let how = "write a length such as \"30d\", or \"forever\"";
    let text = value.as_str().ok_or_else(|| format!("{value} is no length of time: {how}"))?;
    let keep: Keep = text.parse().map_err(|_| format!("{text:?} is no length of time: {how}"))?;
    match keep {
        Keep::For(length) if !(RETENTION_MIN..=RETENTION_MAX).contains(&length) => {
            let (least, most) = (duration::format(RETENTION_MIN), duration::format(RETENTION_MAX));
            Err(format!("{text} is too short or too long: it may be from {least} to {most}, or \"forever\""))
        }
        Keep::For(_) | Keep::Forever => Ok(keep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let all = format!("completed = \"90d\"\nfailed = \"180d\"\ncancelled = \"forever\"\n{text}");
        let config: Retention = toml::from_str(&all).map_err(|error| error.message().to_owned())?;
        Ok(stepwell_store::Retention::from(&config).to_string())
    }

    #[test]
    fn events_have_one_length_or_one_by_name() {
        let runs = "completed=90d failed=180d cancelled=forever";
        let cases = [
            ("events = \"7d\"", "events=7d"),
            ("events = \"forever\"", "events=forever"),
            ("[events]\n\"clerk/session.*\" = \"7d\"", "events=30d clerk/session.*=7d"),
            ("[events]\n\"*\" = \"1w\"\n\"a/b\" = \"forever\"", "events=7d a/b=forever"),
        ];
        for (text, events) in cases {
            assert_eq!(read(text), Ok(format!("{runs} {events}")));
        }
    }

    #[test]
    fn what_is_no_length_or_no_pattern_is_said() {
        let cases = [
            ("events = 30", "30 is no length of time: write a length such as"),
            ("events = \"soon\"", "\"soon\" is no length of time"),
            ("events = \"59m\"", "59m is too short or too long: it may be from 1h to 36500d"),
            ("events = \"200000d\"", "may be from 1h to"),
            ("[events]\n\"clerk/*\" = \"never\"", "\"clerk/*\": \"never\" is no length"),
            ("[events]\n\"cl*k\" = \"7d\"", "a * may only stand at the end"),
        ];
        for (text, expected) in cases {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
