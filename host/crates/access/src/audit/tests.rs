//! The audit log under crashes, storms and long texts.

use std::fs;
use std::time::Duration;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + second * 1000)
}

fn record(second: i64, who: &str, status: u16) -> Record {
    Record::new(at(second), who, "POST /api/v1/runs/{id}/cancel").on(Some("run-1")).answered(status)
}

fn size(dir: &Path) -> u64 {
    fs::read_dir(dir.join("audit")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_was_done_is_there_after_a_restart_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    for second in 0..5 {
        audit.record(record(second, "ada", if second == 2 { 403 } else { 202 })).unwrap();
    }
    drop(audit);
    let audit = Audit::open(dir.path()).unwrap();
    audit.record(record(9, "bob", 500)).unwrap();
    let seen = |page: &Page| page.items.iter().map(|record| (record.id, record.outcome)).collect::<Vec<_>>();
    let page = audit.list(None, 3).unwrap();
    assert_eq!(seen(&page), [(6, Outcome::Failed), (5, Outcome::Done), (4, Outcome::Done)]);
    let page = audit.list(page.next, 3).unwrap();
    assert_eq!(seen(&page), [(3, Outcome::Refused), (2, Outcome::Done), (1, Outcome::Done)]);
    assert_eq!(page.next, None);
}

#[test]
fn a_line_that_a_crash_cut_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    audit.record(record(0, "ada", 202)).unwrap();
    audit.record(record(1, "bob", 202)).unwrap();
    drop(audit);
    let path = dir.path().join("audit/done.jsonl");
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    audit.record(record(2, "eve", 202)).unwrap();
    let who: Vec<_> = audit.list(None, 9).unwrap().items.into_iter().map(|record| record.who).collect();
    assert_eq!(who, ["eve", "ada"]);
}

#[test]
fn the_oldest_files_go_and_their_number_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(dir.path(), "done", 3).unwrap().with_file_bytes_max(1000);
    for id in 1..=200 {
        journal.append(&Record { id, ..record(0, "ada", 202) }).unwrap();
    }
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 1000));
    let kept = journal.before(u64::MAX, 200).unwrap();
    assert!((10..30).contains(&kept.len()) && kept[0].id == 200, "{}", kept.len());
    assert!(kept.windows(2).all(|pair| pair[0].id == pair[1].id + 1));
}

#[test]
fn a_storm_of_refusals_is_counted_and_pushes_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    audit.record(record(0, "ada", 202)).unwrap();
    let before = size(dir.path());
    let mut written = 0;
    for request in 0..100_000_u32 {
        let address = format!("192.0.2.{}", request % 200);
        let refused = record(i64::from(request / 2_000), "nobody", 401).from(Some(address));
        if let Some(first) = audit.gather(refused) {
            audit.record(first).unwrap();
            written += 1;
        }
    }
    assert_eq!(written, 17, "sixteen addresses, and all others as one");
    assert!(audit.is_due(at(60)) && !audit.is_due(at(59)));
    audit.flush(Some(at(60))).unwrap();
    assert!(size(dir.path()) - before < 10_000);
    let page = audit.list(None, 200).unwrap();
    let refused = page.items.iter().filter(|record| record.outcome == Outcome::Refused);
    assert_eq!(refused.map(|record| record.count).sum::<u64>(), 100_000);
    assert!(page.items.iter().any(|record| record.who == "ada"));
}

#[test]
fn what_comes_often_is_written_at_its_first_and_counted_until_its_minute_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    assert!(audit.gather(record(0, "ci", 202)).is_some());
    for second in 1..30 {
        assert_eq!(audit.gather(record(second, "ci", 202)), None);
    }
    assert!(audit.gather(record(3, "other", 202)).is_some());
    audit.flush(Some(at(59))).unwrap();
    assert!(audit.list(None, 9).unwrap().items.is_empty());
    audit.flush(None).unwrap();
    let items = audit.list(None, 9).unwrap().items;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].count, items[0].at), (29, at(1)));
    assert!(audit.gather(record(61, "ci", 202)).is_some());
}

#[test]
fn texts_are_cut_and_cannot_break_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let audit = Audit::open(dir.path()).unwrap();
    let evil = format!("x\n{{\"id\":9}}\u{202e}{}", "y".repeat(10_000));
    audit.record(Record::new(at(0), "ada", "GET /").on(Some(&evil))).unwrap();
    let text = fs::read_to_string(dir.path().join("audit/done.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert!(text.len() < 1_000);
    assert_eq!(Duration::ZERO, at(0).since(audit.list(None, 9).unwrap().items[0].at));
}
