//! A plugin is replaced again and again under load, and the host killed in between: thirty times, or as often as
//! `STEPWELL_SWAP_ROUNDS` says, with a kill about every tenth time. Half of the times its file is not merely replaced,
//! but renamed, written over, or away for a while. `STEPWELL_CRASH_SEED` chooses another course.
//!
//! - Every event that was answered 2xx has one run, and it completes. None starts nothing and none starts two, unless
//!   the plugin's file was away for longer than `plugins.removal_grace`.
//! - Every run has executed each of its steps, and its end, on the component that it says it began with.
//! - The runs that need each component are counted right, after any number of kills.
//! - Once all runs are over, the newest component alone is left, in the store and as compiled code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use stepwell_core::Digest;
use stepwell_crash::{PluginFile, Trouble, course};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Config, Host, Run, Seed, Seen, guest, pause, until};

const ROUNDS: u64 = 30;
/// How far the timers are moved in a round.
const ADVANCE_MS: i64 = 2_000;
/// How long most runs sleep at most: over five swaps.
const SLEEP_MS_MAX: u64 = 10_000;
/// And some: over thirty, in which the host looks several times for components that nothing needs.
const LONG_SLEEP_MS_MAX: u64 = 60_000;
/// `plugins.removal_grace`.
const GRACE: Duration = Duration::from_secs(1);

struct World {
    host: Host,
    seed: Seed,
    file: PluginFile,
    /// The component of a plugin that nothing happens to: the folder is never empty without meaning it.
    beside: String,
    /// Ids of events that were answered 2xx.
    accepted: BTreeSet<String>,
    sent: u64,
    kills: u64,
    troubles: BTreeMap<String, u64>,
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
        let trouble = Trouble::any(&mut world.seed);
        let played = world.round(trouble, kills).await;
        played.map_err(|error| anyhow!("in swap {round} ({trouble:?}): {error:#}\n{}", world.host.last_lines()))?;
    }
    let told = world.end(rounds).await;
    told.map_err(|error| anyhow!("after the last swap: {error:#}\n{}", world.host.last_lines()))
}

impl World {
    async fn new(number: u64) -> Result<Self> {
        let mut config = Config::new();
        config.add(&format!("[plugins]\nremoval_grace = \"{}s\"", GRACE.as_secs()));
        let mut host = Host::new(config)?;
        let beside = guest("three_steps")?;
        host.home.put_plugin("beside", &beside)?;
        let file = PluginFile::put_first(&host.home)?;
        host.start().await?;
        Ok(Self {
            host,
            seed: Seed::new(number),
            file,
            beside: Digest::of(&fs::read(beside)?).to_string(),
            accepted: BTreeSet::new(),
            sent: 0,
            kills: 0,
            troubles: BTreeMap::new(),
            served: 0,
            held_max: 0,
        })
    }

    /// Load, what befalls the file, and perhaps a kill at any moment of it.
    async fn round(&mut self, trouble: Trouble, kills: bool) -> Result<()> {
        *self.troubles.entry(format!("{trouble:?}")).or_default() += 1;
        self.send().await?;
        self.file.begin(trouble, &self.host.home)?;
        // A host without a folder does not start, so that it comes back first.
        let ends_first = trouble == Trouble::FolderAway;
        if kills {
            pause(Duration::from_millis(self.seed.between(0, 400))).await;
            self.host.crash()?;
            self.kills += 1;
            if ends_first {
                self.file.end(trouble, &self.host.home)?;
            }
            self.host.start().await?;
        }
        self.send().await?;
        if !(kills && ends_first) {
            pause(Duration::from_millis(self.seed.between(0, 400))).await;
            self.send().await?;
            self.file.end(trouble, &self.host.home)?;
        }
        if !kills && self.seed.percent(80) || self.file.away_since.take().is_some() {
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
            let ms = match self.seed.between(0, 100) {
                0..20 => 1,
                20..30 => self.seed.between(SLEEP_MS_MAX, LONG_SLEEP_MS_MAX),
                _ => self.seed.between(1, SLEEP_MS_MAX),
            };
            let sent = api.send("test/marked", &json!({ "ms": ms }), Some(&format!("swap-{}", self.sent))).await?;
            if sent.runs.is_empty() && self.file.away_since.is_some_and(|since| since.elapsed() > GRACE) {
                continue;
            }
            ensure!(sent.runs.len() == 1, "event {} started {} runs", sent.id, sent.runs.len());
            self.accepted.insert(sent.id);
        }
        Ok(())
    }

    /// Waits until the newest component serves under the file's name. Events come meanwhile too.
    async fn is_served(&mut self) -> Result<()> {
        let is_served = until_served(self.host.api()?, self.file.name(), self.file.newest.clone());
        let mut is_served = std::pin::pin!(is_served);
        loop {
            tokio::select! {
                served = &mut is_served => return served,
                () = pause(Duration::from_millis(200)) => self.send().await?,
            }
        }
    }

    /// What the host says of the runs that need each component, against the runs themselves.
    async fn check_counts(&mut self) -> Result<()> {
        let api = self.host.api()?;
        let held = until("the counts and the runs to agree", CONDITION_MAX, async || {
            let mut counted = counted(&api.runs("").await?);
            let mut told: BTreeMap<String, u64> = BTreeMap::new();
            for plugin in api.plugins().await? {
                let needed = plugin.get("runs").and_then(|runs| runs.as_array()).context("runs by component")?;
                for needed in needed {
                    let digest =
                        needed.get("component_digest").and_then(|digest| digest.as_str()).context("a digest")?;
                    let runs = needed.get("runs").and_then(serde_json::Value::as_u64).context("a number of runs")?;
                    *told.entry(digest.to_owned()).or_default() += runs;
                }
            }
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
            self.file.marked().check(&self.host.api()?.run(&run.id).await?)?;
            began.insert(run.component_digest.clone());
        }
        self.check_files().await?;
        let Self { kills, served, held_max, troubles, .. } = self;
        Ok(format!(
            "{rounds} swaps {troubles:?}, {served} of them waited for, {kills} kills, {} runs on {} components, all \
             ended on the one that they began with; at most {held_max} needed at once, 1 left",
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
        let expected = BTreeSet::from([self.file.newest.as_str(), self.beside.as_str()]);
        until("the old components to go", CONDITION_MAX, async || {
            let components = files(&data.join("components"), ".wasm")?;
            let code = files(&data.join("compiled"), ".cwasm")?;
            let is_alone = |files: &[String]| {
                files.len() == expected.len() && files.iter().all(|file| expected.iter().any(|it| file.starts_with(it)))
            };
            let alone = is_alone(&components) && is_alone(&code);
            Ok(if alone { Seen::This(()) } else { Seen::NotYet(format!("{components:?} {code:?}")) })
        })
        .await
    }
}

async fn until_served(api: stepwell_harness::Api, name: &str, newest: String) -> Result<()> {
    until("the newest component to be in service", CONDITION_MAX, async || {
        let plugins = api.plugins().await?;
        let text = |plugin: &serde_json::Value, key: &str| plugin.get(key)?.as_str().map(str::to_owned);
        let is_it = |plugin: &&serde_json::Value| text(plugin, "name").as_deref() == Some(name);
        let serves = plugins.iter().find(is_it).and_then(|plugin| text(plugin, "component_digest"));
        let is = serves.as_ref() == Some(&newest);
        Ok(if is { Seen::This(()) } else { Seen::NotYet(format!("{plugins:?}")) })
    })
    .await
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
