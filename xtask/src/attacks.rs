//! `cargo xtask attacks`: sees that attacks succeed once their defence is switched off. What passes with its defence
//! off proves nothing with it on.
//!
//! All defences of `tests/attacks.toml` are made switchable in one copy of the repository, which is built once; then
//! each is switched off alone, and the test that names it must fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::guests;
use crate::shell::Shell;

/// Names the defence that is switched off, in the copy.
const SWITCH: &str = "STEPWELL_OFF";
/// How long a test may take with its defence off, at least and in times of what it takes with it on; what hangs has
/// failed.
const HANGS_AFTER: Duration = Duration::from_secs(60);
const HANGS_AFTER_TIMES: u32 = 10;

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
    Passed(Duration),
    Failed(String),
    Hung(Duration),
}

/// Switches each defence off and says what its test found.
pub(crate) fn run(shell: &Shell, attacks: &Attacks) -> Result<()> {
    let mut table: Table = toml::from_str(&fs::read_to_string(shell.path("tests/attacks.toml"))?)?;
    if let Some(unknown) = attacks.ids.iter().find(|id| !table.attack.iter().any(|attack| attack.id == **id)) {
        bail!("tests/attacks.toml has no attack {unknown:?}");
    }
    // With all of them, also where few are wanted: so the copy is built once.
    let copy = copy(shell, &table.attack)?;
    let packages = packages(&copy, &table.attack)?;
    guests::build(shell)?;
    guests::build_smith(shell)?;
    let tests = build(shell, &copy, &packages)?;
    table.attack.retain(|attack| attacks.ids.is_empty() || attacks.ids.contains(&attack.id));
    let bench = Bench { shell, copy: &copy, tests };
    let times = bench.expect_all_pass(&table.attack)?;
    let mut unseen = Vec::new();
    for attack in &table.attack {
        let usual = times.get(attack.test.as_str()).copied().unwrap_or_default();
        if !bench.switch_off(attack, usual)? {
            unseen.push(attack.id.as_str());
        }
    }
    let (of, seen) = (table.attack.len(), table.attack.len() - unseen.len());
    writeln!(std::io::stdout(), "{seen} of {of} attacks were seen to succeed with their defence off")?;
    ensure!(unseen.is_empty(), "their tests pass with the defence switched off: {}", unseen.join(", "));
    Ok(())
}

/// A test: the program that has it, its whole name, and where it is run.
#[derive(Clone, Debug)]
struct Test {
    program: PathBuf,
    name: String,
    folder: PathBuf,
}

/// What cargo says of a program that it made.
#[derive(Debug, Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    #[serde(default)]
    profile: ArtifactProfile,
}

#[derive(Debug, Default, Deserialize)]
struct ArtifactProfile {
    #[serde(default)]
    test: bool,
}

/// Builds the copy's tests, and finds each by its name. They are called directly, not through cargo: what waits for
/// cargo's lock would look like a test that hangs.
fn build(shell: &Shell, copy: &Path, packages: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<Test>>> {
    // With the programs, one of which the scenarios start: `cargo test` makes none of another package.
    let arguments = "build --release --offline --tests --bins --message-format json-render-diagnostics";
    let mut command = shell.cargo("", arguments);
    command.current_dir(copy).env("CARGO_TARGET_DIR", shell.target()).stderr(Stdio::inherit());
    // Always the same packages, so that nothing is built twice with other features.
    for package in packages {
        command.args(["-p", package]);
    }
    eprintln!("$ cargo {arguments} (in the copy, {} packages)", packages.len());
    let said = shell.output(&mut command)?;
    fs::create_dir_all(copy.with_extension("bin"))?;
    let mut tests: BTreeMap<String, Vec<Test>> = BTreeMap::new();
    for line in said.lines() {
        let Ok(Artifact { manifest_path: Some(manifest), executable: Some(program), profile }) =
            serde_json::from_str(line)
        else {
            continue;
        };
        if !profile.test {
            // The host, for the tests that start one; the next build of the repository itself puts its own there.
            fs::copy(&program, bin(copy, program.file_name().context("a program has a name")?.as_ref()))?;
            continue;
        }
        let folder = manifest.parent().context("a manifest lies in a folder")?;
        let listed =
            shell.output(shell.program("", &program).current_dir(folder).args(["--list", "--format", "terse"]))?;
        for name in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
            let test = Test { program: program.clone(), name: name.to_owned(), folder: folder.to_owned() };
            let last = name.rsplit("::").next().unwrap_or(name);
            tests.entry(last.to_owned()).or_default().push(test);
        }
    }
    Ok(tests)
}

/// Where the copy's programs are kept, and what tests say: outside of the copy itself.
fn bin(copy: &Path, name: &Path) -> PathBuf {
    copy.with_extension("bin").join(name)
}

struct Bench<'a> {
    shell: &'a Shell,
    copy: &'a Path,
    tests: BTreeMap<String, Vec<Test>>,
}

impl Bench<'_> {
    /// With all defences on all tests are there and pass, or their failing would tell nothing. Answers how long each
    /// takes.
    fn expect_all_pass<'t>(&self, attacks: &'t [Attack]) -> Result<BTreeMap<&'t str, Duration>> {
        let (mut times, mut broken) = (BTreeMap::new(), Vec::new());
        for test in attacks.iter().map(|attack| attack.test.as_str()).collect::<BTreeSet<_>>() {
            match self.test(test, None, Duration::from_secs(600))? {
                Ended::Passed(time) => {
                    times.insert(test, time);
                }
                Ended::Failed(why) => broken.push(format!("{test} fails: {why}")),
                Ended::Hung(time) => broken.push(format!("{test} hangs: {} s", time.as_secs())),
            }
        }
        ensure!(broken.is_empty(), "with all defences on {}", broken.join("; "));
        writeln!(std::io::stdout(), "{} tests pass with all defences on", times.len())?;
        Ok(times)
    }

    /// Whether the attack's test fails.
    fn switch_off(&self, attack: &Attack, usual: Duration) -> Result<bool> {
        let ended = self.test(&attack.test, Some(&attack.id), HANGS_AFTER.max(usual * HANGS_AFTER_TIMES))?;
        let (seen, words) = match ended {
            Ended::Passed(_) => (false, "NOT SEEN: the test passes".to_owned()),
            Ended::Failed(why) => (true, format!("seen to succeed: {why}")),
            Ended::Hung(time) => (true, format!("seen to succeed: the test hangs for {} s", time.as_secs())),
        };
        writeln!(std::io::stdout(), "{:<28} {:<70} {words}", attack.id, attack.test)?;
        Ok(seen)
    }

    /// Every test of this name, until one does not pass.
    fn test(&self, name: &str, off: Option<&str>, hangs_after: Duration) -> Result<Ended> {
        let tests = self.tests.get(name).with_context(|| format!("{name} is in none of the programs"))?;
        let mut took = Duration::ZERO;
        for test in tests {
            match self.call(test, off, hangs_after)? {
                Ended::Passed(time) => took += time,
                other => return Ok(other),
            }
        }
        Ok(Ended::Passed(took))
    }

    fn call(&self, test: &Test, off: Option<&str>, hangs_after: Duration) -> Result<Ended> {
        let output = bin(self.copy, Path::new("output"));
        let file = fs::File::create(&output)?;
        let mut command = self.shell.program("", &test.program);
        command.args([&test.name, "--exact"]).current_dir(&test.folder).env("RUST_BACKTRACE", "0");
        guests::environment(self.shell, &mut command);
        command.env("STEPWELL_BIN", bin(self.copy, Path::new("stepwell")));
        command.envs(off.map(|id| (SWITCH, id))).stdout(file.try_clone()?).stderr(file).stdin(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", test.program.display()))?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begun.elapsed() > hangs_after {
                // Its whole group, with the hosts that it started.
                let group = format!("-{}", child.id());
                self.shell.run(self.shell.program("", "kill").args(["-KILL", "--", &group]))?;
                child.wait()?;
                return Ok(Ended::Hung(begun.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        if status.success() {
            return Ok(Ended::Passed(begun.elapsed()));
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

/// Copies the files that git knows, as they stand, with all defences made switchable, and under another version, so
/// that cargo takes its packages for others than those of the repository itself. What has not changed since the last
/// time is left alone, and not built again.
fn copy(shell: &Shell, attacks: &[Attack]) -> Result<PathBuf> {
    let copy = shell.target().join("attacks");
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = shell.output(shell.program("", "git").args(arguments))?;
    let files: BTreeSet<&str> = listed.split_terminator('\0').filter(|file| shell.path(file).is_file()).collect();
    remove_others(&copy, Path::new(""), &files)?;
    for file in files {
        let mut bytes = fs::read(shell.path(file))?;
        if file == "Cargo.toml" {
            bytes = replace_once(file, bytes, ("version = \"0.1.0\"", "version = \"0.1.0-attacks\""))?;
        }
        for Attack { id, defence, off, .. } in attacks.iter().filter(|attack| attack.file == file) {
            let switch = format!("std::env::var_os({SWITCH:?}).is_some_and(|off| off == {id:?})");
            bytes = replace_once(file, bytes, (defence, &off.replace("OFF", &switch)))
                .with_context(|| format!("the attack {id} of tests/attacks.toml"))?;
        }
        let to = copy.join(file);
        if !fs::read(&to).is_ok_and(|found| found == bytes) {
            fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
            fs::write(&to, bytes)?;
        }
    }
    Ok(copy)
}

fn replace_once(file: &str, bytes: Vec<u8>, (from, to): (&str, &str)) -> Result<Vec<u8>> {
    let text = String::from_utf8(bytes).with_context(|| file.to_owned())?;
    let found = text.matches(from).count();
    ensure!(found == 1, "{file} has {from:?} {found} times, not once");
    Ok(text.replacen(from, to, 1).into_bytes())
}

/// Removes what the repository has no more.
fn remove_others(copy: &Path, folder: &Path, files: &BTreeSet<&str>) -> Result<()> {
    let Ok(entries) = fs::read_dir(copy.join(folder)) else { return Ok(()) };
    for entry in entries {
        let (name, kind) = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))?;
        let path = folder.join(name);
        if kind.is_dir() {
            remove_others(copy, &path, files)?;
        } else if !path.to_str().is_some_and(|path| files.contains(path) || path == "Cargo.lock") {
            fs::remove_file(copy.join(&path))?;
        }
    }
    Ok(())
}

/// The packages with the defences and those with the tests.
fn packages(copy: &Path, attacks: &[Attack]) -> Result<BTreeSet<String>> {
    // The host's own first, with which every dependency has the features that it has elsewhere.
    let mut folders = BTreeSet::from([PathBuf::from("host")]);
    folders.extend(attacks.iter().filter_map(|attack| Some(PathBuf::from(attack.file.split_once("/src/")?.0))));
    let names: BTreeSet<_> = attacks.iter().map(|attack| attack.test.as_str()).collect();
    for place in ["host", "tests"] {
        with_tests(copy, Path::new(place), &names, &mut folders)?;
    }
    folders.into_iter().map(|folder| package(&copy.join(folder).join("Cargo.toml"))).collect()
}

/// Adds the packages below `folder` whose sources have one of these tests: a function, or a script of its name.
fn with_tests(copy: &Path, folder: &Path, names: &BTreeSet<&str>, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(copy.join(folder))? {
        let (name, kind) = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))?;
        let path = folder.join(name);
        if kind.is_dir() {
            with_tests(copy, &path, names, found)?;
            continue;
        }
        let extension = path.extension().unwrap_or_default();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let has_one = match extension.to_str() {
            Some("rs") => {
                let text = fs::read_to_string(copy.join(&path))?;
                names.iter().any(|name| text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<")))
            }
            Some("scenario") => names.contains(stem),
            _ => false,
        };
        if has_one {
            let package = path.ancestors().skip(1).find(|folder| copy.join(folder).join("Cargo.toml").is_file());
            found.extend(package.map(Path::to_owned));
        }
    }
    Ok(())
}

fn package(manifest: &Path) -> Result<String> {
    let table: toml::Table = toml::from_str(&fs::read_to_string(manifest)?)?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{} names no package", manifest.display()))
}
