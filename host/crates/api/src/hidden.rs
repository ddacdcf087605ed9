//! What is masked of an event, masked wherever its run has it too: a workflow that is given a one-time code may return
//! it, fail with it, or name a step after it. Must not change what is stored or what a workflow is given.

use std::collections::BTreeSet;

use serde_json::Value;
use stepwell_core::journal::{Attempt, EntryState, StepError};
use stepwell_core::log::Line;
use stepwell_core::run::{RunError, State};
use stepwell_core::{Entry, Json, Run};
use stepwell_store::RunDetail;

use crate::redact::MASK;

/// The shortest text that is looked for: what is shorter stands in too many others.
const TEXT_CHARS_MIN: usize = 4;
/// The fewest digits within a text that are taken for a code: years have four, Clerk's codes six.
const CODE_DIGITS_MIN: usize = 5;
/// The fewest characters within a text that are taken for a ticket: those of base64url and the dots between its parts.
const TICKET_CHARS_MIN: usize = 20;

/// What is not to be shown.
#[derive(Clone, Debug)]
pub(crate) enum Hidden {
    /// These texts, the longest first.
    Texts(Vec<String>),
    /// Whatever a workflow has made of its event.
    All,
}

impl Hidden {
    pub(crate) const fn nothing() -> Self {
        Self::Texts(Vec::new())
    }

    pub(crate) const fn all() -> Self {
        Self::All
    }

    /// What stands in these pieces of JSON.
    pub(crate) fn of(pieces: Vec<&str>) -> Self {
        let mut texts = BTreeSet::new();
        for piece in pieces {
            match serde_json::from_str(piece) {
                Ok(value) => collect(&value, &mut texts),
                // A number beyond all bounds, or half of a surrogate.
                Err(_) => return Self::All,
            }
        }
        let mut texts: Vec<String> = texts.into_iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self::Texts(texts)
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Texts(texts) if texts.is_empty())
    }

    pub(crate) fn text(&self, text: &str) -> String {
        match self {
            Self::All => MASK.to_owned(),
            Self::Texts(texts) => texts.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, MASK)),
        }
    }

    /// Numbers, names of members and texts with it in them, however they are written.
    pub(crate) fn json(&self, json: &Json) -> Json {
        let whole = || Json::parse(format!("\"{MASK}\"")).unwrap_or_else(|_| Json::null());
        match self {
            Self::All => whole(),
            Self::Texts(texts) if texts.is_empty() => json.clone(),
            Self::Texts(_) => match serde_json::from_str(json.as_str()) {
                // Where there is nothing to mask, no number loses a digit.
                Ok(value) => match self.value(&value) {
                    masked if masked == value => json.clone(),
                    masked => Json::parse(masked.to_string()).unwrap_or_else(|_| whole()),
                },
                Err(_) => whole(),
            },
        }
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => match self.text(&number.to_string()) {
                masked if masked == number.to_string() => value.clone(),
                _ => MASK.into(),
            },
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.text(name), self.value(value))).collect()
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    pub(crate) fn run(&self, mut run: Run) -> Run {
        if self.is_nothing() {
            return run;
        }
        run.state = match run.state {
            State::Completed { output } => State::Completed { output: self.json(&output) },
            State::Failed { error } => State::Failed { error: self.run_error(error) },
            State::Paused { reason, since } => State::Paused { reason: self.text(&reason), since },
            other => other,
        };
        run
    }

    pub(crate) fn detail(&self, detail: RunDetail) -> RunDetail {
        if self.is_nothing() {
            return detail;
        }
        let journal = detail.journal.into_iter().map(|entry| self.entry(entry)).collect();
        RunDetail { run: self.run(detail.run), journal, ..detail }
    }

    pub(crate) fn line(&self, line: Line) -> Line {
        if self.is_nothing() {
            return line;
        }
        let fields = line.fields.iter().map(|(name, value)| (self.text(name), self.text(value))).collect();
        let (message, step) = (self.text(&line.message), line.step.as_deref().map(|step| self.name(step)));
        Line { message, fields, step, ..line }
    }

    fn run_error(&self, error: RunError) -> RunError {
        let RunError { kind, message, step, detail } = error;
        let (step, detail) = (step.map(|step| self.name(&step)), detail.map(|detail| self.json(&detail)));
        RunError { kind, message: self.text(&message), step, detail }
    }

    /// What a step is called stays to be seen where nobody knows what to hide.
    fn name(&self, name: &str) -> String {
        if matches!(self, Self::All) { name.to_owned() } else { self.text(name) }
    }

    fn entry(&self, mut entry: Entry) -> Entry {
        entry.call.name = self.name(&entry.call.name);
        entry.state = match entry.state {
            EntryState::Open { attempts, retry_at } => EntryState::Open { attempts: self.attempts(attempts), retry_at },
            EntryState::Done { attempts, output, at } => {
                EntryState::Done { attempts: self.attempts(attempts), output: self.json(&output), at }
            }
            EntryState::Failed { attempts, error, at } => {
                EntryState::Failed { attempts: self.attempts(attempts), error: self.step_error(error), at }
            }
            other @ (EntryState::Asleep { .. } | EntryState::Awake { .. }) => other,
        };
        entry
    }

    fn attempts(&self, attempts: Vec<Attempt>) -> Vec<Attempt> {
        let masked = |attempt: Attempt| {
            let error = attempt.error.map(|error| self.step_error(error));
            Attempt { error, ..attempt }
        };
        attempts.into_iter().map(masked).collect()
    }

    fn step_error(&self, error: StepError) -> StepError {
        let detail = error.detail.map(|detail| self.json(&detail));
        StepError { message: self.text(&error.message), detail, ..error }
    }
}

/// All texts and numbers in a value, and the codes and tickets within the texts.
fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if text.chars().count() >= TEXT_CHARS_MIN {
                texts.insert(text.clone());
            }
            texts.extend(parts(text, |char| char.is_ascii_digit(), CODE_DIGITS_MIN));
            let is_of_ticket = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
            texts.extend(parts(text, is_of_ticket, TICKET_CHARS_MIN));
        }
        Value::Number(number) => {
            let text = number.to_string();
            if text.len() >= CODE_DIGITS_MIN {
                texts.insert(text);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The longest parts of a text that have these characters alone, and so many at least.
fn parts(text: &str, is_part: impl Fn(char) -> bool, min: usize) -> impl Iterator<Item = String> {
    text.split(move |char| !is_part(char)).filter(move |part| part.len() >= min).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json_of(value: Value) -> Json {
        Json::parse(value.to_string()).unwrap()
    }

    #[test]
    fn codes_and_tickets_are_found_within_texts_and_however_they_are_written() {
        let mail =
            json!({"body": "Your code is 482913, of 2026.", "url": "https://a.b/t?ticket=eyJhbGciOiJSUzI1NiJ9.x-y_z"});
        let hidden = Hidden::of(vec![&mail.to_string()]);
        assert_eq!(hidden.text("it is 482913 in 2026"), "it is [redacted] in 2026");
        assert_eq!(hidden.text("t=eyJhbGciOiJSUzI1NiJ9.x-y_z&a"), "t=[redacted]&a");
        let output = json_of(json!({"code": 482913, "482913": ["x482913y", 12, null], "year": 2026}));
        let masked = json!({"code": MASK, "[redacted]": ["x[redacted]y", 12, null], "year": 2026});
        assert_eq!(serde_json::from_str::<Value>(hidden.json(&output).as_str()).unwrap(), masked);
        let escaped = Json::parse(r#"{"a":"48\u00329\u00313"}"#.to_owned()).unwrap();
        assert!(hidden.json(&escaped).as_str().contains(MASK));
    }

    #[test]
    fn what_has_nothing_of_it_stays_to_the_letter() {
        let hidden = Hidden::of(vec!["\"482913\"", "\"abc\"", "123", "null", "true"]);
        for text in [r#"{"n":1.000,"big":12345678901234567890123}"#, "\"abc\"", "123", "true"] {
            let json = Json::parse(text.to_owned()).unwrap();
            assert_eq!(hidden.json(&json).as_str(), text);
        }
    }

    #[test]
    fn what_cannot_be_read_hides_all() {
        assert!(matches!(Hidden::of(vec!["\"\\ud800\""]), Hidden::All));
        assert_eq!(Hidden::all().text("whatever"), MASK);
    }
}
