//! What was measured on.

use std::fs;
use std::process::Command;

use anyhow::Result;
use stepwell_harness::{Home, binary};

use crate::disk::Raw;
use crate::report::Report;

/// Tells of the machine, its disk and its other load.
pub(crate) fn tell(report: &mut Report, (home, is_dist): (&Home, bool), raw: &Raw) -> Result<()> {
    let processors = std::thread::available_parallelism()?;
    report.fact("processor", format!("{processors} x {}", processor()));
    report.fact("kernel", read("/proc/sys/kernel/osrelease"));
    report
        .fact("load", format!("{} (1, 5 and 15 minutes before: others share this machine if it is above 0.5)", load()));
    report.fact("data", format!("{} on {}", home.path().display(), filesystem(home)));
    report.fact(
        "disk",
        format!(
            "1 kB written and fdatasync: p5 {} ms, p50 {} ms, p99 {} ms, {:.0} a second",
            raw.latency.millis(5),
            raw.latency.millis(50),
            raw.latency.millis(99),
            raw.per_second
        ),
    );
    let profile = if is_dist { "dist" } else { "release" };
    report.fact("host", format!("{}, profile {profile}", version()?));
    Ok(())
}

fn processor() -> String {
    let all = read("/proc/cpuinfo");
    let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    name.unwrap_or("of unknown make").to_owned()
}

/// The load average.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn filesystem(home: &Home) -> String {
    let output = Command::new("stat").args(["--file-system", "--format=%T"]).arg(home.path()).output();
    output.map_or_else(
        |_| "an unknown file system".to_owned(),
        |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
    )
}

fn version() -> Result<String> {
    let output = Command::new(binary()?).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
