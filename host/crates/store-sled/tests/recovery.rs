//! What is left is enough: a database that is gone or damaged is made anew from snapshot and log; backups
//! are restored; what cannot be made good is refused, and told with its file.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stepwell_core::{Digest, Event, EventId, Json, Timestamp};
use stepwell_store::{Element, EventFilter, Page, Store};
use stepwell_store_sled::offline::{OfflineError, check_backup, compact, restore, verify};
use stepwell_store_sled::{Options, SledStore};
use stepwell_testkit::{bare_event, plugin};
use tempfile::TempDir;

fn event(n: u64) -> Event {
    let id = EventId::from_bytes((u128::from(n)).to_be_bytes());
    Event {
        external_id: Some(format!("msg_{n}")),
        data: Json::of(&serde_json::json!({ "n": n, "text": noise(n) })).unwrap(),
        ..bare_event(id, "user", Timestamp::from_millis(n as i64))
    }
}

/// What does not become much shorter when it is packed: 256 hexadecimal digits.
fn noise(n: u64) -> String {
    (0..4_u8).map(|part| Digest::of(&[&n.to_be_bytes()[..], &[part]].concat()).to_string()).collect()
}

/// So small that checkpoints and snapshots come often.
fn small() -> Options {
    let (checkpoint_bytes, snapshot_bytes, segment_bytes) = (64 << 10, 256 << 10, 64 << 10);
    Options { cache_bytes: 4 << 20, checkpoint_bytes, snapshot_bytes, segment_bytes, ..Options::default() }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, small()).unwrap_or_else(|error| panic!("{error}"))
}

async fn fill(store: &SledStore, numbers: std::ops::Range<u64>) {
    store.submit(Element::Plugins(vec![plugin("mail", &[("welcome", &["user"])])])).await.unwrap();
    let mut last = None;
    for n in numbers {
        last = Some(store.submit(Element::Ingest(Box::new(event(n)))).await.unwrap().sequence);
        if n % 10 == 0 {
            store.durable(last.unwrap()).await.unwrap();
        }
    }
    store.durable(last.unwrap()).await.unwrap();
}

/// Everything up to `count` is there and as it was.
async fn has_all(store: &SledStore, count: u64) {
    assert_eq!(store.counts().await.unwrap().events, count);
    for n in 0..count {
        assert_eq!(store.event(event(n).id).await.unwrap(), Some(event(n)), "{n}");
    }
    let (listed, _) = store.events(&EventFilter::default(), Page { limit: 3, after: None }).await.unwrap();
    assert_eq!(listed[0], event(count - 1));
}

async fn opens_with_all(dir: &Path, count: u64) {
    let store = open(dir);
    has_all(&store, count).await;
    store.end().unwrap();
    let report = verify(dir, small()).unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
}

const DIR: &str = "STEPWELL_RECOVERY_DIR";
const COUNT: &str = "STEPWELL_RECOVERY_COUNT";
const CHECKPOINTS: &str = "STEPWELL_RECOVERY_CHECKPOINTS";

/// In a child: fills a store, says so, and waits to be killed.
#[tokio::test]
async fn works_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let options = if std::env::var_os(CHECKPOINTS).is_some() { small() } else { Options::default() };
    let store = SledStore::open(Path::new(&dir), options).unwrap();
    fill(&store, 0..std::env::var(COUNT).unwrap().parse().unwrap()).await;
    println!("filled");
    std::future::pending::<()>().await;
}

/// A directory as kill -9 leaves it, with checkpoints that gave sled most of it, or with none.
fn crashed(count: u64, checkpoints: bool) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "works_until_it_is_killed", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env(DIR, dir.path()).env(COUNT, count.to_string());
    if checkpoints {
        command.env(CHECKPOINTS, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.into_iter().any(|line| line.contains("filled")));
    child.kill().unwrap();
    child.wait().unwrap();
    dir
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == ending));
    files.sort();
    files
}

fn spoil(path: &Path, offset: u64) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"spoiled!", offset).unwrap();
}

fn refusal(dir: &Path) -> String {
    SledStore::open(dir, small()).map(|_| "it opened").unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_in_the_log_alone_is_there_after_a_crash() {
    let dir = crashed(500, true);
    opens_with_all(dir.path(), 500).await;
}

#[tokio::test]
async fn a_lost_or_damaged_database_is_made_anew_and_the_old_one_kept() {
    for harm in ["gone", "no file", "settings", "empty"] {
        let dir = crashed(3000, true);
        let (sled, db) = (dir.path().join("sled"), dir.path().join("sled/db"));
        match harm {
            "gone" => fs::remove_dir_all(&sled).unwrap(),
            "no file" => fs::remove_file(&db).unwrap(),
            "settings" => fs::write(sled.join("conf"), "garbage".repeat(9)).unwrap(),
            _ => fs::write(&db, "").unwrap(),
        }
        opens_with_all(dir.path(), 3000).await;
        assert_eq!(dir.path().join("sled.damaged-1").exists(), harm != "gone", "{harm}");
    }
}

#[tokio::test]
async fn two_snapshots_are_kept_and_the_log_since_the_older_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 0..6000).await;
    store.end().unwrap();
    let snapshots = files(&dir.path().join("snapshots"), "snapshot");
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    let log: u64 = files(&dir.path().join("log"), "log").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(log > 0);
    // The newest is damaged: the one before does.
    spoil(&snapshots[1], 5000);
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    opens_with_all(dir.path(), 6000).await;
    assert_eq!(files(&dir.path().join("snapshots"), "damaged").len(), 1);
}

#[tokio::test]
async fn where_nothing_that_is_left_has_all_of_it_it_is_refused_with_the_file() {
    // No checkpoint yet: the log alone has it.
    let dir = crashed(300, false);
    let log = files(&dir.path().join("log"), "log").pop().unwrap();
    spoil(&log, 2000);
    let error = refusal(dir.path());
    assert!(error.contains(log.to_str().unwrap()) && error.contains("at byte"), "{error}");
    let dir = crashed(300, true);
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    assert!(refusal(dir.path()).contains("log is gone"));
}

#[tokio::test]
async fn a_running_store_is_backed_up_and_restored() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    fill(&store, 0..700).await;
    let component = vec![7; 700_000];
    store.put_component(Digest::of(&component), &component).await.unwrap();
    let file = to.path().join("a.backup");
    let held = store.backup(&file).unwrap();
    fill(&store, 700..800).await;
    assert_eq!((held.components, check_backup(&file).unwrap()), (1, held));
    let restored = to.path().join("restored");
    assert_eq!(restore(&file, &restored, small()).unwrap(), held);
    opens_with_all(&restored, 700).await;
    let again = open(&restored);
    assert_eq!(again.component(Digest::of(&component)).await.unwrap(), Some(component));
    let before = store.acquire().await.unwrap().epoch;
    assert!(again.acquire().await.unwrap().epoch >= before, "it goes on from there");
    again.end().unwrap();
    // What was restored can be made anew as well, from the first moment on.
    let twice = to.path().join("twice");
    restore(&file, &twice, small()).unwrap();
    for dir in [restored, twice] {
        fs::remove_dir_all(dir.join("sled")).unwrap();
        opens_with_all(&dir, 700).await;
    }
}

#[tokio::test]
async fn a_restore_that_did_not_end_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    fill(&store, 0..300).await;
    let file = dir.path().join("a.backup");
    store.backup(&file).unwrap();
    let (to, in_no_time) = (dir.path().join("to"), Options { open_limit: std::time::Duration::ZERO, ..small() });
    assert!(restore(&file, &to, in_no_time).is_err());
    let told = refusal(&to);
    assert!(told.contains("a restore into it did not come to its end"), "{told}");
    // What took too long may be writing there still.
    let again = dir.path().join("again");
    restore(&file, &again, small()).unwrap();
    opens_with_all(&again, 300).await;
}

#[tokio::test]
async fn a_database_that_was_half_made_when_the_power_went_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).end().unwrap();
    fs::write(dir.path().join("FORMAT"), "stepwell-sled 4 (new)\n").unwrap();
    fs::write(dir.path().join("sled/conf"), "").unwrap();
    let store = open(dir.path());
    fill(&store, 0..10).await;
    store.end().unwrap();
    opens_with_all(dir.path(), 10).await;
}

#[tokio::test]
async fn a_damaged_backup_or_a_full_directory_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    fill(&store, 0..300).await;
    let file = dir.path().join("a.backup");
    store.backup(&file).unwrap();
    store.end().unwrap();
    let full = restore(&file, &dir.path().join("data"), small());
    assert!(matches!(full, Err(OfflineError::NotEmpty { .. })));
    spoil(&file, 10_000);
    let to = dir.path().join("to");
    let error = restore(&file, &to, small()).unwrap_err().to_string();
    assert!(error.contains("a.backup is damaged at byte"), "{error}");
    assert!(!to.exists());
}

#[tokio::test]
async fn compaction_gives_space_back_and_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..4 {
        let store = open(dir.path());
        fill(&store, n * 500..(n + 1) * 500).await;
        store.end().unwrap();
    }
    {
        // What was written once and deleted since.
        let db = sled::open(dir.path().join("sled")).unwrap();
        let keys = (0..20_000_u32).map(|n| [b"Z".as_slice(), &n.to_be_bytes()].concat());
        keys.clone().for_each(|key| drop(db.insert(key, vec![7; 2000]).unwrap()));
        keys.for_each(|key| drop(db.remove(key).unwrap()));
        db.flush().unwrap();
    }
    let done = compact(dir.path(), small()).unwrap();
    assert!(done.after * 2 < done.before, "{done:?}");
    opens_with_all(dir.path(), 2000).await;
}

#[tokio::test]
async fn verifying_finds_damaged_rows_and_lost_index_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 0..20).await;
    store.end().unwrap();
    assert_eq!(verify(dir.path(), small()).unwrap().runs, 20);
    {
        let db = sled::open(dir.path().join("sled")).unwrap();
        let first = |prefix: &[u8]| db.scan_prefix(prefix).next().unwrap().unwrap();
        let (key, value) = first(b"E");
        let mut bytes = value.to_vec();
        bytes[30] ^= 1;
        db.insert(key, bytes).unwrap();
        db.remove(first(b"Q").0).unwrap();
        // Else the start sees it, and mends it.
        db.remove("B").unwrap();
        db.flush().unwrap();
    }
    let report = verify(dir.path(), small()).unwrap();
    let told: Vec<String> = report.findings.iter().map(|found| format!("{}: {}", found.what, found.reason)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("event ") && told[0].contains("checksum"), "{told:?}");
    assert!(told[1].contains("missing"), "{told:?}");
}

#[tokio::test]
async fn verifying_finds_rows_that_are_good_and_not_the_last() {
    for snapshots in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        fill(&store, 0..if snapshots { 3000 } else { 20 }).await;
        store.end().unwrap();
        assert_eq!(files(&dir.path().join("snapshots"), "snapshot").is_empty(), !snapshots);
        assert!(verify(dir.path(), small()).unwrap().is_good());
        {
            // As sled does where it passes over a part of its file, in a database that has no sum to be held to.
            let db = sled::open(dir.path().join("sled")).unwrap();
            let (key, _) = db.scan_prefix(b"D").next().unwrap().unwrap();
            db.remove(key).unwrap();
            db.remove("B").unwrap();
            db.flush().unwrap();
        }
        let report = verify(dir.path(), small()).unwrap();
        assert!(report.findings[0].reason.contains("another value than snapshot and log"), "{:?}", report.findings);
    }
}

#[tokio::test]
async fn a_database_that_shows_its_damage_in_use_is_made_anew_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 0..300).await;
    store.end().unwrap();
    fs::write(dir.path().join("sled.unfit"), "").unwrap();
    opens_with_all(dir.path(), 300).await;
    assert!(dir.path().join("sled.damaged-1").exists() && !dir.path().join("sled.unfit").exists());
    opens_with_all(dir.path(), 300).await;
    assert!(!dir.path().join("sled.damaged-2").exists());
}

/// In which nothing was encrypted, or every journal had rows of its own.
#[tokio::test]
async fn a_directory_of_an_earlier_format_is_upgraded_after_a_backup_that_its_hosts_read() {
    for format in 2..4 {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        fill(&store, 0..50).await;
        store.end().unwrap();
        fs::write(dir.path().join("FORMAT"), format!("stepwell-sled {format}\n")).unwrap();
        opens_with_all(dir.path(), 50).await;
        assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), "stepwell-sled 4\n");
        let backup = dir.path().join("backups/before-format-4.backup");
        assert_eq!(backup_version(&backup), 1);
        let to = dir.path().join("to");
        restore(&backup, &to, small()).unwrap();
        opens_with_all(&to, 50).await;
    }
}

/// Those hosts would take a run that has its journal in its row for one without.
#[tokio::test]
async fn no_backup_or_snapshot_of_this_format_is_read_by_hosts_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    fill(&store, 0..3000).await;
    let backup = dir.path().join("a.backup");
    store.backup(&backup).unwrap();
    store.end().unwrap();
    let mut all = files(&dir.path().join("data/snapshots"), "snapshot");
    all.push(backup);
    assert!(all.len() > 1 && all.iter().all(|path| backup_version(path) == 2));
}

/// What a backup or snapshot says that it is.
fn backup_version(path: &Path) -> u32 {
    u32::from_le_bytes(fs::read(path).unwrap()[8..12].try_into().unwrap())
}

#[tokio::test]
async fn a_directory_without_a_log_is_upgraded_after_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 0..50).await;
    store.end().unwrap();
    // As the first version left it.
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    {
        let db = sled::open(dir.path().join("sled")).unwrap();
        ["A", "B"].into_iter().for_each(|key| drop(db.remove(key).unwrap()));
    }
    fs::write(dir.path().join("FORMAT"), "stepwell-sled 1\n").unwrap();
    opens_with_all(dir.path(), 50).await;
    assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), "stepwell-sled 4\n");
    let backup = dir.path().join("backups/before-format-4.backup");
    let to = dir.path().join("to");
    restore(&backup, &to, small()).unwrap();
    opens_with_all(&to, 50).await;
    // The log does not have what was there before it, and is not taken to.
    for upgraded in [dir.path(), to.as_path()] {
        fs::remove_dir_all(upgraded.join("sled")).unwrap();
        opens_with_all(upgraded, 50).await;
        fs::remove_dir_all(upgraded.join("sled")).unwrap();
        files(&upgraded.join("snapshots"), "snapshot").iter().for_each(|path| fs::remove_file(path).unwrap());
        assert!(refusal(upgraded).contains("neither a snapshot nor the log has all of it"));
    }
}
