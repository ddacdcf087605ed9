//! Secrets by reference: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENT…`. Never the secret itself: a
//! configuration is copied, shown and kept in repositories.

use std::env::VarError;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Display, Path};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use secrecy::SecretString;

/// A secret, bytes. Keys have some hundreds, certificates some thousands.
const SECRET_BYTES_MAX: u64 = 64 << 10;
/// How long a command may take to print one.
const COMMAND_MAX: Duration = Duration::from_secs(10);
/// Whoever may read a file beside its owner.
const READABLE_BY_OTHERS: u32 = 0o044;
/// Whoever may write to it: could put another secret there, one that they know.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The user that may own it beside the host's own.
const ROOT: u32 = 0;

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'a> {
    Env(&'a str),
    File(&'a Path),
    /// A program and its arguments, by spaces. No shell reads them.
    Command(&'a str),
}

impl<'a> Reference<'a> {
    /// The reference that a text is; none if it could be the secret itself.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (kind, of) = text.split_once(':')?;
        match kind {
            "env" => Some(Self::Env(of)),
            "file" => Some(Self::File(Path::new(of))),
            "command" => Some(Self::Command(of)),
            _ => None,
        }
    }

    /// As it may be shown: an argument of a command could be anything.
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Env(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{}", path.display()),
            Self::Command(line) => {
                let mut words = line.split_whitespace();
                let program = words.next().unwrap_or_default();
                if words.next().is_some() { format!("command:{program} …") } else { format!("command:{program}") }
            }
        }
    }
}

/// What a reference stands for, read now. Errors name the reference, never a secret.
pub(crate) fn resolve(reference: &str) -> Result<SecretString> {
    let reference = Reference::read(reference).ok_or_else(|| {
        anyhow!(
            "a secret must not stand in the configuration: put it into a file of yours alone or a variable, and write \
             \"file:PATH\", \"env:NAME\" or \"command:PROGRAM ARGUMENT…\""
        )
    })?;
    let mut secret = match reference {
        Reference::Env(name) => from_env(name)?,
        Reference::File(path) => from_file(path)?,
        Reference::Command(line) => from_command(line, COMMAND_MAX)?,
    };
    secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
    ensure!(!secret.is_empty(), "the secret of {} is empty", reference.shown());
    Ok(SecretString::from(secret))
}

fn from_env(name: &str) -> Result<String> {
    match std::env::var(name) {
        Ok(secret) => Ok(secret),
        Err(VarError::NotPresent) => {
            bail!("the environment variable {name} is not set: set it, or name the secret by file:PATH")
        }
        Err(VarError::NotUnicode(_)) => bail!("the environment variable {name} is not UTF-8"),
    }
}

fn from_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let cannot = || format!("the secret's file {shown} cannot be read");
    // A pipe would be waited for: it is opened without, and refused.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblock).open(path).with_context(cannot)?;
    let metadata = file.metadata().with_context(cannot)?;
    ensure!(metadata.is_file(), "the secret's file {shown} is no file");
    let mode = metadata.mode() & 0o777;
    ensure!(
        mode & READABLE_BY_OTHERS == 0,
        "the secret's file {shown} may be read by others (mode {mode:03o}): `chmod 600 {shown}`"
    );
    ensure!(
        mode & WRITABLE_BY_OTHERS == 0,
        "the secret's file {shown} may be written to by others (mode {mode:03o}): `chmod 600 {shown}`"
    );
    check_owner(metadata.uid(), rustix::process::geteuid().as_raw(), &shown)?;
    let mut secret = String::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut secret).with_context(cannot)?;
    bounded(secret, &format!("the secret's file {shown}"))
}

/// Its owner can change it whatever its mode.
fn check_owner(owner: u32, user: u32, shown: &Display<'_>) -> Result<()> {
    ensure!(
        owner == user || owner == ROOT,
        "the secret's file {shown} belongs to user {owner}, and not to user {user}, as whom the host runs, or root: \
         `chown {user} {shown}`"
    );
    Ok(())
}

fn bounded(secret: String, what: &str) -> Result<String> {
    let is_small = secret.len() as u64 <= SECRET_BYTES_MAX;
    ensure!(is_small, "{what} has more than {SECRET_BYTES_MAX} bytes (SECRET_BYTES_MAX)");
    Ok(secret)
}

/// What the program prints. What it says on standard error may have the secret in it: nobody is told.
fn from_command(line: &str, within: Duration) -> Result<String> {
    let mut words = line.split_whitespace();
    let program = words.next().context("command: names no program")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("the secret's command {program} cannot be started"))?;
    let printed = printed(&mut child, program, within);
    if printed.is_err() {
        // It may have ended meanwhile.
        let _ = child.kill();
    }
    let status = child.wait().with_context(|| format!("the secret's command {program}"))?;
    let printed = printed?;
    // What prints more than is read of it may well be ended by that.
    let is_too_long = printed.len() as u64 > SECRET_BYTES_MAX;
    ensure!(
        is_too_long || status.success(),
        "the secret's command {program} failed ({status}): run it by hand to see why"
    );
    bounded(printed, &format!("what the secret's command {program} prints"))
}

fn printed(child: &mut Child, program: &str, within: Duration) -> Result<String> {
    let out = child.stdout.take().context("the command has no output")?;
    let (done, read) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let result = out.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map(|_| text);
        // Nobody waits any more where it took too long.
        let _ = done.send(result);
    });
    let result = read.recv_timeout(within);
    let result = result.map_err(|_| anyhow!("the secret's command {program} took more than {} s", within.as_secs()))?;
    result.map_err(|_| anyhow!("what the secret's command {program} prints is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn file(mode: u32, text: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let reference = format!("file:{}", path.display());
        (dir, reference)
    }

    fn refusal(reference: &str) -> String {
        let error = format!("{:#}", resolve(reference).map(|_| ()).unwrap_err());
        assert!(!error.contains("hush"), "{error}");
        error
    }

    #[test]
    fn a_secret_in_the_configuration_itself_is_refused_and_not_repeated() {
        for literal in ["hush", "whsec_hush", "sk_live_hush", "https://hush", "ENV:hush", "", "hush\n"] {
            let said = refusal(literal);
            assert!(said.contains("must not stand in the configuration") && said.contains("file:PATH"), "{said}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o600, 0o400, 0o611] {
            let (_dir, reference) = file(mode, b"hush\r\n\n");
            assert_eq!(resolve(&reference).unwrap().expose_secret(), "hush", "{mode:o}");
        }
        for mode in [0o644, 0o640, 0o604] {
            let (_dir, reference) = file(mode, b"hush");
            let said = refusal(&reference);
            assert!(said.contains("be read by others") && said.contains("chmod 600"), "{said}");
            assert!(said.contains(&format!("{mode:03o}")), "{said}");
        }
    }

    #[test]
    fn a_file_that_others_may_write_to_is_refused() {
        for mode in [0o620, 0o602, 0o622] {
            let (_dir, reference) = file(mode, b"hush");
            let said = refusal(&reference);
            assert!(said.contains("be written to by others") && said.contains("chmod 600"), "{said}");
            assert!(said.contains(&format!("{mode:03o}")), "{said}");
        }
    }

    #[test]
    fn a_file_of_another_user_is_none_of_ours() {
        let shown = Path::new("secret").display();
        for owner in [ROOT, 1000] {
            check_owner(owner, 1000, &shown).unwrap();
        }
        for (owner, user) in [(1001, 1000), (1000, ROOT)] {
            let said = check_owner(owner, user, &shown).unwrap_err().to_string();
            assert!(said.contains(&format!("belongs to user {owner}")) && said.contains("`chown"), "{said}");
        }
    }

    #[test]
    fn what_is_no_secret_of_a_bearable_size_is_refused() {
        let large = "hush".repeat(20_000);
        for (text, said) in
            [(&b"\n"[..], "is empty"), (large.as_bytes(), "SECRET_BYTES_MAX"), (b"hush\xff", "cannot be read")]
        {
            let (_dir, reference) = file(0o600, text);
            assert!(refusal(&reference).contains(said), "{said}");
        }
        assert!(refusal("file:/").contains("is no file"));
        assert!(refusal("file:/nowhere/at/all").contains("cannot be read"));
        assert!(refusal("env:STEPWELL_TEST_NOT_SET").contains("is not set"));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
        assert!(refusal(&format!("file:{}", pipe.display())).contains("is no file"));
    }

    #[test]
    fn a_command_is_run_without_a_shell_and_within_bounds() {
        assert_eq!(resolve("command:echo hush").unwrap().expose_secret(), "hush");
        assert_eq!(resolve("command:echo hush;id $HOME").unwrap().expose_secret(), "hush;id $HOME");
        for (reference, said) in [
            ("command:", "names no program"),
            ("command:/nowhere/at/all hush", "cannot be started"),
            ("command:false", "failed (exit status: 1)"),
            ("command:cat /nowhere/hush", "failed"),
            ("command:true", "is empty"),
            ("command:head -c 70000 /dev/zero", "SECRET_BYTES_MAX"),
        ] {
            assert!(refusal(reference).contains(said), "{reference} {}", refusal(reference));
        }
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let said = from_command("sleep 1000000", Duration::from_millis(20)).unwrap_err().to_string();
        assert!(said.contains("the secret's command sleep took more than"), "{said}");
    }

    #[test]
    fn a_reference_is_shown_without_what_a_command_is_given() {
        for (text, shown) in [
            ("env:A", Some("env:A")),
            ("file:/a b", Some("file:/a b")),
            ("command:pass show hush", Some("command:pass …")),
            ("command:get", Some("command:get")),
            ("hush", None),
        ] {
            assert_eq!(Reference::read(text).map(Reference::shown).as_deref(), shown);
        }
    }
}
