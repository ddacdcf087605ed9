//! The stages of `cargo xtask test`, in an order that fails fast. Must not run programs itself:
//! that is the stages' part.

mod browser;
mod host;
mod interop;
mod rust;

use anyhow::Result;

pub(crate) use rust::build;

use crate::guests;
use crate::plan::{self, Proof, Stage};
use crate::shell::Shell;
use crate::tools;

/// Everything that proves the repository; `quick` leaves out what takes long, and says so.
pub(crate) fn test(shell: &Shell, quick: bool, keep_going: bool) -> Result<()> {
    if quick {
        eprintln!("NOTE: --quick leaves out lint, process-killing tests, docs, interop and browser.");
        eprintln!("NOTE: it proves less than `cargo xtask test`.");
    }
    let mut stages = vec![
        stage("tools", "what the tests need on this machine", move || needed(shell, quick)),
        stage("format", "every workspace is formatted", || rust::format(shell)),
        counted("tidy", "the rules of this repository", || rust::tidy(shell)),
        counted("guests", "the SDK's and the examples' tests, and every component", || {
            let proof = guests::test(shell)?;
            guests::build(shell)?;
            guests::build_smith(shell).map(|()| proof)
        }),
    ];
    if !quick {
        stages.push(stage("lint", "clippy is content", || rust::lint(shell)));
    }
    stages.push(stage("build", "the host binary", || rust::build(shell)));
    stages
        .push(counted("tests", "all of the host's crates, and hosts as processes", move || rust::tests(shell, quick)));
    if !quick {
        stages.push(counted("docs", "the examples in the documentation hold", || rust::doctests(shell)));
        stages.push(counted("interop", "webhooks signed by Svix's own libraries", || interop::run(shell)));
        if browser::exists(shell) {
            stages.push(counted("browser", "the dashboard in Chromium", || browser::run(shell)));
        }
    }
    plan::run(&stages, keep_going)
}

/// Looks at everything before the first long stage, so that what is missing is known at once.
fn needed(shell: &Shell, quick: bool) -> Result<()> {
    tools::wasm_target(shell)?;
    tools::program(shell, "git", "git")?;
    tools::runner(shell);
    if quick {
        return Ok(());
    }
    interop::tools(shell)?;
    if browser::exists(shell) {
        browser::tools(shell)?;
    }
    Ok(())
}

fn stage<'a>(name: &'static str, about: &'static str, work: impl Fn() -> Result<()> + 'a) -> Stage<'a> {
    counted(name, about, move || work().map(|()| Proof::default()))
}

fn counted<'a>(name: &'static str, about: &'static str, work: impl Fn() -> Result<Proof> + 'a) -> Stage<'a> {
    Stage { name, about, work: Box::new(work) }
}
