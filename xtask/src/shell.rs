//! Running other programs, from the root of the repository. Must not know what is tested.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What `cargo run` sets for this program, and must not reach the cargo that it calls: build
/// scripts look at such variables, and would run anew each time (ring's does, and with it
/// everything that uses TLS).
const LEAKED: &[&str] = &["CARGO", "LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT"];
const LEAKED_PREFIXES: &[&str] = &["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_"];

/// Where and how programs are started.
#[derive(Debug)]
pub(crate) struct Shell {
    root: PathBuf,
    plain: bool,
}

impl Shell {
    /// `plain`: no colours, no progress bars.
    pub(crate) fn new(plain: bool) -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("xtask lies in the root of the repository")?;
        Ok(Self { root: root.to_owned(), plain })
    }

    /// A path inside the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo puts what the host's workspace makes.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), |dir| self.root.join(dir))
    }

    /// The host binary, once it is built.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target().join("release/stepwell")
    }

    /// A program, to be run in `dir`, a folder of the repository.
    pub(crate) fn program(&self, dir: &str, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(dir)).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if leaked(&name) {
                command.env_remove(name);
            }
        }
        if self.plain {
            command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never");
        }
        command
    }

    /// `cargo` with `arguments` (separated by blanks) in `dir`.
    pub(crate) fn cargo(&self, dir: &str, arguments: &str) -> Command {
        let mut command = self.program(dir, "cargo");
        command.args(arguments.split_whitespace());
        command
    }

    /// Runs to the end; what it says goes where this program's words go.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        self.announce(command);
        let status = command.status().with_context(|| cannot_start(command))?;
        if !status.success() {
            bail!("`{}` failed: {status}", words(command));
        }
        Ok(())
    }

    /// Runs to the end and answers with standard output.
    pub(crate) fn output(&self, command: &mut Command) -> Result<String> {
        let output = command.output().with_context(|| cannot_start(command))?;
        if !output.status.success() {
            let talk = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed: {}\n{talk}", words(command), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Like [`Shell::run`], and hands each line of both streams to `each` as it passes.
    pub(crate) fn watch(&self, command: &mut Command, each: &mut dyn FnMut(&str)) -> Result<()> {
        self.announce(command);
        let (reader, writer) = std::io::pipe()?;
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().with_context(|| cannot_start(command))?;
        // The command holds its ends of the pipe open, and so the reader would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(std::io::stdout(), "{line}")?;
            each(&line);
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{}` failed: {status}", words(command));
        }
        Ok(())
    }

    fn announce(&self, command: &Command) {
        let dir = command.get_current_dir().and_then(|dir| dir.strip_prefix(&self.root).ok());
        let place = match dir {
            Some(dir) if dir != Path::new("") => format!(" (in {})", dir.display()),
            _ => String::new(),
        };
        eprintln!("$ {}{place}", words(command));
    }
}

fn leaked(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    LEAKED.contains(&name) || LEAKED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", words(command))
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}
