//! The worker's side: loads what it is given as a host does, executes what it accepts, and tells what became of it. It
//! may die of a case: that is what the watcher looks for.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stepwell_core::{Digest, Manifest};
use stepwell_engine::executor::Exit;
use stepwell_runtime::{CompilerProcess, ComponentSource, Grants, InspectError, LoadError, Runtime, Settings, inspect};
use stepwell_testkit::Play;

use crate::chance::Chance;
use crate::shell::{self, Inner};

/// CPU time of a run, and CPU time and memory of compiling a component: less than a host's, since thousands are tried.
const CPU_MAX: Duration = Duration::from_millis(100);
const COMPILE_CPU_MAX: Duration = Duration::from_secs(20);
const COMPILE_MEMORY_BYTES_MAX: u64 = 512 << 20;
/// One of so many cases is followed by a run of a good component, which must complete as ever.
const HEALTH_EVERY: u64 = 25;
/// Activations of one run: what is retried or sleeps has been executed twice by then.
const ACTIVATIONS_MAX: usize = 3;
const NULL: &str = "null";

/// What became of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Why it was refused; nothing where it was accepted.
    pub refused: Option<Refusal>,
    /// How its activations ended, where it was accepted.
    pub exits: Vec<Ended>,
    /// What `stepwell check` says, where it was asked.
    pub inspected: Option<Option<Refusal>>,
    /// What panicked in the worker's process.
    pub panics: Vec<String>,
    /// Why a good component does not complete after it.
    pub harm: Option<String>,
}

/// By which check, and what was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub by: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub how: String,
    pub text: String,
}

/// Nothing is kept anywhere: what is executed is in memory.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

#[async_trait]
impl ComponentSource for Nowhere {
    async fn component(&self, _: Digest) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// A case on its way to the worker.
pub fn hand_over(out: &mut impl Write, bytes: &[u8], inspect: bool) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[u8::from(inspect)])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)?;
    out.flush()
}

fn take(input: &mut impl Read) -> io::Result<Option<(Bytes, bool)>> {
    let mut head = [0; 5];
    if let Err(error) = input.read_exact(&mut head) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let [inspect, length @ ..] = head;
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
    input.read_exact(&mut bytes)?;
    Ok(Some((bytes.into(), inspect == 1)))
}

/// Takes cases from standard input until it ends; each is answered by a line of JSON.
pub async fn work(compiler: CompilerProcess) -> Result<()> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = panics.clone();
    std::panic::set_hook(Box::new(move |panic| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
    }));
    let mut worker = Worker::start(compiler)?;
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    while let Some((bytes, inspect)) = take(&mut input)? {
        let mut told = worker.case(bytes, inspect).await?;
        told.panics = std::mem::take(&mut *panics.lock().unwrap_or_else(PoisonError::into_inner));
        serde_json::to_writer(&mut out, &told)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

struct Worker {
    runtime: Runtime,
    compiler: CompilerProcess,
    good: Bytes,
    cases: u64,
    // Its compiled code; goes with it.
    _dir: tempfile::TempDir,
}

impl Worker {
    fn start(compiler: CompilerProcess) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut settings = Settings::new(dir.path().join("code"));
        settings.activations_max = 2;
        settings.threads = 1;
        settings.cpu_max = CPU_MAX;
        let bounds = (COMPILE_CPU_MAX, COMPILE_MEMORY_BYTES_MAX);
        let compiler = CompilerProcess { cpu_max: bounds.0, memory_bytes_max: bounds.1, ..compiler };
        settings.compiler = Some(compiler.clone());
        let runtime = Runtime::start(settings, Arc::new(Nowhere), Grants::default())?;
        let good = shell::around(Inner::Nothing, &mut Chance::of(0, 0))?.into();
        Ok(Self { runtime, compiler, good, cases: 0, _dir: dir })
    }

    /// Executes a run of the component's first workflow; answers how each activation ended.
    async fn play(&self, component: Digest, manifest: &Manifest) -> Vec<Exit> {
        Play::new(component, manifest, json!({})).up_to(ACTIVATIONS_MAX, &self.runtime).await
    }

    async fn case(&mut self, bytes: Bytes, looked_at: bool) -> Result<Told> {
        let mut told = Told::default();
        match self.runtime.load(bytes.clone()).await {
            Ok((digest, manifest)) => {
                told.exits = self.play(digest, &manifest).await.into_iter().map(ended).collect();
                self.runtime.forget(digest);
            }
            Err(error) => {
                // What was compiled and then refused is kept on disk as well.
                self.runtime.forget(Digest::of(&bytes));
                told.refused = Some(refusal(&error));
            }
        }
        if looked_at {
            told.inspected = Some(inspect(bytes, self.compiler.clone()).await.err().map(|error| match error {
                InspectError::Load(error) => refusal(&error),
                InspectError::Start(error) => Refusal { by: "Start".to_owned(), text: error.to_string() },
            }));
        }
        self.cases += 1;
        if self.cases.is_multiple_of(HEALTH_EVERY) {
            told.harm = self.harm().await.err().map(|error| format!("{error:#}"));
        }
        Ok(told)
    }

    /// Whether a good component still does what it did.
    async fn harm(&self) -> Result<()> {
        let (digest, manifest) = self.runtime.load(self.good.clone()).await?;
        let exits = self.play(digest, &manifest).await;
        match &exits[..] {
            [Exit::Returned(Ok(output))] if output.as_str() == NULL => Ok(()),
            other => Err(anyhow::anyhow!("a good component ends as {other:?}")),
        }
        .context("after these cases")
    }
}

fn ended(exit: Exit) -> Ended {
    let (how, text) = match exit {
        Exit::Returned(Ok(output)) => ("returned", output.as_str().chars().take(200).collect()),
        Exit::Returned(Err(error)) => ("failed", error.message),
        Exit::Stopped => ("stopped by its calls", String::new()),
        Exit::Trapped { message } => ("trapped", message),
        Exit::Unloadable { reason } => ("unloadable", reason),
        Exit::Exceeded { limit } => ("beyond a bound", limit),
        Exit::Misused { message } => ("misused the contract", message),
    };
    Ended { how: how.to_owned(), text }
}

fn refusal(error: &LoadError) -> Refusal {
    let by = match error {
        LoadError::Size(_) => "size of the file",
        LoadError::Function(_) => "size of a function",
        LoadError::Functions => "number of functions",
        LoadError::Malformed(_) => "malformed",
        LoadError::CoreModule => "a core module",
        LoadError::Compiled => "compiled code",
        LoadError::UnknownImports(_) => "unknown imports",
        LoadError::Newer { .. } => "another contract",
        LoadError::MissingExports(_) => "missing exports",
        LoadError::Compile(_) => "compiler",
        LoadError::Link(_) => "linker",
        LoadError::Describe(_) => "describe",
        LoadError::Manifest(_) => "manifest",
        LoadError::Host(_) => "hosts",
        LoadError::Missing(_) | LoadError::Source { .. } | LoadError::Stopped => "the host itself",
    };
    Refusal { by: by.to_owned(), text: error.to_string() }
}
