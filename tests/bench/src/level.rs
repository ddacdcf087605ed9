//! Full load with a short retention: whether memory, files and the time to open stay level, since as much goes as
//! comes. Minutes long, so it is measured only when it is asked for.

use std::time::{Duration, Instant};

use anyhow::Result;
use stepwell_harness::Host;

use crate::client::{Client, bare};
use crate::disk::count;
use crate::process::{Disk, Memory};
use crate::report::Report;
use crate::table::{Table, say};

/// The shortest that may be configured. The host's timers are moved on, so that it passes within a minute.
const RETENTION: &str = "[retention]\nevents = \"1h\"\ncompleted = \"1h\"\nfailed = \"1h\"\ncancelled = \"1h\"\n";
/// By how much, at each row.
const MOVED_MS: i64 = 3_600_000;
const ROW_EVERY: Duration = Duration::from_secs(30);
/// Events in one request, and how many runs may be on their way besides.
const ARRAY: usize = 500;
const ON_THEIR_WAY_MAX: usize = 1_000;
const TITLE: &str =
    "Full load with a retention of 30 to 60 s: runs of three steps, as many as can be, their events in arrays";
const BELOW: &str = "\
The retention is an hour, and the host's timers are moved on by an hour at each row.
kept: runs that are there by GET /api/v1/stats. live, log, snapshots: what the folders take. The last two rows: the
same once the host was killed and started again, and stopped and started again; open s: until it takes events in.";

/// What has been done so far.
struct So {
    from: Instant,
    sent: usize,
    /// At the row before.
    before: (Duration, usize),
}

/// A row for each half of a minute, and two for the starts behind it.
pub(crate) async fn measure(report: &mut Report, length: Duration) -> Result<()> {
    let mut host = crate::host(&["three-steps"])?;
    host.config.add(RETENTION);
    host.start().await?;
    let heads: Vec<&str> = ["s", "runs", "runs/s", "kept"]
        .into_iter()
        .chain(Memory::HEADS)
        .chain(["live MB", "log MB", "snapshots MB", "open s"])
        .collect();
    let mut table = Table::new(&heads);
    let mut so = So { from: Instant::now(), sent: 0, before: (Duration::ZERO, 0) };
    let mut client = Client::open(host.api()?.0).await?;
    row(&mut table, (&mut host, &mut client), &mut so, None).await?;
    while so.from.elapsed() < length {
        client.send("test/three-steps", &bare("n", 0), ARRAY).await?;
        so.sent += ARRAY;
        client.at_most(ON_THEIR_WAY_MAX).await?;
        if so.from.elapsed() - so.before.0 >= ROW_EVERY {
            row(&mut table, (&mut host, &mut client), &mut so, None).await?;
            host.advance(MOVED_MS).await?;
        }
    }
    client.at_most(0).await?;
    row(&mut table, (&mut host, &mut client), &mut so, None).await?;
    for is_killed in [true, false] {
        if is_killed {
            host.crash()?
        } else {
            host.stop().await.map(drop)?
        }
        let from = Instant::now();
        host.start().await?;
        let opened = from.elapsed();
        let mut client = Client::open(host.api()?.0).await?;
        row(&mut table, (&mut host, &mut client), &mut so, Some(opened)).await?;
    }
    report.table("level", (TITLE, BELOW), &table);
    host.stop().await.map(|_| ())
}

async fn row(
    table: &mut Table,
    (host, client): (&mut Host, &mut Client),
    so: &mut So,
    opened: Option<Duration>,
) -> Result<()> {
    let kept = client.count("completed").await?;
    let (now, memory, disk) = (so.from.elapsed(), Memory::of(host.process()?.id())?, Disk::of(&host.data_dir())?);
    let runs = count(so.sent - so.before.1);
    let pace = runs / (now - so.before.0).as_secs_f64().max(1e-3);
    so.before = (now, so.sent);
    let mut cells = vec![now.as_secs().to_string(), so.sent.to_string(), format!("{pace:.0}"), kept.to_string()];
    cells.extend(memory.cells());
    cells.extend([disk.sled, disk.log, disk.snapshots].map(|kb| format!("{:.1}", kb / 1e3)));
    cells.push(opened.map_or_else(|| "-".to_owned(), |opened| format!("{:.2}", opened.as_secs_f64())));
    // It takes minutes: whoever waits is told.
    say(&cells.join("  "));
    table.row(cells);
    Ok(())
}
