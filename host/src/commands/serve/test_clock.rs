//! The test socket: moves the host's timers ahead, under an explicit flag only. Signatures are judged
//! by true time regardless.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use stepwell_engine::Clock;
use stepwell_engine::clock::OffsetClock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use crate::clock::SystemClock;

/// The longest line that is read.
const LINE_BYTES_MAX: u64 = 64;

/// Opens the socket: each line `advance-ms N` moves the clock on and answers `ok NOW_MS`.
pub(crate) fn open(path: &Path) -> Result<Arc<dyn Clock>> {
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("the test socket {} cannot be opened", path.display()))?;
    warn!("timers can be moved through a test socket: never do this in production");
    let clock = Arc::new(OffsetClock::over(SystemClock));
    let moved = Arc::clone(&clock);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let clock = Arc::clone(&moved);
            tokio::spawn(async move {
                let _ = converse(stream, &clock).await;
            });
        }
    });
    Ok(clock)
}

async fn converse(stream: UnixStream, clock: &OffsetClock<SystemClock>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(tokio::io::AsyncReadExt::take(read, LINE_BYTES_MAX));
    let mut line = String::new();
    while read.read_line(&mut line).await? > 0 {
        let answer = match line.trim().strip_prefix("advance-ms ").map(str::parse::<i64>) {
            Some(Ok(millis)) => {
                clock.advance_ms(millis);
                format!("ok {}\n", clock.now().as_millis())
            }
            Some(Err(_)) | None => "error: expected advance-ms N\n".to_owned(),
        };
        write.write_all(answer.as_bytes()).await?;
        line.clear();
        read.get_mut().set_limit(LINE_BYTES_MAX);
    }
    Ok(())
}
