//! What a component says of itself: the JSON of `describe`, schema 1. Unknown keys are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{
    ASKS_MAX, CONCURRENCY_MAX, MANIFEST_BYTES_MAX, STEP_TIMEOUTS, TRIGGERS_MAX, VAR_BYTES_MAX, WORKFLOWS_MAX,
};
use crate::retry::{BadPolicy, Policy, PolicyRequest};
use crate::trigger::Pattern;
use crate::{Json, WorkflowId};

/// The schema that this host reads.
pub const SCHEMA: u32 = 1;

/// A component's description of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub schema: u32,
    /// `rust`, `js`, `python`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Such as `stepwell-sdk 0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<String>,
    pub workflows: Vec<Workflow>,
    #[serde(default)]
    pub asks: Asks,
}

/// What a plugin would like to reach; only what the operator grants too is reachable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asks {
    /// `https://api.resend.com`, or `$NAME` for the value of the config value NAME.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Config values with their defaults.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
}

/// One workflow of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    pub id: WorkflowId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    #[serde(default)]
    pub retries: PolicyRequest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concurrency: Vec<Concurrency>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<Rate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debounce: Option<Debounce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singleton: Option<Singleton>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel_on: Vec<CancelOn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<WorkflowId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<OnExhausted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
}

/// What starts a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    Event(EventTrigger),
    Cron(CronTrigger),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    pub event: Pattern,
    /// A filter expression over `event`.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CronTrigger {
    pub cron: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
}

/// What becomes of the ticks of a cron trigger that passed while the host was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    Skip,
    RunOnce,
    RunAll,
}

/// At most `limit` activations at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    pub limit: u32,
    /// An expression over `event`: the limit holds for each of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A name: the limit is shared with the workflows that name it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// How long a concurrency slot is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// While the run executes (the default).
    Activation,
    /// From the run's start to its end.
    Run,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub limit: u32,
    #[serde(with = "period")]
    pub period: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debounce {
    #[serde(with = "period")]
    pub period: Duration,
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub delay_max: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub size_max: u32,
    #[serde(with = "period")]
    pub timeout: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Singleton {
    pub mode: SingletonMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SingletonMode {
    Skip,
    Cancel,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    pub key: String,
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelOn {
    pub event: Pattern,
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub start: Option<Duration>,
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub run: Option<Duration>,
    #[serde(default, with = "crate::duration::option", skip_serializing_if = "Option::is_none")]
    pub step: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExhausted {
    Fail,
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upgrade {
    Pin,
    Upgrade,
}

/// Why a description is refused.
#[derive(Debug, Error)]
pub enum BadManifest {
    #[error("the description has {0} bytes, the limit MANIFEST_BYTES_MAX is {MANIFEST_BYTES_MAX}")]
    Size(usize),
    #[error("the description is not JSON of schema 1: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the description has schema {0}; this host reads schema {SCHEMA}")]
    Schema(u32),
    #[error("the description declares {0} workflows, it must be 1 to {WORKFLOWS_MAX}")]
    Workflows(usize),
    #[error("workflow {0} is declared twice")]
    Twice(WorkflowId),
    #[error("workflow {0} has {1} triggers, it must be 1 to {TRIGGERS_MAX}")]
    Triggers(WorkflowId, usize),
    #[error("workflow {0}: {1}")]
    Retries(WorkflowId, BadPolicy),
    #[error("workflow {0}: a concurrency limit must be 1 to {CONCURRENCY_MAX}, not {1}")]
    Limit(WorkflowId, u32),
    #[error("workflow {0}: timeouts.step must be 1 ms to 24 h (STEP_TIMEOUT_MAX), not {1:?}")]
    StepTimeout(WorkflowId, Duration),
    #[error("asks.{0} has {1} entries, the limit ASKS_MAX is {ASKS_MAX}")]
    Asks(&'static str, usize),
    #[error("asks.vars.{0} has a default of {1} bytes, the limit VAR_BYTES_MAX is {VAR_BYTES_MAX}")]
    Var(String, usize),
    #[error("asks.{0} has {1:?}: a name is 1 to 64 characters of A-Z, 0-9 and _")]
    AskName(&'static str, String),
    #[error("asks.hosts has {0:?}, but no config value of that name is asked for in asks.vars")]
    HostVar(String),
}

impl Manifest {
    /// Reads and checks the text that a component's `describe` answered.
    pub fn parse(text: &str) -> Result<Self, BadManifest> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(BadManifest::Size(text.len()));
        }
        let head: Head = serde_json::from_str(text)?;
        if head.schema != SCHEMA {
            return Err(BadManifest::Schema(head.schema));
        }
        let manifest: Self = serde_json::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// As JSON text again.
    pub fn to_json(&self) -> Result<Json, serde_json::Error> {
        Json::of(self)
    }

    /// The workflow of this id.
    pub fn workflow(&self, id: &WorkflowId) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.id == *id)
    }

    fn check(&self) -> Result<(), BadManifest> {
        if !(1..=WORKFLOWS_MAX).contains(&self.workflows.len()) {
            return Err(BadManifest::Workflows(self.workflows.len()));
        }
        for (n, workflow) in self.workflows.iter().enumerate() {
            if self.workflows.iter().take(n).any(|other| other.id == workflow.id) {
                return Err(BadManifest::Twice(workflow.id.clone()));
            }
            workflow.check()?;
        }
        self.asks.check()
    }
}

impl Workflow {
    fn check(&self) -> Result<(), BadManifest> {
        if !(1..=TRIGGERS_MAX).contains(&self.triggers.len()) {
            return Err(BadManifest::Triggers(self.id.clone(), self.triggers.len()));
        }
        self.policy().map_err(|bad| BadManifest::Retries(self.id.clone(), bad))?;
        for limit in self.concurrency.iter().map(|c| c.limit) {
            if !(1..=CONCURRENCY_MAX).contains(&limit) {
                return Err(BadManifest::Limit(self.id.clone(), limit));
            }
        }
        match self.timeouts.as_ref().and_then(|timeouts| timeouts.step) {
            Some(timeout) if !STEP_TIMEOUTS.contains(&timeout) => {
                Err(BadManifest::StepTimeout(self.id.clone(), timeout))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Its retry policy: what it asks for over the default.
    pub fn policy(&self) -> Result<Policy, BadPolicy> {
        Policy::DEFAULT.with(&self.retries)
    }

    /// Whether an event of this name starts it.
    pub fn matches(&self, event: &str) -> bool {
        self.triggers.iter().any(|trigger| match trigger {
            Trigger::Event(trigger) => trigger.event.matches(event),
            Trigger::Cron(_) => false,
        })
    }

    /// The keys of schema 1 that it uses and this host does not perform yet. Ignoring one would break
    /// what its author relies on, so the host refuses such a plugin.
    pub fn unperformed(&self) -> Vec<&'static str> {
        let has_filter = |t: &Trigger| matches!(t, Trigger::Event(t) if t.filter.is_some());
        let run_scope = |c: &Concurrency| matches!(c.scope, Some(Scope::Run));
        let asked = [
            ("triggers[].if", self.triggers.iter().any(has_filter)),
            ("triggers[].cron", self.triggers.iter().any(|t| matches!(t, Trigger::Cron(_)))),
            ("concurrency[].key", self.concurrency.iter().any(|c| c.key.is_some())),
            ("concurrency[].scope = run", self.concurrency.iter().any(run_scope)),
            ("throttle", self.throttle.is_some()),
            ("rate_limit", self.rate_limit.is_some()),
            ("debounce", self.debounce.is_some()),
            ("batch", self.batch.is_some()),
            ("priority", self.priority.is_some()),
            ("singleton", self.singleton.is_some()),
            ("idempotency", self.idempotency.is_some()),
            ("cancel_on", !self.cancel_on.is_empty()),
            ("timeouts.start", self.timeouts.as_ref().is_some_and(|t| t.start.is_some())),
            ("timeouts.run", self.timeouts.as_ref().is_some_and(|t| t.run.is_some())),
            ("on_failure", self.on_failure.is_some()),
            ("on_exhausted = pause", self.on_exhausted == Some(OnExhausted::Pause)),
            ("upgrade = upgrade", self.upgrade == Some(Upgrade::Upgrade)),
        ];
        asked.into_iter().filter_map(|(key, used)| used.then_some(key)).collect()
    }
}

impl Asks {
    fn check(&self) -> Result<(), BadManifest> {
        let counts = [("hosts", self.hosts.len()), ("secrets", self.secrets.len()), ("vars", self.vars.len())];
        for (what, count) in counts {
            if count > ASKS_MAX {
                return Err(BadManifest::Asks(what, count));
            }
        }
        for (what, name) in self.secrets.iter().map(|n| ("secrets", n)).chain(self.vars.keys().map(|n| ("vars", n))) {
            if !is_ask_name(name) {
                return Err(BadManifest::AskName(what, name.chars().take(64).collect()));
            }
        }
        if let Some((name, value)) = self.vars.iter().find(|(_, value)| value.len() > VAR_BYTES_MAX) {
            return Err(BadManifest::Var(name.clone(), value.len()));
        }
        let unknown = |host: &&String| host.strip_prefix('$').is_some_and(|name| !self.vars.contains_key(name));
        match self.hosts.iter().find(unknown) {
            Some(host) => Err(BadManifest::HostVar(host.clone())),
            None => Ok(()),
        }
    }
}

fn is_ask_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// For `#[serde(with)]` on a duration.
mod period {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::duration::format(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        crate::duration::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(workflow: &str) -> Result<Manifest, BadManifest> {
        Manifest::parse(&format!(r#"{{"schema":1,"workflows":[{workflow}]}}"#))
    }

    #[test]
    fn reads_what_the_contract_lists() {
        let manifest = parse(
            r#"{"id":"welcome-email","triggers":[{"event":"clerk/user.created"}],"concurrency":[{"limit":10}],
                "retries":{"attempts_max":3,"first_delay":"2s","delay_max":"1h","factor":2,"jitter":0}}"#,
        )
        .unwrap();
        let workflow = &manifest.workflows[0];
        assert!(workflow.matches("clerk/user.created"));
        assert_eq!(workflow.policy().unwrap().delay(2, 0), Duration::from_secs(4));
        assert!(workflow.unperformed().is_empty());
    }

    #[test]
    fn names_what_is_wrong() {
        let cases = [
            (r#"{"id":"Upper","triggers":[{"event":"a"}]}"#, "workflow id"),
            (r#"{"id":"a","triggers":[]}"#, "triggers"),
            (r#"{"id":"a","triggers":[{"event":"a"}],"concurency":[]}"#, "concurency"),
            (r#"{"id":"a","triggers":[{"event":"a"}],"concurrency":[{"limit":0}]}"#, "concurrency limit"),
            (r#"{"id":"a","triggers":[{"event":"a"}],"retries":{"attempts_max":0}}"#, "attempts_max"),
            (r#"{"id":"a","triggers":[{"event":"a"}],"timeouts":{"step":"25h"}}"#, "STEP_TIMEOUT_MAX"),
            (r#"{"id":"a","triggers":[{"event":"a"}],"timeouts":{"step":"999us"}}"#, "STEP_TIMEOUT_MAX"),
            (r#"{"id":"a","triggers":[{"event":"a"}]},{"id":"a","triggers":[{"event":"a"}]}"#, "declared twice"),
        ];
        for (workflow, expected) in cases {
            let message = parse(workflow).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(
            Manifest::parse(r#"{"schema":2,"workflows":[],"new":1}"#).unwrap_err().to_string().contains("schema 2")
        );
    }

    #[test]
    fn hosts_by_config_value_need_the_value() {
        let text = |vars: &str| {
            format!(
                r#"{{"schema":1,"workflows":[{{"id":"a","triggers":[{{"event":"a"}}]}}],"asks":{{"hosts":["$BASE"],"vars":{vars}}}}}"#
            )
        };
        assert!(Manifest::parse(&text(r#"{"BASE":"https://a.example"}"#)).is_ok());
        assert!(Manifest::parse(&text("{}")).unwrap_err().to_string().contains("$BASE"));
    }

    #[test]
    fn says_what_this_host_does_not_perform() {
        let manifest =
            parse(r#"{"id":"a","triggers":[{"cron":"0 9 * * *"},{"event":"a","if":"event.data.x"}]}"#).unwrap();
        assert_eq!(manifest.workflows[0].unperformed(), ["triggers[].if", "triggers[].cron"]);
    }
}
