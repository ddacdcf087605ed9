//! `store/backup`: everything that is stored, in one file. Must not hold it in memory, and must leave nothing
//! behind, whoever goes away.

use std::fs::File;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::BACKUP_CHUNK_BYTES;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::App;

/// `POST store/backup`: a backup of what is durable now, one at a time. With `process`, of the host that is this
/// process alone: whoever knows the holder of a data directory is not given another one's data.
pub(super) async fn backup(State(app): State<App>, mut params: Params) -> Result<Response, Problem> {
    let process = params.parsed("process", str::parse::<u32>)?;
    params.done()?;
    if process.is_some_and(|process| process != std::process::id()) {
        let detail = format!("this host is not that process, but process {}", std::process::id());
        return Err(Problem::new(StatusCode::CONFLICT, "another_process", detail));
    }
    let place = Arc::clone(&app.inner().backup).try_acquire_owned();
    let place = place.map_err(|_| {
        let detail = "a backup is being written or sent: wait for its end";
        Problem::new(StatusCode::CONFLICT, "backup_under_way", detail)
    })?;
    let backups = Arc::clone(&app.backups);
    // The place goes with the work, which goes on where the caller is gone.
    let written = tokio::task::spawn_blocking(move || backups.write().map(|file| (file, place))).await;
    let written = written.unwrap_or_else(|_| Err("the backup was cut short".to_owned()));
    let (file, place) = written.map_err(failed)?;
    let bytes = file.metadata().map_err(|error| failed(error.to_string()))?.len();
    tracing::info!(bytes, "a backup is given out");
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (CONTENT_DISPOSITION, "attachment; filename=\"stepwell.backup\"".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks(file, place))).into_response())
}

fn failed(why: String) -> Problem {
    tracing::error!(why, "a backup failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "backup_failed", why)
}

/// The file's bytes. Whoever stops reading gives the place and the file up.
fn chunks(file: File, place: OwnedSemaphorePermit) -> impl Stream<Item = std::io::Result<Vec<u8>>> {
    let file = tokio::fs::File::from_std(file);
    futures::stream::try_unfold((file, place), |(mut file, place)| async move {
        let mut chunk = vec![0; BACKUP_CHUNK_BYTES];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok((read > 0).then_some((chunk, (file, place))))
    })
}
