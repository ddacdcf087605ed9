//! How often processes sync, counted by the kernel through `perf stat`, which costs them next to nothing.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const EVENTS: &str = "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync";

/// A running count.
#[derive(Debug)]
pub(crate) struct Syncs {
    perf: Child,
    output: PathBuf,
}

impl Syncs {
    /// Counts from now on. The error says why it cannot.
    pub(crate) fn start(ids: &[u32], output: PathBuf) -> Result<Self, String> {
        let ids = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new("perf");
        command.args(["stat", "-x", ",", "-e", EVENTS, "-p", &ids, "-o"]).arg(&output);
        let perf = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let perf = perf.map_err(|error| format!("perf cannot be started: {error}"))?;
        Ok(Self { perf, output })
    }

    /// Ends the count.
    pub(crate) fn end(mut self) -> Result<u32, String> {
        let id = i32::try_from(self.perf.id()).ok().and_then(Pid::from_raw).ok_or("perf has no id")?;
        kill_process(id, Signal::INT).map_err(|error| format!("perf has ended: {error}"))?;
        self.perf.wait().map_err(|error| error.to_string())?;
        let text = std::fs::read_to_string(&self.output).map_err(|_| "perf may not count here".to_owned())?;
        let counts: Vec<u32> = text.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect();
        match counts.as_slice() {
            [] => {
                Err("perf may not trace system calls here (it takes root, or kernel.perf_event_paranoid = -1)"
                    .to_owned())
            }
            counts => Ok(counts.iter().sum()),
        }
    }
}
