//! Files that are renamed, and files that want the same workflows: who has them, and that somebody always does.

use std::fs;
use std::time::Duration;

use super::tests::{Bench, component};
use super::*;

fn bench(files: &[&str]) -> Bench {
    let bench = Bench::contested(tempfile::tempdir().unwrap(), None);
    files.iter().for_each(|file| fs::write(bench.path(file), component(file, "")).unwrap());
    bench
}

#[tokio::test]
async fn a_renamed_file_takes_its_workflows_over_in_one_moment_once_the_grace_is_over() {
    for is_new_version in [false, true] {
        let mut bench = bench(&["old.wasm"]);
        bench.after(0).await;
        fs::rename(bench.path("old.wasm"), bench.path("new.wasm")).unwrap();
        if is_new_version {
            fs::write(bench.path("aside"), component("new.wasm", "")).unwrap();
            fs::rename(bench.path("aside"), bench.path("new.wasm")).unwrap();
        }
        bench.after(0).await;
        bench.after(29).await;
        assert_eq!(bench.told(), ["old.wasm "]);
        assert!(bench.reason("new").contains("old has it") && bench.reason("old").contains("its file is gone"));
        bench.after(1).await;
        let name = if is_new_version { "new.wasm" } else { "old.wasm" };
        assert_eq!(bench.told(), ["old.wasm ".to_owned(), format!("{name}  from old")], "and not gone first");
        assert_eq!(bench.state("new"), PluginState::Ready);
        assert!(bench.folder.plugins().get("old").is_none());
    }
}

#[tokio::test]
async fn a_successor_that_is_not_whole_when_the_grace_ends_is_waited_for_though_not_for_ever() {
    for is_made_whole in [true, false] {
        let mut bench = bench(&["old.wasm", "beside.wasm"]);
        bench.after(0).await;
        fs::remove_file(bench.path("old.wasm")).unwrap();
        bench.after(0).await;
        let whole = component("new.wasm", "");
        bench.clock.advance(Duration::from_secs(30));
        for n in 1..20 {
            // Longer each time, so that it is never tried to its end.
            fs::write(bench.path("new.wasm"), &whole[..whole.len() / 2 + n]).unwrap();
            bench.folder.turn().await;
        }
        assert_eq!(bench.told(), ["beside.wasm ", "old.wasm "]);
        if is_made_whole {
            fs::write(bench.path("new.wasm"), &whole).unwrap();
            bench.after(0).await;
            assert_eq!(bench.told(), ["beside.wasm ", "old.wasm ", "new.wasm  from old"]);
        } else {
            bench.after(36).await;
            assert_eq!(bench.told(), ["beside.wasm ", "old.wasm ", "old gone"]);
        }
    }
}

/// A copy that takes long, begun between a rename and the end of the grace.
#[tokio::test]
async fn a_successor_that_is_half_written_when_the_grace_ends_takes_over_as_it_last_was_whole() {
    let mut bench = bench(&["old.wasm", "beside.wasm"]);
    bench.after(0).await;
    fs::rename(bench.path("old.wasm"), bench.path("new.wasm")).unwrap();
    bench.after(0).await;
    assert!(bench.reason("new").contains("old has it"));
    let whole = component("new.wasm", "");
    fs::write(bench.path("new.wasm"), &whole[..whole.len() / 2]).unwrap();
    bench.after(10).await;
    assert!(bench.reason("new").contains("not a WebAssembly component"), "{}", bench.reason("new"));
    bench.after(20).await;
    assert_eq!(bench.told(), ["beside.wasm ", "old.wasm ", "old.wasm  from old"], "and not gone first");
    assert!(bench.folder.plugins().get("old").is_none());
    fs::write(bench.path("new.wasm"), &whole).unwrap();
    bench.after(0).await;
    assert_eq!(bench.told().last().unwrap(), "new.wasm ");
    assert_eq!(bench.state("new"), PluginState::Ready);
}

#[tokio::test]
async fn a_successor_that_was_never_whole_is_waited_for_as_long_as_it_may_still_be_written() {
    let mut bench = bench(&["old.wasm", "beside.wasm"]);
    bench.after(0).await;
    fs::remove_file(bench.path("old.wasm")).unwrap();
    bench.after(0).await;
    bench.after(20).await;
    let whole = component("new.wasm", "");
    fs::write(bench.path("new.wasm"), &whole[..whole.len() / 2]).unwrap();
    bench.after(0).await;
    assert!(bench.reason("new").contains("not a WebAssembly component"), "{}", bench.reason("new"));
    bench.after(11).await;
    assert_eq!(bench.told(), ["beside.wasm ", "old.wasm "], "its grace is over");
    fs::write(bench.path("new.wasm"), &whole).unwrap();
    bench.after(1).await;
    assert_eq!(bench.told().last().unwrap(), "new.wasm  from old");
}

#[tokio::test]
async fn of_two_that_want_a_workflow_the_one_in_service_stays_whatever_their_order_and_over_restarts() {
    for (first, second) in [("a", "z"), ("z", "a")] {
        let mut bench = bench(&[&format!("{first}.wasm")]);
        bench.after(0).await;
        fs::write(bench.path(&format!("{second}.wasm")), component(second, "")).unwrap();
        bench.after(100).await;
        let refused = format!("{first} has it");
        assert_eq!((bench.told(), bench.reason(second)), (vec![format!("{first}.wasm ")], refused.clone()));
        let serves = bench.folder.plugins().get(first).unwrap().digest.unwrap();
        for _ in 0..2 {
            bench = Bench::contested(bench.dir, Some((first, serves)));
            bench.after(100).await;
            assert_eq!((bench.reason(second), bench.state(first)), (refused.clone(), PluginState::Ready));
        }
        fs::remove_file(bench.path(&format!("{first}.wasm"))).unwrap();
        bench.after(0).await;
        assert_eq!(bench.reason(second), refused, "it may come back");
        bench.after(30).await;
        assert_eq!(bench.state(second), PluginState::Ready);
        assert_eq!(bench.told().last().unwrap(), &format!("{second}  from {first}"));
    }
}

#[tokio::test]
async fn of_two_that_are_new_at_once_the_first_by_its_name_is_taken() {
    let mut bench = bench(&["b.wasm", "a.wasm"]);
    bench.after(0).await;
    assert_eq!((bench.told(), bench.reason("b")), (vec!["a.wasm ".to_owned()], "a has it".to_owned()));
}

#[tokio::test]
async fn what_a_person_takes_out_is_followed_at_once_by_who_waits_for_its_workflows() {
    let mut bench = bench(&["old.wasm", "new.wasm"]);
    fs::remove_file(bench.path("new.wasm")).unwrap();
    bench.after(0).await;
    fs::rename(bench.path("old.wasm"), bench.path("new.wasm")).unwrap();
    bench.after(0).await;
    assert_eq!(bench.folder.unload(&"old".parse().unwrap()).await, Ok(()));
    assert_eq!(bench.told(), ["old.wasm ", "old.wasm  from old"]);
    assert_eq!(bench.folder.unload(&"old".parse().unwrap()).await, Err(UnloadError::NotLoaded("old".parse().unwrap())));
    // Also from a folder that cannot be read.
    fs::remove_file(bench.path("new.wasm")).unwrap();
    bench.after(0).await;
    fs::rename(bench.dir.path().join("plugins"), bench.dir.path().join("away")).unwrap();
    bench.after(0).await;
    assert_eq!(bench.folder.unload(&"new".parse().unwrap()).await, Ok(()));
    assert_eq!(bench.told().last().unwrap(), "new gone");
}
