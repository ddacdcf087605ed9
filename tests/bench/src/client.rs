//! Events by the thousand, and looks at what became of them. Never has more than a bounded number of runs
//! on their way, and waits for nothing without end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use stepwell_harness::{Connection, Request, noise, pause};

/// Events in one request, and how many runs may be on their way besides.
const ARRAY: usize = 1_000;
const ON_THEIR_WAY_MAX: usize = 2_000;
/// What an event's data has, bytes.
const DATA_BYTES: usize = 300;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// An event's data with nothing in it but this field, as the figures of others are taken with.
pub(crate) fn bare(field: &str, number: u64) -> Value {
    json!({field: number})
}

/// An event's data: this field, filled up to 300 bytes with what does not compress beyond its alphabet's six bits.
pub(crate) fn data(field: &str, number: u64) -> Value {
    let unfilled = json!({field: number, "filling": ""}).to_string().len();
    json!({field: number, "filling": noise(DATA_BYTES.saturating_sub(unfilled))})
}

/// Whoever sends and looks.
#[derive(Debug)]
pub(crate) struct Client(Connection);

impl Client {
    pub(crate) async fn open(admin: SocketAddr) -> Result<Self> {
        Ok(Self(Connection::open(admin).await?))
    }

    /// Sends so many events in one request; answers their runs.
    pub(crate) async fn send(&mut self, name: &str, data: &Value, count: usize) -> Result<Vec<String>> {
        let events = vec![json!({"name": name, "data": data}); count];
        let answer = self.0.send(&Request::json("POST", "/api/v1/events", &Value::Array(events))).await?;
        ensure!(answer.status == 202, "answered {}: {}", answer.status, answer.text());
        let value = answer.value();
        let items = value.get("items").and_then(Value::as_array).context("the answer has no items")?;
        let run = |item: &Value| item.pointer("/runs/0").and_then(Value::as_str).map(str::to_owned);
        items.iter().map(|item| run(item).with_context(|| format!("an event started no run: {item}"))).collect()
    }

    /// Sends so many events and waits until their runs, beside what was there, have this status.
    pub(crate) async fn fill(&mut self, name: &str, data: &Value, (count, status): (usize, &str)) -> Result<()> {
        let before = self.count(status).await?;
        let mut sent = 0;
        while sent < count {
            let next = ARRAY.min(count - sent);
            self.send(name, data, next).await?;
            sent += next;
            self.wait(status, before + sent.saturating_sub(ON_THEIR_WAY_MAX)).await?;
        }
        self.wait(status, before + count).await
    }

    /// Runs with this status.
    pub(crate) async fn count(&mut self, status: &str) -> Result<usize> {
        let stats = self.0.send(&Request::get("/api/v1/stats")).await?.value();
        let failed = stats.pointer("/runs/failed").and_then(Value::as_u64).unwrap_or(0);
        ensure!(failed == 0, "{failed} runs have failed: {stats}");
        let count = stats.pointer(&format!("/runs/{status}")).and_then(Value::as_u64).unwrap_or(0);
        Ok(usize::try_from(count)?)
    }

    /// Waits until at least so many runs have this status.
    pub(crate) async fn wait(&mut self, status: &str, at_least: usize) -> Result<()> {
        let (mut seen, mut last) = (0, Instant::now());
        loop {
            let now = self.count(status).await?;
            if now >= at_least {
                return Ok(());
            }
            if now > seen {
                (seen, last) = (now, Instant::now());
            }
            if last.elapsed() > STANDSTILL_MAX {
                bail!("{now} runs are {status}, not {at_least}, and nothing has come since {STANDSTILL_MAX:?}");
            }
            pause(LOOK_EVERY).await;
        }
    }

    /// Waits until at most so many runs are on their way.
    pub(crate) async fn at_most(&mut self, most: usize) -> Result<()> {
        let (mut seen, mut last) = (usize::MAX, Instant::now());
        loop {
            let mut now = 0;
            for status in ["queued", "running", "retrying"] {
                now += self.count(status).await?;
            }
            if now <= most {
                return Ok(());
            }
            if now < seen {
                (seen, last) = (now, Instant::now());
            }
            ensure!(
                last.elapsed() < STANDSTILL_MAX,
                "{now} runs are on their way, and none has ended since {STANDSTILL_MAX:?}"
            );
            pause(LOOK_EVERY).await;
        }
    }

    /// One run with its steps.
    pub(crate) async fn run(&mut self, id: &str) -> Result<Value> {
        let answer = self.0.send(&Request::get(format!("/api/v1/runs/{id}"))).await?;
        ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.text());
        Ok(answer.value())
    }

    /// How late a run of the fixture `sleeper` has woken.
    pub(crate) async fn lateness(&mut self, id: &str) -> Result<Duration> {
        let run = self.run(id).await?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let steps = run.get("steps").and_then(Value::as_array).context("the run has no steps")?;
        let due = text(steps.iter().find_map(|step| step.get("wake_at").filter(|at| at.is_string())));
        let ended = text(run.get("ended_at"));
        let (due, ended) = due.zip(ended).with_context(|| format!("not woken yet: {run}"))?;
        between(&due, &ended).with_context(|| format!("no times of day: {due}, {ended}"))
    }
}

/// No run at all may end for so long before a wait is given up.
const STANDSTILL_MAX: Duration = Duration::from_secs(30);

const DAY_MS: u64 = 86_400_000;

/// From one moment as the API tells them to another of the day that follows.
fn between(from: &str, to: &str) -> Option<Duration> {
    let ms = (of_day_ms(to)? + DAY_MS - of_day_ms(from)?) % DAY_MS;
    Some(Duration::from_millis(ms))
}

/// `2026-11-24T16:30:11.749Z` as milliseconds since midnight.
fn of_day_ms(text: &str) -> Option<u64> {
    let (_, time) = text.trim_end_matches('Z').split_once('T')?;
    let (time, ms) = time.split_once('.')?;
    let seconds = time.split(':').try_fold(0, |sum, part| part.parse::<u64>().ok().map(|part| sum * 60 + part))?;
    Some(seconds * 1000 + ms.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_go_over_midnight() {
        let lengths = [
            ("2026-11-24T16:30:11.750Z", "2026-11-24T16:30:12.051Z", Some(301)),
            ("2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00.001Z", Some(2)),
            ("soon", "2026-11-25T00:00:00.001Z", None),
        ];
        for (from, to, ms) in lengths {
            assert_eq!(between(from, to), ms.map(Duration::from_millis), "{from} {to}");
        }
    }

    #[test]
    fn data_has_300_bytes() {
        assert_eq!(data("ms", 86_400_000).to_string().len(), DATA_BYTES);
    }
}
