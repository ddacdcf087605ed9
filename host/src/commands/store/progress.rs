//! Tells whoever watches a terminal how far long work is. Nobody else is told anything.

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, interval_at};

/// Work that ends sooner is not spoken of.
const FIRST: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(250);

/// Waits for the work; meanwhile a line says what goes on, for how long, and what `measure` finds.
pub(crate) async fn watched<T>(what: &str, measure: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    tokio::pin!(work);
    let begun = Instant::now();
    let mut ticks = interval_at(begun + FIRST, EVERY);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => line(&format!("{what} for {} s {}", begun.elapsed().as_secs(), measure())),
        }
    };
    line("");
    done
}

/// Puts this in the place of the line that stands there.
fn line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Nobody is there to be told that standard error is gone.
    let _ = write!(stderr, "\r\x1b[2K{text}").and_then(|()| stderr.flush());
}

/// So many bytes, for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes % (1 << 20)) * 10) >> 20)
}

/// The bytes of a file or of a directory's files, for people.
pub(super) fn size(path: &Path) -> String {
    mebibytes(bytes(path))
}

fn bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).map_or(0, |about| about.len());
    };
    entries.filter_map(Result::ok).map(|entry| bytes(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_mebibytes() {
        assert_eq!(
            [0, 104_857, 104_858, 1 << 20, (5 << 20) - 1].map(mebibytes),
            ["0.0 MiB", "0.0 MiB", "0.1 MiB", "1.0 MiB", "4.9 MiB"]
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("in/a"), vec![0; 1 << 20]).unwrap();
        std::fs::write(dir.path().join("b"), vec![0; 1 << 20]).unwrap();
        assert_eq!(size(dir.path()), "2.0 MiB");
        assert_eq!(size(&dir.path().join("none")), "0.0 MiB");
    }
}
