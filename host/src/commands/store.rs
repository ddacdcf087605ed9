//! `stepwell store`: what a host keeps, looked after. All but a backup is of a host that does not run.

mod backup;
mod progress;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use stepwell_store_sled::offline::{self, Compacted, Held, OfflineError, Report};
use stepwell_store_sled::{OpenError, Options};
use tracing_subscriber::EnvFilter;

use crate::cli::{HostFlags, StoreCompact, StoreFlags, StoreRestore, StoreVerb};
use crate::commands::Failure;
use crate::commands::config::layers;
use crate::commands::tokens::note;
use crate::config::{self, Config};
use crate::data::Data;
use crate::print::{Column, coloured, one, say, table};
use progress::size;
pub(crate) use progress::watched;

const FINDINGS: &[Column] = &[("WHAT", "/what"), ("REASON", "/reason")];
/// What can be done with a host that runs.
const BACKUP_ALONE: &str = "only a backup is made of one that runs";
/// How a database that did not open is named once it is set aside.
const SET_ASIDE: &str = "sled.damaged-";

pub(crate) async fn run(verb: StoreVerb) -> Result<(), Failure> {
    start_log();
    match verb {
        StoreVerb::Verify(flags) => verify(&flags).await,
        StoreVerb::Backup(flags) => backup::run(&flags).await,
        StoreVerb::Restore(flags) => restore(&flags).await,
        StoreVerb::Compact(flags) => compact(&flags).await,
    }
}

/// What goes wrong while a store is opened is told as a host tells it.
fn start_log() {
    let filter = EnvFilter::try_from_env("STEPWELL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured());
    log.compact().with_target(false).init();
}

/// The configuration that the flags choose.
pub(crate) fn config_of(flags: &StoreFlags) -> Result<Config, Failure> {
    let host = HostFlags {
        config: flags.config.clone(),
        listen: None,
        admin_listen: None,
        data_dir: flags.data_dir.clone(),
        plugins: None,
    };
    Ok(config::load(&layers(&host), std::env::vars())?.config)
}

/// How a store with this configuration is opened.
pub(crate) fn options(config: &Config) -> Options {
    Options { cache_bytes: config.store.cache_mib << 20, key_file: config.privacy.key_file(), ..Options::default() }
}

/// Does something with a data directory off the async threads, while whoever watches is told how long it takes.
async fn offline<T: Send + 'static>(
    what: &str,
    dir: &Path,
    measure: impl Fn() -> String,
    work: impl FnOnce() -> Result<T, OfflineError> + Send + 'static,
) -> Result<T, Failure> {
    let done = watched(what, measure, tokio::task::spawn_blocking(work)).await;
    let done = done.with_context(|| format!("{what} was cut short"))?;
    done.map_err(|error| failure(error, dir, BACKUP_ALONE))
}

pub(crate) fn failure(error: OfflineError, dir: &Path, instead: &str) -> Failure {
    match error {
        OfflineError::NotThere { .. } => {
            Failure::NotFound(anyhow!("there is no data directory in {}: name it with --data-dir", dir.display()))
        }
        OfflineError::Open(OpenError::Locked { dir, pid }) => {
            let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            Failure::Other(anyhow!(
                "the data directory {} is in use by {holder}: stop that host first ({instead})",
                dir.display()
            ))
        }
        other => Failure::Other(other.into()),
    }
}

async fn verify(flags: &StoreFlags) -> Result<(), Failure> {
    let config = config_of(flags)?;
    let (dir, options) = (config.host.data_dir.clone(), options(&config));
    let before = set_aside(&dir);
    let of = dir.clone();
    let mut report = offline("checking", &dir, String::new, move || offline::verify(&of, options)).await?;
    for name in set_aside(&dir).into_iter().filter(|name| !before.contains(name)) {
        let reason = format!("it was damaged and has been made anew from snapshot and log; the old one is {name}");
        report.findings.insert(0, offline::Finding { what: "the database".to_owned(), reason });
        report.findings_in_all += 1;
    }
    one(&told(&report, &dir), flags.output.output, describe)?;
    match report.findings_in_all {
        0 => Ok(()),
        1 => Err(Failure::Other(anyhow!("1 thing in {} is not as it should be", dir.display()))),
        many => Err(Failure::Other(anyhow!("{many} things in {} are not as they should be", dir.display()))),
    }
}

/// Databases that did not open, by name.
fn set_aside(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(SET_ASIDE)).collect();
    names.sort_unstable();
    names
}

fn told(report: &Report, dir: &Path) -> Data {
    let findings = report.findings.iter().map(|found| json!({ "what": found.what, "reason": found.reason }));
    Data::from(json!({
        "data_dir": dir.display().to_string(),
        "rows": report.rows,
        "runs": report.runs,
        "events": report.events,
        "components": report.components,
        "snapshots": report.snapshots,
        "findings": findings.collect::<Vec<_>>(),
        "findings_in_all": report.findings_in_all,
    }))
}

/// Numbers a line, and the findings as a table below.
fn describe(told: &Value) -> String {
    let numbers = told.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
    let lines: Vec<String> = numbers.map(|(key, value)| format!("{:<16}{value}", key.replace('_', " "))).collect();
    let findings = told.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match findings {
        [] => lines.join("\n"),
        found => format!("{}\n\n{}", lines.join("\n"), table(found, FINDINGS)),
    }
}

async fn restore(flags: &StoreRestore) -> Result<(), Failure> {
    let config = config_of(&flags.store)?;
    let (dir, options, file) = (config.host.data_dir.clone(), options(&config), flags.file.clone());
    if !file.is_file() {
        return Err(Failure::NotFound(anyhow!("there is no backup {}", file.display())));
    }
    let (of, measured) = (dir.clone(), dir.clone());
    let measure = move || size(&measured);
    let held = offline("restoring", &dir, measure, move || offline::restore(&file, &of, options)).await?;
    note(&dir, "stepwell store restore", &flags.file.display().to_string())?;
    say(&format!("{} holds what the backup had; start a host on it with --data-dir", dir.display()));
    let told = json!({ "data_dir": dir.display().to_string() });
    Ok(one(&with_held(told, held), flags.store.output.output, describe)?)
}

/// What a backup holds, behind where it is.
fn with_held(mut told: Value, held: Held) -> Data {
    let numbers = [("rows", held.rows), ("components", held.components), ("bytes", held.bytes)];
    if let Some(told) = told.as_object_mut() {
        told.extend(numbers.map(|(key, number)| (key.to_owned(), Value::from(number))));
    }
    Data::from(told)
}

async fn compact(flags: &StoreCompact) -> Result<(), Failure> {
    let config = config_of(&flags.store)?;
    let (dir, options) = (config.host.data_dir.clone(), options(&config));
    if !flags.yes {
        confirm(&format!("The database in {} is written anew, and the old one deleted.", dir.display()))?;
    }
    let (of, measured) = (dir.clone(), dir.join("sled"));
    let measure = move || size(&measured);
    let done = offline("compacting", &dir, measure, move || offline::compact(&of, options)).await?;
    note(&dir, "stepwell store compact", &dir.display().to_string())?;
    let Compacted { before, after } = done;
    let told = json!({ "data_dir": dir.display().to_string(), "bytes_before": before, "bytes_after": after });
    Ok(one(&told.into(), flags.store.output.output, describe)?)
}

/// Asks whoever sits at a terminal; nobody else is asked.
pub(crate) fn confirm(what: &str) -> Result<(), Failure> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !(stdin.is_terminal() && stderr.is_terminal()) {
        return Err(Failure::Usage(anyhow!("{what} Nobody is there to be asked: say --yes")));
    }
    // Nobody is there to be told that standard error is gone.
    let _ = write!(stderr, "{what} Go on? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("the answer cannot be read")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Other(anyhow!("nothing was done"))),
    }
}

/// The directory that a file is in.
fn parent(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}
