//! The scripts' grammar: a verb, words, `key=value` options, and what follows `->`. Quotes hold a value
//! with spaces together (and `\"` in it a quote); a word that begins with `{` is JSON and ends with its brace.

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

/// One line of a script. What is read is taken; [`Line::done`] refuses what is left.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: usize,
    /// As it stands in the script.
    pub(crate) text: String,
    pub(crate) verb: String,
    words: VecDeque<String>,
    options: BTreeMap<String, String>,
    /// The words after `->`.
    outcome: Vec<String>,
    /// The indented lines below.
    pub(crate) block: String,
}

impl Line {
    /// All lines of a script.
    pub(crate) fn read_all(script: &str) -> Result<Vec<Self>> {
        let mut lines: Vec<Self> = Vec::new();
        for (index, text) in script.lines().enumerate() {
            let number = index + 1;
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            if text.starts_with(' ') {
                let above = lines.last_mut().with_context(|| format!("line {number} is indented below nothing"))?;
                above.block.push_str(text.trim_start());
                above.block.push('\n');
                continue;
            }
            lines.push(Self::read(number, text).with_context(|| format!("line {number}: {text}"))?);
        }
        Ok(lines)
    }

    fn read(number: usize, text: &str) -> Result<Self> {
        let mut tokens = tokens(text)?.into_iter();
        let verb = tokens.next().context("no verb")?;
        let (mut words, mut options, mut outcome) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        let mut is_outcome = false;
        for token in tokens {
            match token.split_once('=') {
                _ if token == "->" => is_outcome = true,
                _ if is_outcome => outcome.push(token),
                Some((key, value)) if !token.starts_with('{') => {
                    ensure!(options.insert(key.to_owned(), value.to_owned()).is_none(), "{key} stands twice");
                }
                _ => words.push_back(token),
            }
        }
        Ok(Self { number, text: text.to_owned(), verb, words, options, outcome, block: String::new() })
    }

    /// The next word.
    pub(crate) fn word(&mut self, what: &str) -> Result<String> {
        self.words.pop_front().with_context(|| format!("{what} is missing"))
    }

    /// The next word if it is this one.
    pub(crate) fn flag(&mut self, word: &str) -> bool {
        let is_next = self.words.front().is_some_and(|next| next == word);
        if is_next {
            self.words.pop_front();
        }
        is_next
    }

    /// All words that are left.
    pub(crate) fn words(&mut self) -> Vec<String> {
        self.words.drain(..).collect()
    }

    /// An option.
    pub(crate) fn option(&mut self, key: &str) -> Option<String> {
        self.options.remove(key)
    }

    /// An option that must be there.
    pub(crate) fn needed(&mut self, key: &str) -> Result<String> {
        self.option(key).with_context(|| format!("{key}= is missing"))
    }

    /// An option that is a number.
    pub(crate) fn number<T: FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.option(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| anyhow!("{key}={text} is no number"))
    }

    /// An option that is a length of time.
    pub(crate) fn length(&mut self, key: &str) -> Result<Option<Duration>> {
        self.option(key).map(|text| length(&text)).transpose()
    }

    /// What follows `->`.
    pub(crate) fn outcome(&mut self) -> Vec<String> {
        std::mem::take(&mut self.outcome)
    }

    /// Refuses what nobody read.
    pub(crate) fn done(&self) -> Result<()> {
        let nothing = self.words.is_empty() && self.options.is_empty() && self.outcome.is_empty();
        ensure!(nothing, "not understood: {:?} {:?} {:?}", self.words, self.options, self.outcome);
        Ok(())
    }
}

/// `250ms`, `15s`, `5m`, `2h`, `7d`.
pub(crate) fn length(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let count: u64 = digits.parse().with_context(|| format!("{text} is no length of time"))?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => bail!("{text} has no unit: ms, s, m, h or d"),
    };
    Ok(Duration::from_millis(count * ms))
}

/// JSON out of a word.
pub(crate) fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("{text} is not JSON"))
}

fn tokens(text: &str) -> Result<Vec<String>> {
    let (mut tokens, mut token) = (Vec::new(), String::new());
    let (mut depth, mut is_quoted) = (0_u32, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if is_quoted => token.extend(chars.next()),
            '"' if depth == 0 => is_quoted = !is_quoted,
            ' ' if depth == 0 && !is_quoted => {
                if !token.is_empty() {
                    tokens.push(std::mem::take(&mut token));
                }
            }
            _ => {
                if !is_quoted {
                    depth = depth + u32::from(c == '{') - u32::from(c == '}' && depth > 0);
                }
                token.push(c);
            }
        }
    }
    ensure!(depth == 0 && !is_quoted, "a brace or a quote is not closed");
    tokens.extend((!token.is_empty()).then_some(token));
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_options_json_and_an_outcome() {
        let script = "# a comment\nwebhook user.created id=msg_1 saying=\"two \\\"words\" {\"a\": {\"b\": 1}} -> 202 200x99\n  [limits]\n  x = 1\n";
        let mut lines = Line::read_all(script).unwrap();
        let mut line = lines.remove(0);
        assert_eq!((line.number, line.verb.as_str(), line.block.as_str()), (2, "webhook", "[limits]\nx = 1\n"));
        assert_eq!(line.word("type").unwrap(), "user.created");
        assert_eq!(line.option("saying").as_deref(), Some("two \"words"));
        assert!(line.done().is_err());
        assert_eq!(line.needed("id").unwrap(), "msg_1");
        assert_eq!(json(&line.word("data").unwrap()).unwrap(), serde_json::json!({"a": {"b": 1}}));
        assert_eq!(line.outcome(), ["202", "200x99"]);
        line.done().unwrap();
    }

    #[test]
    fn lengths_of_time_have_units() {
        assert_eq!(length("7d").unwrap(), Duration::from_secs(7 * 86_400));
        assert_eq!(length("250ms").unwrap(), Duration::from_millis(250));
        assert!(length("7").is_err() && length("d").is_err() && length("7y").is_err());
    }
}
