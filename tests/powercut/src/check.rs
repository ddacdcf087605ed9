//! Opens a directory as the next process does, and holds it to what was acknowledged: everything is there
//! and whole, nothing half applied, nothing that was never put, and the store goes on working. Runs in a
//! process of its own, so that a panic, an abort or a hang is an answer too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use stepwell_core::{Digest, Event, EventId, Run};
use stepwell_store::{Cursor, Element, EventFilter, Ingested, Page, RunFilter, Store, Verdict};
use stepwell_store_sled::offline::{Report, verify};
use stepwell_store_sled::{OpenError, SledStore};

use crate::acks::Said;
use crate::child::MADE_ANEW;
use crate::world::{component, entry, event, number_of, options, register, runs_of};

/// Events of a check's own have numbers from here on.
const OWN: u64 = 1 << 41;

/// What came of it, where nothing is wrong in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is there.
    Whole,
    /// It was not opened, and this was said.
    Refused(String),
    /// It was opened, and something in it cannot be read, as was said.
    Told(String),
    /// It was opened, something in it is not as it was acknowledged, and `verify` alone finds that.
    Verified(String),
}

/// Checks. An error is a finding, but where the store says that it found damage, and ends.
pub fn check(dir: &Path, acks: &str) -> Result<Outcome> {
    match checked(dir, acks) {
        Err(error) if format!("{error:#}").contains(MADE_ANEW) => Ok(Outcome::Told(format!("{error:#}"))),
        other => other,
    }
}

fn checked(dir: &Path, acks: &str) -> Result<Outcome> {
    let said = Said::of(acks);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let store = match SledStore::open(dir, options()) {
        Ok(store) => store,
        Err(error) => return refused(dir, &error),
    };
    let told = match runtime.block_on(has(&store, &said)) {
        Ok(told) => told,
        Err(error) => {
            drop(store);
            return found_by_verify(dir, error);
        }
    };
    if let Some(told) = told {
        // What is told must be found by whoever looks.
        drop(store);
        return Ok(Outcome::Told(told));
    }
    let ran = runtime.block_on(goes_on(&store, &said));
    ran.context("it does not go on working")?;
    store.end().context("it cannot be closed")?;
    let report = verify(dir, options()).context("it cannot be verified")?;
    if !report.is_good() {
        return Ok(Outcome::Told(format!("verify: {}", findings(&report))));
    }
    let store = SledStore::open(dir, options()).context("it does not open again")?;
    runtime.block_on(async {
        let own = store.event(event(OWN + 1).id).await?;
        ensure!(own == Some(event(OWN + 1)), "what was put after the start is gone");
        anyhow::Ok(())
    })?;
    store.end().context("it cannot be closed again")?;
    Ok(Outcome::Whole)
}

/// What a reader is not told must at least be found by whoever looks.
fn found_by_verify(dir: &Path, error: anyhow::Error) -> Result<Outcome> {
    match verify(dir, options()) {
        Ok(report) if !report.is_good() => Ok(Outcome::Verified(format!("{error:#}: {}", findings(&report)))),
        Ok(_) | Err(_) => Err(error),
    }
}

fn findings(report: &Report) -> String {
    let told: Vec<_> = report.findings.iter().take(5).map(|it| format!("{}: {}", it.what, it.reason)).collect();
    told.join("; ")
}

/// A refusal names a path, and is made by something that expects it.
fn refused(dir: &Path, error: &OpenError) -> Result<Outcome> {
    let text = error.to_string();
    ensure!(text.contains(&dir.display().to_string()), "a refusal that names no file: {text}");
    Ok(Outcome::Refused(text))
}

/// Whether all that was said is there; what cannot be read, if that is told. Silence is an error.
async fn has(store: &SledStore, said: &Said) -> Result<Option<String>> {
    match holds(store, said).await {
        Ok(()) => Ok(None),
        Err(error) => match error.downcast::<stepwell_store::Error>() {
            Ok(told) => Ok(Some(told.to_string())),
            Err(error) => Err(error),
        },
    }
}

async fn holds(store: &SledStore, said: &Said) -> Result<()> {
    for n in &said.events {
        let found = store.event(event(*n).id).await?;
        ensure!(found.is_some(), "LOST: event {n}");
        ensure!(found == Some(event(*n)), "WRONG: event {n}");
    }
    for (id, revision) in &said.revisions {
        let found = store.run(*id).await?.map(|detail| detail.run.revision);
        ensure!(found >= Some(*revision), "LOST: run {id} has {found:?} instead of {revision}");
    }
    for n in &said.components {
        let bytes = component(*n);
        ensure!(store.component(Digest::of(&bytes)).await? == Some(bytes), "LOST: component {n}");
    }
    fits_together(store).await
}

/// Nothing is half there: each event has its runs, each run its event and an entry for each of its moves.
async fn fits_together(store: &SledStore) -> Result<()> {
    let events = all_events(store).await?;
    let runs = all_runs(store).await?;
    let mut of_event: BTreeMap<EventId, usize> = BTreeMap::new();
    for run in &runs {
        *of_event.entry(run.event).or_default() += 1;
        let journal = store.run(run.id).await?.context("HALF: a listed run is not there")?.journal;
        let expected: Vec<_> = (0..run.revision).map(entry).collect();
        ensure!(journal == expected, "HALF: run {} has another journal than {} entries", run.id, run.revision);
    }
    for found in &events {
        let n = number_of(found.id);
        ensure!(*found == event(n), "WRONG: event {n}");
        let runs = of_event.remove(&found.id).unwrap_or_default();
        ensure!(runs == runs_of(n), "HALF: event {n} has {runs} runs");
    }
    ensure!(of_event.is_empty(), "HALF: runs without an event: {of_event:?}");
    let counts = store.counts().await?;
    ensure!(counts.events == events.len() as u64, "HALF: {} events, {} counted", events.len(), counts.events);
    let counted: u64 = counts.runs.iter().map(|(_, count)| count).sum();
    ensure!(counted == runs.len() as u64, "HALF: {} runs, {counted} counted", runs.len());
    Ok(())
}

async fn all_events(store: &SledStore) -> Result<Vec<Event>> {
    let (mut all, mut after): (Vec<Event>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let (page, next) = store.events(&EventFilter::default(), Page { limit: 200, after }).await?;
        all.extend(page);
        let Some(next) = next else { return Ok(all) };
        after = Some(next);
    }
}

async fn all_runs(store: &SledStore) -> Result<Vec<Run>> {
    let (mut all, mut after): (Vec<Run>, Option<Cursor>) = (Vec::new(), None);
    loop {
        let (page, next) = store.runs(&RunFilter::default(), Page { limit: 200, after }).await?;
        all.extend(page);
        let Some(next) = next else { return Ok(all) };
        after = Some(next);
    }
}

/// Leases go on, deliveries are known, new events are taken in.
async fn goes_on(store: &SledStore, said: &Said) -> Result<()> {
    let lease = store.acquire().await?;
    ensure!(lease.epoch > said.epoch, "LOST: lease {} after {}", lease.epoch, said.epoch);
    let again: BTreeSet<u64> = said.events.iter().rev().take(20).chain(said.events.iter().take(5)).copied().collect();
    for n in again {
        let repeated = Event { id: EventId::from_bytes([7; 16]), ..event(n) };
        match store.submit(Element::Ingest(Box::new(repeated))).await?.verdict {
            Verdict::Ingested(Ingested::Duplicate { event: found }) if found == event(n).id => {}
            other => bail!("LOST: the delivery of event {n}: {other:?}"),
        }
    }
    register(store).await?;
    for n in OWN..OWN + 40 {
        let receipt = store.submit(Element::Ingest(Box::new(event(n)))).await?;
        store.durable(receipt.sequence).await?;
    }
    Ok(())
}
