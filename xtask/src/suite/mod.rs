//! The stages of `cargo xtask test`, in an order that fails fast. Must not run programs itself
//! beyond calling the stages' own modules.

mod rust;

use anyhow::Result;

use crate::guests;
use crate::plan::{self, Proof, Stage};
use crate::shell::Shell;
use crate::tools;

/// Everything that proves the repository; `quick` leaves out what takes long, and says so.
pub(crate) fn test(shell: &Shell, quick: bool, keep_going: bool) -> Result<()> {
    let mut stages = vec![
        stage("tools", "what the tests need on this machine", || {
            tools::wasm_target(shell)
        }),
        stage("format", "every workspace is formatted", || {
            rust::format(shell)
        }),
        stage("guests", "the SDK's tests, and every component", || {
            guests::test(shell)?;
            guests::build(shell)
        }),
    ];
    if !quick {
        stages.push(stage("lint", "clippy is content", || rust::lint(shell)));
    }
    stages.push(stage("build", "the host binary", || rust::build(shell)));
    stages.push(Stage {
        name: "tests",
        about: "unit, behaviour, conformance, scenario and crash tests",
        work: Box::new(|| rust::tests(shell, quick)),
    });
    if quick {
        eprintln!(
            "NOTE: --quick leaves out lint, docs, crash tests, interop and browser: this proves less than `cargo xtask test`."
        );
    } else {
        stages.push(stage(
            "docs",
            "the examples in the documentation compile and hold",
            || rust::doctests(shell),
        ));
    }
    plan::run(&stages, keep_going)
}

fn stage<'a>(
    name: &'static str,
    about: &'static str,
    work: impl Fn() -> Result<()> + 'a,
) -> Stage<'a> {
    Stage {
        name,
        about,
        work: Box::new(move || work().map(|()| Proof::default())),
    }
}
