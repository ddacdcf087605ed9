//! A plugin is replaced again and again under load, and the host killed in between: twenty times, or as often as
//! `STEPWELL_SWAP_ROUNDS` says, with a kill about every tenth time. `STEPWELL_CRASH_SEED` chooses another course.
//!
//! - Every event that was answered 2xx has one run, and it completes.
//! - Every run has executed each of its steps, and its end, on the component that it says it began with.
//! - The runs that need each component are counted right, after any number of kills.
//! - Once all runs are over, the newest component alone is left, in the store and as compiled code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use stepwell_crash::{Marked, course};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Config, Host, Run, Seed, Seen, pause, until};

const ROUNDS: u64 = 20;
/// How far the timers are moved in a round.
const ADVANCE_MS: i64 = 2_000;
/// How long a run sleeps at most: over five swaps.
const SLEEP_MS_MAX: u64 = 10_000;

struct World {
    host: Host,
    seed: Seed,
    marked: Marked,
    newest: String,
    /// Ids of events that were answered 2xx.
    accepted: BTreeSet<String>,
    sent: u64,
    kills: u64,
    /// Swaps that were waited for: the others were replaced before the host had looked.
    served: u64,
    /// Components that were needed at once, at most.
    held_max: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_run_ends_on_the_component_that_it_began_with_however_often_that_is_replaced() {
    println!("{}", course(("STEPWELL_SWAP_ROUNDS", ROUNDS), play).await.unwrap());
}

async fn play(rounds: u64, seed: u64) -> Result<String> {
    let mut world = World::new(seed).await?;
    for round in 0..rounds {
        // Twice at the least, and not both at once.
        let kills = round == 5 || round == 12 || world.seed.percent(10);
        let played = world.round(kills).await;
        played.map_err(|error| anyhow!("in swap {round}: {error:#}\n{}", world.host.last_lines()))?;
    }
    let told = world.end(rounds).await;
    told.map_err(|error| anyhow!("after the last swap: {error:#}\n{}", world.host.last_lines()))
}

impl World {
    async fn new(number: u64) -> Result<Self> {
        let (host, marked) = (Host::new(Config::new())?, Marked::new()?);
        let mut world = Self {
            host,
            seed: Seed::new(number),
            marked,
            newest: String::new(),
            accepted: BTreeSet::new(),
            sent: 0,
            kills: 0,
            served: 0,
            held_max: 0,
        };
        world.put()?;
        world.host.start().await?;
        Ok(world)
    }

    /// Puts another version in the plugin's place.
    fn put(&mut self) -> Result<()> {
        let (bytes, digest) = self.marked.another()?;
        let aside = self.host.home.path().join("marked.bytes");
        fs::write(&aside, bytes)?;
        self.host.home.put_plugin("marked", &aside)?;
        self.newest = digest;
        Ok(())
    }

    /// Load, a swap, and perhaps a kill at any moment of it.
    async fn round(&mut self, kills: bool) -> Result<()> {
        self.send().await?;
        self.put()?;
        if kills {
            pause(Duration::from_millis(self.seed.between(0, 400))).await;
            self.host.crash()?;
            self.kills += 1;
            self.host.start().await?;
        } else if self.seed.percent(80) {
            self.is_served().await?;
            self.served += 1;
        }
        self.send().await?;
        self.host.advance(ADVANCE_MS).await?;
        Ok(())
    }

    async fn send(&mut self) -> Result<()> {
        let api = self.host.api()?;
        for _ in 0..self.seed.between(0, 3) {
            self.sent += 1;
            let ms = if self.seed.percent(20) { 1 } else { self.seed.between(1, SLEEP_MS_MAX) };
            let sent = api.send("test/marked", &json!({ "ms": ms }), Some(&format!("swap-{}", self.sent))).await?;
            ensure!(sent.runs.len() == 1, "event {} started {} runs", sent.id, sent.runs.len());
            self.accepted.insert(sent.id);
        }
        Ok(())
    }

    async fn is_served(&self) -> Result<()> {
        let api = self.host.api()?;
        until("the newest component to be in service", CONDITION_MAX, async || {
            let plugins = api.plugins().await?;
            let serves = plugins.first().and_then(|plugin| plugin.get("component_digest")?.as_str());
            let is = serves == Some(self.newest.as_str());
            Ok(if is { Seen::This(()) } else { Seen::NotYet(format!("{plugins:?}")) })
        })
        .await
    }

    /// What the host says of the runs that need each component, against the runs themselves.
    async fn check_counts(&mut self) -> Result<()> {
        let api = self.host.api()?;
        let held = until("the counts and the runs to agree", CONDITION_MAX, async || {
            let mut counted = counted(&api.runs("").await?);
            let plugins = api.plugins().await?;
            let told =
                plugins.first().and_then(|plugin| plugin.get("runs")?.as_array()).context("runs by component")?;
            let told: BTreeMap<String, u64> = told
                .iter()
                .filter_map(|needed| {
                    Some((needed.get("component_digest")?.as_str()?.to_owned(), needed.get("runs")?.as_u64()?))
                })
                .collect();
            // A run that has not begun needs what it would fall back to, which the API does not show.
            let queued = counted.remove("").unwrap_or_default();
            let agrees = told.values().sum::<u64>() == counted.values().sum::<u64>() + queued
                && counted.iter().all(|(digest, runs)| told.get(digest).is_some_and(|told| told >= runs));
            Ok(if agrees {
                Seen::This(told.len())
            } else {
                Seen::NotYet(format!("{told:?}, and there are {counted:?}"))
            })
        })
        .await?;
        self.held_max = self.held_max.max(held);
        Ok(())
    }

    async fn end(&mut self, rounds: u64) -> Result<String> {
        self.check_counts().await?;
        self.host.crash()?;
        self.host.start().await?;
        self.check_counts().await?;
        self.is_served().await?;
        let runs = self.let_end().await?;
        ensure!(runs.len() == self.accepted.len(), "{} runs of {} events", runs.len(), self.accepted.len());
        let mut began = BTreeSet::new();
        for run in &runs {
            ensure!(self.accepted.contains(&run.event_id), "nobody sent the event of {}", run.told());
            ensure!(run.status == "completed", "it did not complete: {}", run.told());
            self.marked.check(&self.host.api()?.run(&run.id).await?)?;
            began.insert(run.component_digest.clone());
        }
        self.check_files().await?;
        let Self { kills, served, held_max, .. } = self;
        Ok(format!(
            "{rounds} swaps, {served} of them waited for, {kills} kills, {} runs on {} components, all ended on the one \
             that they began with; at most {held_max} needed at once, 1 left",
            runs.len(),
            began.len()
        ))
    }

    async fn let_end(&mut self) -> Result<Vec<Run>> {
        let api = self.host.api()?;
        let host = &mut self.host;
        until("all runs to end", CONDITION_MAX * 2, async || {
            let runs = api.runs("").await?;
            let Some(left) = runs.iter().find(|run| !run.has_ended()) else { return Ok(Seen::This(runs)) };
            host.advance(ADVANCE_MS).await?;
            Ok(Seen::NotYet(left.told()))
        })
        .await
    }

    /// Nothing is left of components that nobody needs.
    async fn check_files(&self) -> Result<()> {
        let data = self.host.data_dir();
        until("the old components to go", CONDITION_MAX, async || {
            let components = files(&data.join("components"), ".wasm")?;
            let code = files(&data.join("compiled"), ".cwasm")?;
            let is = |file: &String| file.starts_with(&self.newest);
            let alone = components.len() == 1 && code.len() == 1 && components.iter().chain(&code).all(is);
            Ok(if alone { Seen::This(()) } else { Seen::NotYet(format!("{components:?} {code:?}")) })
        })
        .await
    }
}

/// Runs that are not over by their components, and those that have not begun under no name.
fn counted(runs: &[Run]) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.has_ended()) {
        *counted.entry(run.component_digest.clone().unwrap_or_default()).or_default() += 1;
    }
    counted
}

fn files(dir: &Path, ending: &str) -> Result<Vec<String>> {
    let names = fs::read_dir(dir)?.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(ending)).collect())
}
