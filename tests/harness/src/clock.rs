//! True time, and the socket that moves a host's timers.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::limits::ANSWER_MAX;

/// Milliseconds since 1970 by the machine's clock, which signatures are judged by.
#[expect(clippy::disallowed_methods, reason = "signatures are made with true time")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Moves the timers of the host behind this socket ahead; answers its time.
pub(crate) async fn advance(socket: &Path, ms: i64) -> Result<i64> {
    let talk = async {
        let stream = UnixStream::connect(socket).await?;
        let mut stream = BufReader::new(stream);
        stream.write_all(format!("advance-ms {ms}\n").as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        anyhow::Ok(line)
    };
    let named = || format!("the test socket {}", socket.display());
    let line = timeout(ANSWER_MAX, talk).await.with_context(named)?.with_context(named)?;
    match line.trim().strip_prefix("ok ").map(str::parse) {
        Some(Ok(now_ms)) => Ok(now_ms),
        Some(Err(_)) | None => bail!("{} answered {line:?}", named()),
    }
}
