//! What is about a person is on disk in no form that anybody without the key file can read.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stepwell_core::journal::{Call, CallKind, EntryState, OptionsHash};
use stepwell_core::log::{Level, Line};
use stepwell_core::run::State;
use stepwell_core::{Entry, Event, EventId, Json, Run, Timestamp};
use stepwell_store::{Change, Element, Erasure, EventFilter, Ingested, Lease, RunDetail, Store, Verdict};
use stepwell_store_sled::offline::{OfflineError, restore, verify};
use stepwell_store_sled::{OpenError, Options, SledStore, keyfile, unpack};
use stepwell_testkit::{bare_event, plugin, traces};

const MARKER: &str = "grace.hopper+marker@example.com";

/// So small that checkpoints and snapshots come often.
fn small() -> Options {
    let (checkpoint_bytes, snapshot_bytes, segment_bytes) = (8 << 10, 32 << 10, 16 << 10);
    Options { cache_bytes: 4 << 20, checkpoint_bytes, snapshot_bytes, segment_bytes, ..Options::default() }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, small()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(dir: &Path) -> String {
    SledStore::open(dir, small()).map(|_| "it opened").unwrap_err().to_string()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn json(text: &str) -> Json {
    Json::of(text).unwrap()
}

/// The nth event, about this person; every fourth one is larger than a value may be.
fn event(n: u64, subject: Option<&str>, text: &str) -> Event {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let received_at = at(i64::try_from(n).unwrap());
    Event {
        external_id: Some(format!("msg_{n}")),
        data: json(&text.repeat(if n.is_multiple_of(4) { 400 } else { 1 })),
        meta: json(text),
        subject: subject.map(str::to_owned),
        ..bare_event(EventId::new(received_at, random), "user", received_at)
    }
}

async fn ready(dir: &Path) -> (SledStore, Lease) {
    let store = open(dir);
    let element = Element::Plugins(vec![plugin("mail", &[("welcome", &["user"])])]);
    store.submit(element).await.unwrap();
    let lease = store.acquire().await.unwrap();
    (store, lease)
}

/// Takes an event in. Answers its run.
async fn take_in(store: &SledStore, event: Event) -> (EventId, stepwell_core::RunId) {
    let receipt = store.submit(Element::Ingest(Box::new(event))).await.unwrap();
    store.durable(receipt.sequence).await.unwrap();
    match receipt.verdict {
        Verdict::Ingested(Ingested::Created { event, runs }) => (event, runs[0]),
        other => panic!("{other:?}"),
    }
}

/// Puts a step's result into a run, and lets it end, with its journal in its row, or have it paused and beside.
async fn step(store: &SledStore, lease: Lease, run: Run, text: &str) -> Verdict {
    let call = Call { kind: CallKind::Run, name: text.to_owned(), options: OptionsHash::of(b"") };
    let done = EntryState::Done { attempts: Vec::new(), output: json(text), at: run.created_at };
    // Every other one is larger than a value may be.
    let message = text.repeat(if run.created_at.as_millis() % 2 == 0 { 400 } else { 1 });
    let fields = [(text.to_owned(), text.to_owned())].into();
    let line = Line { at: run.created_at, level: Level::Info, message, fields, step: None, attempt: None };
    let mut logged = run.logged;
    assert!(logged.count(&line));
    let state = if run.event.as_bytes()[15].is_multiple_of(2) {
        State::Completed { output: json(text) }
    } else {
        State::Paused { reason: text.to_owned(), since: run.created_at }
    };
    let ended_at = state.status().is_end().then_some(run.created_at);
    let change = Change {
        epoch: lease.epoch,
        seen: run.revision,
        seen_control: None,
        entries: vec![Entry { index: 0, call, state: done }],
        lines: vec![line],
        run: Run { logged, state, ended_at, ..run },
        release: true,
    };
    let receipt = store.submit(Element::Change(Box::new(change))).await.unwrap();
    store.durable(receipt.sequence).await.unwrap();
    receipt.verdict
}

/// Events about somebody, each with a run that has a step.
async fn fill(store: &SledStore, lease: Lease, numbers: std::ops::Range<u64>, about: (Option<&str>, &str)) {
    for n in numbers {
        take_in(store, event(n, about.0, about.1)).await;
    }
    for claimed in store.claim(lease, &"welcome".parse().unwrap(), at(1_000_000), 1000).await.unwrap() {
        let verdict = step(store, lease, claimed.run, about.1).await;
        assert!(matches!(verdict, Verdict::Changed { .. }), "{verdict:?}");
    }
}

async fn detail(store: &SledStore, n: u64) -> Option<RunDetail> {
    let id = event(n, None, "").id;
    let filter = stepwell_store::RunFilter { event: Some(id), ..Default::default() };
    let page = stepwell_store::Page { limit: 10, after: None };
    let (runs, _) = store.runs(&filter, page).await.unwrap();
    match runs.first() {
        Some(run) => {
            assert!(store.log(run.id).await.unwrap()[0].message.starts_with(&left_with(run)));
            store.run(run.id).await.unwrap()
        }
        None => None,
    }
}

/// The text that a run ended or was paused with.
fn left_with(run: &Run) -> String {
    match &run.state {
        State::Completed { output } => serde_json::from_str(output.as_str()).unwrap(),
        State::Paused { reason, .. } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn has(detail: &RunDetail, text: &str) -> bool {
    let (event, run) = (detail.event.as_ref().unwrap(), &detail.run);
    event.data.as_str().contains(text)
        && left_with(run) == text
        && matches!(&detail.journal[0].state, EntryState::Done { output, .. } if *output == json(text))
}

/// Whether a row of the database has this text once it is unpacked.
fn rows_hold(data: &Path, text: &str) -> bool {
    const HEADER: usize = 10;
    let text_of = |key: &[u8], value: &[u8]| unpack(key, value.get(HEADER..)?).map(|text| text.into_owned()).ok();
    let db = sled::open(data.join("sled")).unwrap();
    let texts = db.iter().map(Result::unwrap).filter_map(|(key, value)| text_of(&key, &value));
    texts.into_iter().any(|body| body.windows(text.len()).any(|found| found == text.as_bytes()))
}

#[tokio::test]
async fn what_is_about_a_person_is_in_no_file_and_is_read_again() {
    for (subject, is_found) in [(Some("user_1"), false), (None, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (data, backup) = (dir.path().join("data"), dir.path().join("a.backup"));
        let (store, lease) = ready(&data).await;
        fill(&store, lease, 0..20, (subject, MARKER)).await;
        store.backup(&backup).unwrap();
        assert!(traces(dir.path(), MARKER).is_empty(), "{subject:?}");
        assert!(has(&detail(&store, 4).await.unwrap(), MARKER) && has(&detail(&store, 7).await.unwrap(), MARKER));
        store.end().unwrap();
        assert!(traces(dir.path(), MARKER).is_empty(), "{subject:?}");
        // Packing alone hides a text from who looks for it as it is, and from nobody else.
        assert_eq!(rows_hold(&data, MARKER), is_found, "{subject:?}");
        assert_eq!(data.join("keys/privacy.key").exists(), subject.is_some());
        let report = verify(&data, small()).unwrap();
        assert!(report.is_good(), "{:?}", report.findings);
        let store = open(&data);
        assert!(has(&detail(&store, 4).await.unwrap(), MARKER) && has(&detail(&store, 7).await.unwrap(), MARKER));
        assert_eq!(store.event(event(4, None, "").id).await.unwrap().unwrap().subject.as_deref(), subject);
        store.end().unwrap();
    }
}

/// A run is claimed, with its event, before either is durable.
#[tokio::test]
async fn a_run_about_a_person_is_claimed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, lease) = ready(dir.path()).await;
    for n in 0..50 {
        store.submit(Element::Ingest(Box::new(event(n * 4 + 1, Some("user_1"), MARKER)))).await.unwrap();
        let claimed = store.claim(lease, &"welcome".parse().unwrap(), at(1_000_000), 10).await.unwrap();
        assert_eq!(claimed.len(), 1, "{n}");
    }
    store.end().unwrap();
}

#[tokio::test]
async fn without_its_own_key_file_a_directory_is_refused_and_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    for data in [&data, &other] {
        let (store, lease) = ready(data).await;
        fill(&store, lease, 0..3, (Some("user_1"), MARKER)).await;
        store.end().unwrap();
    }
    let (key, aside) = (data.join("keys/privacy.key"), dir.path().join("aside"));
    fs::rename(&key, &aside).unwrap();
    let told = refusal(&data);
    assert!(told.contains("there is no key file") && told.contains("stepwell privacy keys import"), "{told}");
    fs::copy(other.join("keys/privacy.key"), &key).unwrap();
    let told = refusal(&data);
    assert!(told.contains("put the right key file in its place"), "{told}");
    fs::write(&key, "what is this?").unwrap();
    let told = refusal(&data);
    assert!(told.contains("privacy.key cannot be used"), "{told}");
    fs::remove_file(&key).unwrap();
    let options = Options { key_file: Some(aside), ..small() };
    let store = SledStore::open(&data, options).unwrap();
    assert!(has(&detail(&store, 1).await.unwrap(), MARKER));
    store.end().unwrap();
}

const OTHER: &str = "somebody.else@example.com";

/// A directory with twenty events about user_1 and as many about user_2, a backup and a copy of its keys beside it.
async fn two_people(dir: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (data, backup, keys) = (dir.join("data"), dir.join("a.backup"), dir.join("keys.copy"));
    let (store, lease) = ready(&data).await;
    fill(&store, lease, 0..20, (Some("user_1"), MARKER)).await;
    fill(&store, lease, 20..40, (Some("user_2"), OTHER)).await;
    store.backup(&backup).unwrap();
    keyfile::export(&data, &small(), &keys).unwrap();
    store.end().unwrap();
    (data, backup, keys)
}

fn with_keys(keys: &Path) -> Options {
    Options { key_file: Some(keys.to_owned()), ..small() }
}

/// user_1 is gone, user_2 is whole, and the directory is as it should be.
async fn has_user_2_alone(dir: &Path, options: &Options) {
    let report = verify(dir, options.clone()).unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.events, report.runs), (20, 20));
    let store = SledStore::open(dir, options.clone()).unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.events, counts.runs.iter().map(|(_, runs)| runs).sum::<u64>()), (20, 20));
    for n in 0..20 {
        assert_eq!(store.event(event(n, None, "").id).await.unwrap(), None, "{n}");
        assert!(has(&detail(&store, n + 20).await.unwrap(), OTHER), "{n}");
    }
    // Sent again it starts nothing.
    let again = Event { id: event(99, None, "").id, ..event(3, Some("user_1"), MARKER) };
    let receipt = store.submit(Element::Ingest(Box::new(again))).await.unwrap();
    let first = event(3, None, "").id;
    assert_eq!(receipt.verdict, Verdict::Ingested(Ingested::Duplicate { event: first }));
    store.end().unwrap();
}

async fn erase(dir: &Path, options: &Options) -> Erasure {
    let store = SledStore::open(dir, options.clone()).unwrap();
    let erased = store.erase("user_1", at(5_000)).await.unwrap();
    store.end().unwrap();
    erased
}

#[tokio::test]
async fn a_backup_from_before_an_erasure_is_restored_without_the_person() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup, old_keys) = two_people(dir.path()).await;
    assert_eq!(erase(&data, &small()).await, Erasure::Done { events: 20, runs: 20 });
    has_user_2_alone(&data, &small()).await;
    let keys = data.join("keys/privacy.key");
    let restored = dir.path().join("restored");
    restore(&backup, &restored, with_keys(&keys)).unwrap();
    has_user_2_alone(&restored, &with_keys(&keys)).await;
    // What this erases is there, for whoever has kept the keys of that time.
    let before = dir.path().join("before");
    restore(&backup, &before, with_keys(&old_keys)).unwrap();
    let store = SledStore::open(&before, with_keys(&old_keys)).unwrap();
    assert!(has(&detail(&store, 4).await.unwrap(), MARKER));
    store.end().unwrap();
}

#[tokio::test]
async fn a_backup_is_restored_with_its_own_keys_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (_, backup, keys) = two_people(dir.path()).await;
    let to = dir.path().join("to");
    let refused = restore(&backup, &to, small()).unwrap_err();
    assert!(matches!(refused, OfflineError::Open(OpenError::KeysMissing { .. })), "{refused}");
    assert!(!to.exists());
    let (path, told) = keyfile::import(&keys, &to, &small()).unwrap();
    assert_eq!((path, told.erasures), (to.join("keys/privacy.key"), 0));
    restore(&backup, &to, small()).unwrap();
    let store = open(&to);
    assert!(has(&detail(&store, 4).await.unwrap(), MARKER));
    store.end().unwrap();
}

#[tokio::test]
async fn keys_from_before_an_erasure_that_are_put_back_lose_the_person_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _, old_keys) = two_people(dir.path()).await;
    erase(&data, &small()).await;
    let keys = data.join("keys/privacy.key");
    let erased = fs::read(&keys).unwrap();
    fs::copy(&old_keys, &keys).unwrap();
    has_user_2_alone(&data, &small()).await;
    assert_eq!(fs::read(&keys).unwrap(), erased);
    // Nor do they come back by an import, on whichever side they are.
    let (_, told) = keyfile::import(&old_keys, &data, &small()).unwrap();
    assert_eq!((told.erasures, fs::read(&keys).unwrap()), (1, erased.clone()));
    let (to, other) = (dir.path().join("new.copy"), dir.path().join("other"));
    keyfile::export(&data, &small(), &to).unwrap();
    keyfile::import(&old_keys, &other, &small()).unwrap();
    keyfile::import(&to, &other, &small()).unwrap();
    assert_eq!(fs::read(other.join("keys/privacy.key")).unwrap(), erased);
}

#[tokio::test]
async fn other_keys_are_not_imported_over_those_that_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _, _) = two_people(&dir.path().join("one")).await;
    let (_, _, others) = two_people(&dir.path().join("two")).await;
    let before = fs::read(data.join("keys/privacy.key")).unwrap();
    let refused = keyfile::import(&others, &data, &small()).unwrap_err().to_string();
    assert!(refused.contains("could not be read any more"), "{refused}");
    assert_eq!(fs::read(data.join("keys/privacy.key")).unwrap(), before);
}

/// Where the key file cannot be written nobody is erased by half, and nobody else is concerned.
#[tokio::test]
async fn with_a_key_file_that_cannot_be_written_nothing_is_deleted_and_the_host_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _, _) = two_people(dir.path()).await;
    let store = open(&data);
    // A directory in the place of the file that is written aside.
    let aside = data.join("keys/privacy.tmp");
    fs::create_dir(&aside).unwrap();
    let refused = store.erase("user_1", at(5_000)).await.unwrap_err().to_string();
    assert!(refused.contains("the key file") && refused.contains("could not be written"), "{refused}");
    assert!(has(&detail(&store, 4).await.unwrap(), MARKER) && has(&detail(&store, 24).await.unwrap(), OTHER));
    fs::remove_dir(&aside).unwrap();
    assert_eq!(store.erase("user_1", at(6_000)).await.unwrap(), Erasure::Done { events: 20, runs: 20 });
    store.end().unwrap();
    has_user_2_alone(&data, &small()).await;
}

const DIR: &str = "STEPWELL_PRIVACY_DIR";

/// In a child: erases somebody, until it is killed.
#[tokio::test]
async fn erases_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = open(Path::new(&dir));
    println!("begins");
    store.erase("user_1", at(5_000)).await.unwrap();
    println!("erased");
    std::future::pending::<()>().await;
}

/// Kill -9 at any moment of an erasure: the next start does the rest, or none of it had begun.
#[tokio::test]
async fn an_erasure_that_a_kill_cuts_short_is_done_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _, _) = two_people(dir.path()).await;
    let mut cut_short = 0;
    for n in 0..24_u64 {
        let copy = dir.path().join(format!("copy-{n}"));
        copy_all(&data, &copy);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "erases_until_it_is_killed", "--nocapture"])
            .env(DIR, &copy)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("begins")));
        // Syncs take about a millisecond: so this is anywhere among them.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_micros(n * n * 60) {}
        child.kill().unwrap();
        child.wait().unwrap();
        let has_begun = !lines.any(|line| line.contains("erased"));
        let store = open(&copy);
        let left = store.events(&of_user_1(), page()).await.unwrap().0.len();
        assert!(left == 0 || left == 20, "{left} of 20 are left");
        store.end().unwrap();
        if left == 0 {
            cut_short += u64::from(has_begun);
            has_user_2_alone(&copy, &small()).await;
        }
    }
    assert!(cut_short > 0, "no kill came in the midst of an erasure");
}

fn of_user_1() -> EventFilter {
    EventFilter { subject: Some("user_1".to_owned()), ..EventFilter::default() }
}

fn page() -> stepwell_store::Page {
    stepwell_store::Page { limit: 100, after: None }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
