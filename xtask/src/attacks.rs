//! `cargo xtask attacks`: sees that attacks succeed once their defence is switched off. What passes with its defence
//! off proves nothing with it on.
//!
//! All defences of `tests/attacks.toml` are made switchable in one copy of the repository, which is built once; then
//! each is switched off alone, and the test that names it must fail.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::guests;
use crate::shell::Shell;

/// Names the defence that is switched off, in the copy.
const SWITCH: &str = "STEPWELL_OFF";
/// How long a test may take with its defence off; what hangs has failed.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Which defences to switch off.
#[derive(Debug, Args)]
pub(crate) struct Attacks {
    /// Only these, by their ids in tests/attacks.toml; all where none is named
    ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    attack: Vec<Attack>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    id: String,
    file: String,
    defence: String,
    off: String,
    test: String,
}

/// What came of a test.
enum Ended {
    Passed,
    Failed(String),
    Hung,
}

/// Switches each defence off and says what its test found.
pub(crate) fn run(shell: &Shell, attacks: &Attacks) -> Result<()> {
    let table: Table = toml::from_str(&fs::read_to_string(shell.path("tests/attacks.toml"))?)?;
    if let Some(unknown) = attacks.ids.iter().find(|id| !table.attack.iter().any(|attack| attack.id == **id)) {
        bail!("tests/attacks.toml has no attack {unknown:?}");
    }
    let copy = copy(shell)?;
    make_switchable(&copy, &table.attack)?;
    let bench = Bench { shell, copy: &copy, packages: packages(&copy, &table.attack)? };
    guests::build(shell)?;
    shell.run(&mut bench.cargo(&["--no-run"]))?;
    bench.expect_all_pass(&table.attack)?;
    let is_wanted = |attack: &&Attack| attacks.ids.is_empty() || attacks.ids.contains(&attack.id);
    let unseen = table.attack.iter().filter(is_wanted).map(|attack| bench.switch_off(attack));
    let unseen = unseen.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect::<Vec<_>>();
    ensure!(unseen.is_empty(), "their tests pass with the defence switched off: {}", unseen.join(", "));
    Ok(())
}

struct Bench<'a> {
    shell: &'a Shell,
    copy: &'a Path,
    packages: BTreeSet<String>,
}

impl Bench<'_> {
    /// Always with the same packages, so that nothing is built twice with other features.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.shell.cargo("", "test --release --offline --tests --no-fail-fast");
        command.current_dir(self.copy).env("CARGO_TARGET_DIR", self.shell.target()).env("RUST_BACKTRACE", "0");
        guests::environment(self.shell, &mut command);
        for package in &self.packages {
            command.args(["-p", package]);
        }
        command.args(arguments);
        command
    }

    /// With all defences on all tests are there and pass, or their failing would tell nothing.
    fn expect_all_pass(&self, attacks: &[Attack]) -> Result<()> {
        let tests: BTreeSet<&str> = attacks.iter().map(|attack| attack.test.as_str()).collect();
        let mut arguments = vec!["--"];
        arguments.extend(&tests);
        let said = self.shell.output(&mut self.cargo(&arguments))?;
        let missing = tests.iter().filter(|test| !said.contains(&format!("{test} ... ok"))).copied();
        let missing: Vec<_> = missing.collect();
        ensure!(missing.is_empty(), "these tests are not run: {}", missing.join(", "));
        Ok(())
    }

    /// Answers the attack's id where its test does not fail.
    fn switch_off(&self, attack: &Attack) -> Result<Option<String>> {
        let ended = self.test(attack)?;
        let (seen, words) = match ended {
            Ended::Passed => (false, "NOT SEEN: the test passes".to_owned()),
            Ended::Failed(why) => (true, format!("seen to succeed: {why}")),
            Ended::Hung => (true, format!("seen to succeed: the test hangs for {} s", HANGS_AFTER.as_secs())),
        };
        writeln!(std::io::stdout(), "{:<24} {:<70} {words}", attack.id, attack.test)?;
        Ok((!seen).then(|| attack.id.clone()))
    }

    fn test(&self, attack: &Attack) -> Result<Ended> {
        let output = self.copy.join("output");
        let file = fs::File::create(&output)?;
        let mut command = self.cargo(&["--", &attack.test]);
        command.env(SWITCH, &attack.id).stdout(file.try_clone()?).stderr(file).stdin(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().context("cannot start cargo")?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > HANGS_AFTER {
                // Its whole group: the test is a child of cargo's.
                let group = format!("-{}", child.id());
                self.shell.run(self.shell.program("", "kill").args(["-KILL", "--", &group]))?;
                child.wait()?;
                return Ok(Ended::Hung);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if status.success() {
            return Ok(Ended::Passed);
        }
        Ok(Ended::Failed(first_words(&String::from_utf8_lossy(&fs::read(&output)?))))
    }
}

/// What the test's panic said first.
fn first_words(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.contains(" panicked at ")).skip(1).take(3);
    let first = lines.find(|line| !line.trim().is_empty()).unwrap_or("its process ended");
    first.chars().take(120).collect()
}

/// Copies the files that git knows, as they stand, under another version, so that cargo takes its packages for
/// others than those of the repository itself.
fn copy(shell: &Shell) -> Result<PathBuf> {
    let copy = shell.target().join("attacks");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    let files = shell.output(shell.program("", "git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for file in files.split_terminator('\0') {
        let (from, to) = (shell.path(file), copy.join(file));
        if from.is_file() {
            fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
            fs::copy(from, to)?;
        }
    }
    replace_once(&copy.join("Cargo.toml"), "version = \"0.1.0\"", "version = \"0.1.0-attacks\"")?;
    Ok(copy)
}

fn make_switchable(copy: &Path, attacks: &[Attack]) -> Result<()> {
    for Attack { id, file, defence, off, .. } in attacks {
        let switch = format!("std::env::var_os({SWITCH:?}).is_some_and(|off| off == {id:?})");
        replace_once(&copy.join(file), defence, &off.replace("OFF", &switch))
            .with_context(|| format!("the attack {id} of tests/attacks.toml"))?;
    }
    Ok(())
}

fn replace_once(file: &Path, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let found = text.matches(from).count();
    ensure!(found == 1, "{} has {from:?} {found} times, not once", file.display());
    Ok(fs::write(file, text.replacen(from, to, 1))?)
}

/// The packages with the defences and those with the tests.
fn packages(copy: &Path, attacks: &[Attack]) -> Result<BTreeSet<String>> {
    // The host's own first, with which every dependency has the features that it has elsewhere.
    let mut folders = BTreeSet::from(["host"]);
    folders.extend(attacks.iter().filter_map(|attack| Some(attack.file.split_once("/src/")?.0)));
    folders.into_iter().map(|folder| package(&copy.join(folder).join("Cargo.toml"))).collect()
}

fn package(manifest: &Path) -> Result<String> {
    let table: toml::Table = toml::from_str(&fs::read_to_string(manifest)?)?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{} names no package", manifest.display()))
}
