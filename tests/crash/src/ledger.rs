//! What the world outside remembers: what was answered to senders, which steps were shown as completed, and
//! what came to the providers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use stepwell_harness::{Api, Emulators, Received};

/// The book that the host is held to.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The event's id by the delivery's, as answered with 2xx.
    accepted: BTreeMap<String, String>,
    /// The number of the last request that had come when the API had shown the step as completed, by the
    /// step's idempotency key.
    completed: BTreeMap<String, u64>,
    /// Runs whose end was seen: they need no more looking at.
    ended: BTreeSet<String>,
    requests: Vec<Received>,
}

impl Ledger {
    /// A delivery was answered 2xx with this event.
    pub fn accept(&mut self, delivery: &str, event: &str) -> Result<()> {
        let known = self.accepted.entry(delivery.to_owned()).or_insert_with(|| event.to_owned());
        ensure!(known == event, "delivery {delivery} was answered with event {known} and then with {event}");
        Ok(())
    }

    /// The event's id by the delivery's.
    pub fn accepted(&self) -> &BTreeMap<String, String> {
        &self.accepted
    }

    /// How many steps were seen completed.
    pub fn completed_steps(&self) -> usize {
        self.completed.len()
    }

    /// Looks at all runs that may have changed, and notes which steps are completed. Returns early where
    /// the host does not answer: it has been killed.
    pub async fn look(&mut self, api: Api, emulators: &Emulators) -> Result<()> {
        let Ok(runs) = api.runs("").await else { return Ok(()) };
        for run in runs.iter().filter(|run| run.status != "queued") {
            if self.ended.contains(&run.id) {
                continue;
            }
            let Ok(run) = api.run(&run.id).await else { return Ok(()) };
            let steps = run.steps.iter().filter(|step| step.status == "completed");
            let keys: Vec<_> = steps.map(|step| format!("{}/{}/{}", run.workflow, run.id, step.name)).collect();
            // Asked after the API's answer: whatever comes later comes after the result was stored.
            let seq = emulators.last_seq().await?;
            for key in keys {
                self.completed.entry(key).or_insert(seq);
            }
            if run.has_ended() {
                self.ended.insert(run.id);
            }
        }
        Ok(())
    }

    /// Notes what came to the providers since the last time.
    pub async fn collect(&mut self, emulators: &Emulators) -> Result<()> {
        let after = self.requests.last().map_or(0, |last| last.seq);
        self.requests.extend(emulators.requests(after).await?);
        Ok(())
    }

    /// Holds the providers' log against all of it.
    pub fn check(&self) -> Result<Effects> {
        let mut keys: BTreeMap<&str, (&str, u32)> = BTreeMap::new();
        for request in &self.requests {
            let Some(key) = &request.idempotency_key else {
                anyhow::bail!("a request without a key came to {} {}", request.provider, request.path);
            };
            let (body, effects) = keys.entry(key).or_insert((&request.body_sha256, 0));
            ensure!(*body == request.body_sha256, "{key} came with two bodies");
            *effects += u32::from(request.executed);
            ensure!(*effects <= 1, "the effect of {key} happened twice");
            let completed = self.completed.get(key).copied().unwrap_or(u64::MAX);
            ensure!(request.seq <= completed, "{key} was executed again after the API had shown it completed");
        }
        let effects = keys.values().filter(|(_, effects)| *effects == 1).count();
        Ok(Effects { requests: self.requests.len(), keys: keys.len(), effects })
    }

    /// This workflow, all of whose requests come behind a sleep, has asked nobody for anything yet.
    pub fn check_asleep(&self, workflow: &str) -> Result<()> {
        let mut keys = self.requests.iter().filter_map(|request| request.idempotency_key.as_deref());
        let early = keys.find(|key| key.split('/').next() == Some(workflow));
        ensure!(early.is_none(), "{early:?} came before its time");
        Ok(())
    }
}

/// What the providers have seen in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    pub requests: usize,
    pub keys: usize,
    pub effects: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(seq: u64, key: &str, body: &str, executed: bool) -> Received {
        Received {
            seq,
            provider: "resend".to_owned(),
            method: "POST".to_owned(),
            path: "/emails".to_owned(),
            idempotency_key: Some(key.to_owned()),
            body_sha256: body.to_owned(),
            status: None,
            replayed: false,
            executed,
            fault: false,
        }
    }

    fn checked(requests: Vec<Received>) -> Result<Effects, String> {
        let completed = BTreeMap::from([("done".to_owned(), 10)]);
        Ledger { requests, completed, ..Ledger::default() }.check().map_err(|error| error.to_string())
    }

    #[test]
    fn repeats_are_fine_and_effects_are_not() {
        let twice = vec![request(1, "a", "x", true), request(2, "a", "x", false)];
        assert_eq!(checked(twice), Ok(Effects { requests: 2, keys: 1, effects: 1 }));
        for (second, error) in [
            (request(2, "a", "x", true), "the effect of a happened twice"),
            (request(2, "a", "y", false), "a came with two bodies"),
            (request(11, "done", "x", false), "done was executed again after the API had shown it completed"),
        ] {
            assert_eq!(checked(vec![request(1, "a", "x", true), second]), Err(error.to_owned()));
        }
    }

    #[test]
    fn who_does_not_sleep_is_seen() {
        let ledger = Ledger { requests: vec![request(1, "drip/run/mail", "x", true)], ..Ledger::default() };
        ledger.check_asleep("dri").unwrap();
        ledger.check_asleep("drip").unwrap_err();
    }

    #[test]
    fn a_delivery_has_one_event() {
        let mut ledger = Ledger::default();
        ledger.accept("msg_1", "one").unwrap();
        ledger.accept("msg_1", "one").unwrap();
        assert!(ledger.accept("msg_1", "two").is_err());
    }
}
