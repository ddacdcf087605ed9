//! What is found again: after a crash at any byte, after damage anywhere, after files are lost.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepwell_log::{Appender, Error, Log, Opened, Recovery, Writing, open};
use tempfile::TempDir;

type Frames = Vec<(u64, Vec<u8>)>;

fn opened(dir: &Path, after: u64) -> Result<(Opened, Frames), Error> {
    let mut frames = Vec::new();
    let opened = open::<Error>(dir, after, Writing::new(Arc::new(|file| file.sync_data())), &mut |frame| {
        frames.push((frame.number, frame.payload.to_vec()));
        Ok(())
    })?;
    Ok((opened, frames))
}

fn numbers(dir: &Path, after: u64) -> Result<(Vec<u64>, Recovery), String> {
    match opened(dir, after) {
        Ok((opened, frames)) => Ok((frames.into_iter().map(|(number, _)| number).collect(), opened.recovery)),
        Err(error) => Err(error.to_string()),
    }
}

fn payload(number: u64) -> Vec<u8> {
    (0..number * 37 % 400).map(|n| (n * number) as u8).collect()
}

/// Appends frames up to `to`; each process begins a segment. Without a seal the power went, and what was noted of
/// these frames with it.
fn append(dir: &Path, to: u64, seal: bool) {
    let mut log = opened(dir, 0).unwrap().0.log;
    let noted = fs::read(dir.join("seal")).unwrap();
    frames(&mut log, to);
    if seal {
        log.appender.seal().unwrap();
    } else {
        fs::write(dir.join("seal"), noted).unwrap();
    }
}

fn frames(log: &mut Log, to: u64) {
    while log.appender.next() <= to {
        let number = log.appender.next();
        let mut frame = Appender::frame();
        frame.extend(payload(number));
        assert_eq!(log.appender.append(frame).unwrap(), number);
    }
}

fn log(seal: bool) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), 5, true);
    append(dir.path(), 9, true);
    append(dir.path(), 12, seal);
    dir
}

fn copy(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    files.sort();
    files
}

fn cut(path: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn flip(path: &Path, bit: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn frames_come_again_in_order_with_their_bytes() {
    let dir = log(true);
    let (again, frames) = opened(dir.path(), 0).unwrap();
    assert_eq!(frames, (1..=12).map(|number| (number, payload(number))).collect::<Frames>());
    assert_eq!((again.recovery.last, again.recovery.is_whole, again.log.appender.next()), (12, true, 13));
    drop(again);
    assert_eq!(numbers(dir.path(), 10).unwrap().0, [11, 12]);
    assert_eq!(numbers(dir.path(), 12).unwrap().0, [0_u64; 0]);
}

#[test]
fn a_frame_that_was_being_written_is_cut_off_at_any_byte() {
    let whole = log(false);
    let last = segments(whole.path()).pop().unwrap();
    let from = length(&last) - payload(12).len() as u64 - 28;
    for end in from + 1..length(&last) {
        let dir = copy(whole.path());
        let path = dir.path().join(last.file_name().unwrap());
        cut(&path, end);
        let (found, recovery) = numbers(dir.path(), 0).unwrap();
        assert_eq!((found.last(), recovery.cut), (Some(&11), end - from));
        assert_eq!(length(&path), from);
        append(dir.path(), 14, false);
        assert_eq!(opened(dir.path(), 0).unwrap().1.last(), Some(&(14, payload(14))));
    }
}

#[test]
fn an_end_that_was_durable_is_missed_with_file_and_byte() {
    let whole = log(true);
    let last = segments(whole.path()).pop().unwrap();
    let from = length(&last) - payload(12).len() as u64 - 28;
    for end in [from, from + 1, length(&last) - 1] {
        let dir = copy(whole.path());
        cut(&dir.path().join(last.file_name().unwrap()), end);
        let error = numbers(dir.path(), 0).unwrap_err();
        assert!(error.contains(&format!("is damaged at byte {from}")) && error.contains("frames 12 to 12"), "{error}");
        // Once the database has it, nothing is missing; but a rebuild from less would miss it.
        let (_, recovery) = numbers(dir.path(), 12).unwrap();
        assert!(!recovery.is_whole);
    }
    fs::remove_file(&last).unwrap();
    let error = numbers(whole.path(), 0).unwrap_err();
    assert!(error.contains("frames 10 to 12"), "{error}");
}

#[test]
fn a_lost_file_is_a_gap_unless_the_database_has_it() {
    let dir = log(true);
    fs::remove_file(&segments(dir.path())[1]).unwrap();
    let error = numbers(dir.path(), 3).unwrap_err();
    assert!(error.contains("misses the frames 6 to 9"), "{error}");
    let (found, recovery) = numbers(dir.path(), 9).unwrap();
    assert_eq!((found, recovery.is_whole), (vec![10, 11, 12], false));
    segments(dir.path()).iter().for_each(|path| fs::remove_file(path).unwrap());
    assert!(numbers(dir.path(), 3).unwrap_err().contains("misses the frames 4 to 12"));
}

#[test]
fn frames_that_are_needed_no_more_go_with_their_files() {
    let dir = log(true);
    let (opened, _) = opened(dir.path(), 0).unwrap();
    let files = || segments(dir.path()).len();
    assert_eq!(files(), 4);
    for (number, left) in [(4, 4), (5, 3), (8, 3), (12, 1), (99, 1)] {
        opened.log.segments.drop_up_to(number).unwrap();
        assert_eq!(files(), left, "{number}");
    }
    drop(opened);
    assert_eq!(numbers(dir.path(), 12).unwrap().0, [0_u64; 0]);
    assert!(numbers(dir.path(), 11).unwrap_err().contains("12 to 12"));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = log(true);
    let path = segments(dir.path()).pop().unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&[9], 8).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(numbers(dir.path(), 0).unwrap_err().contains("log format 9"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn segments_roll_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut opened, _) = opened(dir.path(), 0).unwrap();
    let large = [Appender::frame(), vec![7; 12 << 20]].concat();
    (1..=7).for_each(|number| assert_eq!(opened.log.appender.append(large.clone()).unwrap(), number));
    assert_eq!(segments(dir.path()).len(), 3);
    assert_eq!(opened.log.segments.bytes(), segments(dir.path()).iter().map(|path| length(path)).sum::<u64>());
    assert_eq!(opened.log.segments.bytes_after(6), length(&segments(dir.path())[2]));
    let too_large = [Appender::frame(), vec![7; (128 << 20) + 1]].concat();
    assert!(matches!(opened.log.appender.append(too_large), Err(Error::TooLarge { .. })));
    drop(opened);
    assert_eq!(numbers(dir.path(), 0).unwrap().0.len(), 7);
}

/// Whatever is flipped or cut in a sealed log: refused, or every frame that is asked for is right.
#[test]
fn damage_is_never_wrong_in_silence() {
    let whole = log(true);
    for round in 0..500_u64 {
        // The 64-bit golden ratio spreads the places over the files.
        let place = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let (after, dir) = (round % 13, copy(whole.path()));
        let path = &segments(dir.path())[(round / 13 % 3) as usize];
        match round % 5 {
            0 => cut(path, place % length(path)),
            _ => flip(path, place % (length(path) * 8)),
        }
        match opened(dir.path(), after) {
            Ok((opened, frames)) => {
                let expected: Frames = (after + 1..=12).map(|number| (number, payload(number))).collect();
                assert_eq!((frames, opened.log.appender.next()), (expected, 13), "round {round}");
            }
            Err(
                Error::Damaged { path: told, .. } | Error::Gap { path: told, .. } | Error::Format { path: told, .. },
            ) => {
                assert!(told.starts_with(dir.path()), "round {round}");
            }
            Err(error) => panic!("round {round}: {error}"),
        }
    }
}

#[test]
fn a_log_that_never_rests_has_its_seal_set_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    // Killed in the middle of it: the last frame is noted.
    frames(&mut opened(dir.path(), 0).unwrap().0.log, 1000);
    let busy = segments(dir.path()).pop().unwrap();
    cut(&busy, 32);
    let told = numbers(dir.path(), 0).unwrap_err();
    assert!(told.contains("the frames 1 to 1000 were durable"), "{told}");
}
