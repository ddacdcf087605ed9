//! Backups through the API: whole, one at a time, of the process that was meant, and nothing held by who is gone.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test's mistake is to be loud")]

mod support;

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Arc;

use http::Method;
use stepwell_api::Backups;
use stepwell_testkit::ScriptedExecutor;
use support::*;
use tower::ServiceExt;

const BYTES: usize = 3_000_000;
const PATH: &str = "/api/v1/store/backup";

/// A file of so many bytes that has no name.
#[derive(Debug)]
struct Unnamed;

impl Backups for Unnamed {
    fn write(&self) -> Result<File, String> {
        let path = std::env::temp_dir().join(format!("stepwell-api-backup-{:?}", std::thread::current().id()));
        let options = || File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let mut file = options().map_err(|error| error.to_string())?;
        std::fs::remove_file(&path).unwrap();
        file.write_all(&(0..BYTES).map(|n| (n % 251) as u8).collect::<Vec<_>>()).unwrap();
        file.rewind().unwrap();
        Ok(file)
    }
}

async fn host() -> Host {
    Bench::empty().await.start_with(ScriptedExecutor::new(), |state| state.backups = Arc::new(Unnamed)).await
}

#[tokio::test]
async fn a_backup_comes_whole_with_its_length() {
    let host = host().await;
    for path in [PATH.to_owned(), format!("{PATH}?process={}", std::process::id())] {
        let response = host.router.clone().oneshot(request(Method::POST, &path, "")).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-length"]),
            (200, &BYTES.to_string().parse::<http::HeaderValue>().unwrap())
        );
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(bytes.len() == BYTES && bytes.iter().enumerate().all(|(n, byte)| usize::from(*byte) == n % 251));
    }
}

#[tokio::test]
async fn there_is_one_at_a_time_and_who_goes_away_holds_none() {
    let host = host().await;
    let first = host.router.clone().oneshot(request(Method::POST, PATH, "")).await.unwrap();
    assert_eq!(host.post(PATH, "").await.problem(), "409 backup_under_way");
    drop(first);
    let second = host.router.clone().oneshot(request(Method::POST, PATH, "")).await.unwrap();
    assert_eq!(second.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_had_is_a_problem() {
    let host = host().await;
    assert_eq!(host.post(&format!("{PATH}?process=1"), "").await.problem(), "409 another_process");
    assert_eq!(host.post(&format!("{PATH}?process=x"), "").await.problem(), "400 parameter_invalid");
    assert_eq!(host.get(PATH).await.problem(), "405 method_not_allowed");
    let without = Bench::empty().await.start().await;
    assert_eq!(without.post(PATH, "").await.problem(), "500 backup_failed");
    assert_eq!(without.post(PATH, "").await.problem(), "500 backup_failed", "the place is given back");
}
