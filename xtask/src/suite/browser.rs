//! The dashboard in a real browser: `tests/browser`, once it is there. Must not know the pages.

use anyhow::Result;

use crate::guests;
use crate::npm;
use crate::plan::Proof;
use crate::shell::Shell;
use crate::tools;

/// Whether the repository has such tests.
pub(super) fn exists(shell: &Shell) -> bool {
    shell.path("tests/browser/package.json").exists()
}

/// What the stage needs on the machine; Debian's browser is installed where that is allowed.
pub(super) fn tools(shell: &Shell) -> Result<()> {
    tools::program(shell, "node", "nodejs")?;
    tools::program(shell, "npm", "npm")?;
    tools::or_apt_install(shell, "chromium")
}

/// `npm test` in a copy of the folder, beside its packages.
pub(super) fn run(shell: &Shell) -> Result<Proof> {
    let dir = shell.target().join("browser");
    npm::copy_files(&shell.path("tests/browser"), &dir)?;
    npm::install(shell, &dir)?;
    let mut command = shell.program("", "npm");
    command.current_dir(&dir).args(["test", "--silent"]);
    guests::environment(shell, &mut command);
    let mut counts = Vec::new();
    shell.watch(&mut command, &mut |line| {
        let words = line.trim_start_matches(['#', 'ℹ', ' ']);
        if ["tests ", "pass ", "fail "].iter().any(|count| words.starts_with(count)) {
            counts.push(words.to_owned());
        }
    })?;
    Ok(Proof { summary: (!counts.is_empty()).then(|| counts.join(", ")) })
}
