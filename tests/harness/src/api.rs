//! The host's API, as an operator's script sees it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::limits::{PAGE_ROWS, PAGES_MAX};
use crate::wire::{Answer, Request, once};

/// A host's API.
#[derive(Clone, Copy, Debug)]
pub struct Api(pub SocketAddr);

/// A run.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    pub id: String,
    pub workflow: String,
    pub event_id: String,
    pub event_external_id: Option<String>,
    pub status: String,
    pub component_digest: Option<String>,
    pub due_at: Option<String>,
    #[serde(default)]
    pub output: Value,
    pub error: Option<Value>,
    pub paused_reason: Option<String>,
    #[serde(default)]
    pub steps: Vec<Step>,
}

impl Run {
    /// Whether nothing more comes.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled")
    }

    /// For an error: what it is and why.
    pub fn told(&self) -> String {
        let why = self.error.as_ref().map(Value::to_string).or_else(|| self.paused_reason.clone());
        format!("{} {} {} {}", self.workflow, self.id, self.status, why.unwrap_or_default())
    }
}

/// A step of a run.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    pub name: String,
    pub status: String,
    pub attempts: Vec<Attempt>,
    pub output: Option<Value>,
    pub error: Option<Value>,
    pub ended_at: Option<String>,
    pub woken_by: Option<String>,
}

/// An attempt of a step.
#[derive(Clone, Debug, Deserialize)]
pub struct Attempt {
    pub number: u32,
    pub started_at: String,
    pub ended_at: Option<String>,
    pub error: Option<Value>,
}

/// What became of an event that was posted.
#[derive(Clone, Debug, Deserialize)]
pub struct Sent {
    pub id: String,
    pub runs: Vec<String>,
    pub duplicate: bool,
}

/// Any JSON that was answered.
pub type Reply = Value;

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Stats {
    events: u64,
    runs: BTreeMap<String, u64>,
}

impl Api {
    /// Runs, newest first, without steps; `query` such as `workflow=drip-check-in`, or empty.
    pub async fn runs(&self, query: &str) -> Result<Vec<Run>> {
        self.list("/api/v1/runs", query).await
    }

    /// One run with its steps.
    pub async fn run(&self, id: &str) -> Result<Run> {
        self.read(&format!("/api/v1/runs/{id}")).await
    }

    /// Events, newest first.
    pub async fn events(&self, query: &str) -> Result<Vec<Reply>> {
        self.list("/api/v1/events", query).await
    }

    /// Plugins by name.
    pub async fn plugins(&self) -> Result<Vec<Reply>> {
        let list: List<Reply> = self.read("/api/v1/plugins").await?;
        Ok(list.items)
    }

    /// The latest refused deliveries.
    pub async fn rejections(&self) -> Result<Vec<Reply>> {
        let list: List<Reply> = self.read("/api/v1/webhooks/rejections").await?;
        Ok(list.items)
    }

    /// How many events there are, and runs by stored status.
    pub async fn counts(&self) -> Result<(u64, BTreeMap<String, u64>)> {
        let stats: Stats = self.read("/api/v1/stats").await?;
        Ok((stats.events, stats.runs))
    }

    /// `cancel`, `wake-now` or `resume`.
    pub async fn wish(&self, run: &str, wish: &str) -> Result<()> {
        let path = format!("/api/v1/runs/{run}/{wish}");
        let answer = once(self.0, &Request::json("POST", path, &Value::Null)).await?;
        ensure!(answer.status == 202, "{wish} of {run} was answered {}: {}", answer.status, answer.text());
        Ok(())
    }

    /// Posts an event.
    pub async fn send(&self, name: &str, data: &Value, id: Option<&str>) -> Result<Sent> {
        let answer = once(self.0, &Self::event(name, data, id)).await?;
        ensure!(answer.status == 202, "event {name} was answered {}: {}", answer.status, answer.text());
        Self::sent(&answer)
    }

    /// The request that posts an event.
    pub fn event(name: &str, data: &Value, id: Option<&str>) -> Request {
        Request::json("POST", "/api/v1/events", &json!({"name": name, "data": data, "id": id}))
    }

    /// What the answer to [`Api::event`] says.
    pub fn sent(answer: &Answer) -> Result<Sent> {
        let mut list: Items = serde_json::from_slice(&answer.body).with_context(|| answer.text())?;
        list.items.pop().with_context(|| answer.text())
    }

    async fn list<T: DeserializeOwned>(&self, path: &str, query: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let query = if query.is_empty() { String::new() } else { format!("&{query}") };
            let page: List<T> = self.read(&format!("{path}?limit={PAGE_ROWS}{query}{after}")).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
        bail!("{path} has more than {PAGES_MAX} pages")
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = once(self.0, &Request::get(path)).await?;
        ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.text());
        serde_json::from_slice(&answer.body).with_context(|| format!("the answer to {path}: {}", answer.text()))
    }
}

#[derive(Deserialize)]
struct Items {
    items: Vec<Sent>,
}
