//! Scenarios: what a user was promised, as scripts played against the real binary. One behaviour a file,
//! `scripts/*.scenario`; a line is a verb with its words and options, `#` begins a comment, and lines that
//! are indented belong to the line above.
//!
//! | verb | what it does |
//! |---|---|
//! | `plugin NAME… [from=GUEST] [stamp=TEXT]` | puts components into the folder, also while the host runs; a stamp changes a component's digest, not its behaviour |
//! | `component GUEST…` | puts components where commands are run, as `GUEST.wasm` |
//! | `unplug NAME`, `damaged-plugin NAME`, `no-plugin-folder` | takes a file away; puts one that is none; takes the folder away |
//! | `config` + indented TOML | adds to the configuration |
//! | `start`, `crash`, `restart`, `freeze`, `thaw`, `stop within=5s` | the host's life; `crash` is kill -9 |
//! | `start refused [saying=TEXT]`, `another refused on=data\|port [saying=TEXT]` | it must end with exit code 1, and say so |
//! | `dies [saying=TEXT]` | the running host must end by itself, not with 0 |
//! | `webhook TYPE id= [user=] [secret=wrong] [body=other] [times=N] -> 202 200x99` | signed deliveries, several at once; the statuses of the answers |
//! | `event NAME {json} [id=] [times=N]` | events by the API |
//! | `flood NAME bytes=N` | events until the host takes no more |
//! | `fault PROVIDER [status=] [message=] [drop=] [latency=] [count=] [path=]`, `faults none` | what the providers do wrong |
//! | `advance 7d [step=15s]` | moves all clocks; after every step due runs are waited for |
//! | `command "VERB …" [unread] [prints=json\|jsonl] [showing=TEXT] [saying=TEXT] -> CODE` | what a person types, without a terminal; `{admin}`, `{intake}`, `{event}` and `{WORKFLOW}` stand for addresses and ids; `unread` is `\| head -0` |
//! | `settle` | waits until no run is due |
//! | `wake WORKFLOW`, `cancel WORKFLOW` | what a person may do to the only run of it that has not ended |
//! | `disk size=8m`, `disk read-only`, `data-dir is-a-file`, `damage-database flip\|empty`, `damage-log`, `damage-file NAME` | the data directory or a file beside it in trouble |
//! | `data-dir at=DIR`, `data-dir golden=NAME` | the next start is on another data directory; on what an older host left |
//! | `expect …` | see `expect` |
//!
//! After the last line the providers' log is audited: no effect twice, no key with two bodies; and no
//! event has two runs of one workflow.
//!
//! Must not sleep for a fixed time, and must not look into the host but through its doors.

mod audit;
mod expect;
mod line;
mod stage;
mod verbs;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::line::Line;
use crate::stage::Stage;

/// Why a script failed. As a test's error it is told without a backtrace, which would say nothing of it.
pub struct Failure(anyhow::Error);

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chain().try_for_each(|cause| write!(f, "{cause}\n\n"))
    }
}

/// Plays the script of this name.
pub async fn play(name: &str) -> Result<(), Failure> {
    play_through(name).await.map_err(Failure)
}

async fn play_through(name: &str) -> Result<()> {
    let path = scripts().join(format!("{name}.scenario"));
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut stage = Stage::new().await?;
    for line in Line::read_all(&text)? {
        let place = format!("{}:{}: {}", path.display(), line.number, line.text);
        let done = verbs::perform(&mut stage, line).await;
        done.map_err(|error| anyhow!("{place}\n{error:#}\n{}", stage.host.last_lines()))?;
    }
    let audited = audit::audit(&stage).await;
    audited.with_context(|| format!("{}: the audit after the last line", path.display()))
}

/// The names of all scripts.
pub fn names() -> Result<BTreeSet<String>> {
    let folder = fs::read_dir(scripts()).context("the folder of the scripts cannot be read")?;
    let mut names = BTreeSet::new();
    for file in folder {
        let path = file?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        names.insert(stem.with_context(|| format!("{} has no name", path.display()))?);
    }
    Ok(names)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}
