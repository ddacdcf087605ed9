//! Compiling in a process of its own, whose memory and CPU time the system bounds: a component that would take the
//! compiler all of it, or bring it down, is refused, and the host does not notice.
//!
//! The order and the component's bytes go in by standard input, compiled code comes out as a file in the private
//! directory for it, and what is wrong by standard error.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};

use crate::limits::{COMPILE_CPU_MAX, COMPILE_MEMORY_BYTES_MAX, COMPONENT_BYTES_MAX, REASON_BYTES_MAX};

/// How a compiler's process is started: by a program that calls [`compile_to_order`] with its standard input.
#[derive(Clone, Debug)]
pub struct CompilerProcess {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// CPU time that one component may take, in whole seconds.
    pub cpu_max: Duration,
    /// Memory that one component may take, bytes.
    pub memory_bytes_max: u64,
}

impl CompilerProcess {
    /// With the bounds of this crate.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            cpu_max: COMPILE_CPU_MAX,
            memory_bytes_max: COMPILE_MEMORY_BYTES_MAX,
        }
    }
}

/// What is to be compiled for whom, and where to.
#[derive(Debug, Deserialize, Serialize)]
struct Order {
    out: PathBuf,
    /// The engine's fingerprint, which must be that of the process too.
    engine: String,
    guest_memory_bytes_max: usize,
    cpu_s_max: u64,
    memory_bytes_max: u64,
}

/// Why there is no code.
#[derive(Debug)]
pub(super) enum Failed {
    /// The component's doing.
    Component(String),
    /// The process could not do its work, whatever the component.
    Process(String),
}

/// For which engine to compile.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) fingerprint: String,
    pub(super) guest_memory_bytes_max: usize,
}

impl CompilerProcess {
    /// Compiles to the file `out`, which is made.
    pub(super) fn compile(&self, bytes: &[u8], target: &Target, out: &Path) -> Result<(), Failed> {
        let order = Order {
            out: out.to_owned(),
            engine: target.fingerprint.clone(),
            guest_memory_bytes_max: target.guest_memory_bytes_max,
            cpu_s_max: self.cpu_max.as_secs().max(1),
            memory_bytes_max: self.memory_bytes_max,
        };
        let (status, said) = self.run(&order, bytes).map_err(|error| Failed::Process(error.to_string()))?;
        if status.success() {
            return Ok(());
        }
        Err(self.verdict(status, &said))
    }

    fn run(&self, order: &Order, bytes: &[u8]) -> io::Result<(ExitStatus, String)> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        // It may have died: its status says why.
        let _ = hand_over(&mut child, order, bytes);
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(REASON_BYTES_MAX as u64).read_to_end(&mut said)?;
        }
        Ok((child.wait()?, String::from_utf8_lossy(&said).trim().to_owned()))
    }

    fn verdict(&self, status: ExitStatus, said: &str) -> Failed {
        let seconds = self.cpu_max.as_secs().max(1);
        match status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::XCPU | Signal::KILL) => {
                Failed::Component(format!("it takes the compiler more than {seconds} s of CPU time (COMPILE_CPU_MAX)"))
            }
            Some(Signal::ABORT) if said.contains("memory allocation of") => Failed::Component(format!(
                "it takes the compiler more than {} MiB of memory (COMPILE_MEMORY_BYTES_MAX)",
                self.memory_bytes_max >> 20
            )),
            Some(signal) => Failed::Component(format!("it brings the compiler down (signal {})", signal.as_raw())),
            None if status.code() == Some(REFUSED) => Failed::Component(said.to_owned()),
            // It would panic within the host too, or first take what nothing bounds there.
            None if status.code() == Some(PANICKED) => Failed::Component(format!("the compiler panics: {said}")),
            None => Failed::Process(format!("{status}: {said}")),
        }
    }
}

fn hand_over(child: &mut Child, order: &Order, bytes: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    serde_json::to_writer(&mut stdin, order)?;
    stdin.write_all(b"\n")?;
    stdin.write_all(bytes)
}

/// The exit code of a process that refuses the component.
const REFUSED: i32 = 3;
/// That of a Rust program that panics.
const PANICKED: i32 = 101;

/// What a compiler's process does: reads an order and a component, bounds itself, compiles. Answers its exit code
/// and, where that is not 0, what to say on standard error.
pub fn compile_to_order(input: impl Read) -> Result<(), (i32, String)> {
    let broken = |error: io::Error| (1, error.to_string());
    let mut input = BufReader::new(input.take(COMPONENT_BYTES_MAX as u64 + (1 << 20)));
    let mut order = String::new();
    input.read_line(&mut order).map_err(broken)?;
    let order: Order = serde_json::from_str(&order).map_err(|error| (1, format!("no order: {error}")))?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(broken)?;
    bound(&order).map_err(|error| (1, format!("the process cannot be bounded: {error}")))?;
    let engine = crate::engine::compiling(order.guest_memory_bytes_max).map_err(|error| (1, format!("{error:#}")))?;
    if super::cache::fingerprint(&engine) != order.engine {
        return Err((1, "the compiler's settings are not the host's".to_owned()));
    }
    let code = engine.precompile_component(&bytes).map_err(|error| (REFUSED, format!("{error:#}")))?;
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&order.out);
    out.as_mut()
        .map_or_else(|error| Err(io::Error::other(error.to_string())), |out| out.write_all(&code))
        .map_err(broken)
}

/// Bounds this process, which ends with whoever started it.
fn bound(order: &Order) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limits = [
        (Resource::Cpu, order.cpu_s_max, order.cpu_s_max + 1),
        // Writable memory of its own; address space is not scarce.
        (Resource::Data, order.memory_bytes_max, order.memory_bytes_max),
        (Resource::Core, 0, 0),
    ];
    for (resource, current, maximum) in limits {
        setrlimit(resource, Rlimit { current: Some(current), maximum: Some(maximum) })?;
    }
    Ok(())
}
