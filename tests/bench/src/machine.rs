//! What was measured on.

use std::fs;
use std::process::Command;

use anyhow::Result;
use stepwell_harness::{Host, binary};

use crate::disk::Raw;
use crate::table::say;

/// Tells of the machine, its disk and its other load.
pub(crate) fn tell(host: &Host, raw: &Raw) -> Result<()> {
    let processors = std::thread::available_parallelism()?;
    say(&format!("processor   {processors} x {}", processor()));
    say(&format!("kernel      {}", read("/proc/sys/kernel/osrelease")));
    say(&format!("load        {} (1, 5 and 15 minutes before: others share this machine if it is above 0.5)", load()));
    say(&format!("data        {} on {}", host.home.path().display(), filesystem(host)));
    say(&format!(
        "disk        1 kB written and fdatasync: p5 {} ms, p50 {} ms, p99 {} ms, {:.0} a second",
        raw.latency.millis(5),
        raw.latency.millis(50),
        raw.latency.millis(99),
        raw.per_second
    ));
    say(&format!("host        {}", version()?));
    Ok(())
}

fn processor() -> String {
    let all = read("/proc/cpuinfo");
    let name = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    name.unwrap_or("of unknown make").to_owned()
}

fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn filesystem(host: &Host) -> String {
    let output = Command::new("stat").args(["--file-system", "--format=%T"]).arg(host.home.path()).output();
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
