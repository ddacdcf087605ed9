//! Everything that is compiled to a component: the example workflows and the fixtures, and the
//! SDK under both. Must not decide what a component is good for.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::plan::{self, Proof};
use crate::shell::Shell;
use crate::tools;

/// The workspaces of guests, beside the host's own.
pub(crate) const WORKSPACES: [&str; 3] = ["guest-sdk/rust", "example-workflows", "tests/fixtures"];

/// What makes components for `tests/smith`: it runs on this machine.
pub(crate) const SMITH: &str = "tests/smith/maker";

/// Builds what makes components with wasm-smith.
pub(crate) fn build_smith(shell: &Shell) -> Result<()> {
    shell.run(&mut shell.cargo(SMITH, "build --release --locked --target-dir target"))
}

/// Builds all components.
pub(crate) fn build(shell: &Shell) -> Result<()> {
    tools::wasm_target(shell)?;
    shell.run(
        &mut shell.cargo("example-workflows", "build --release --locked --target wasm32-wasip2 --target-dir target"),
    )?;
    shell.run(
        &mut shell
            .cargo("tests/fixtures", "build --release --locked --target wasm32-wasip2 --examples --target-dir target"),
    )
}

/// The folder with a component for each fixture.
pub(crate) fn fixtures(shell: &Shell) -> PathBuf {
    shell.path("tests/fixtures/target/wasm32-wasip2/release/examples")
}

/// The folder with a component for each example workflow.
pub(crate) fn examples(shell: &Shell) -> PathBuf {
    shell.path("example-workflows/target/wasm32-wasip2/release")
}

/// The SDK's and the examples' own tests, which need no host.
pub(crate) fn test(shell: &Shell) -> Result<Proof> {
    let sdk = plan::libtest(shell, &mut shell.cargo("guest-sdk/rust", &native("test")))?;
    let examples = plan::libtest(shell, &mut shell.cargo("example-workflows", &native("test")))?;
    let summary = sdk.summary.zip(examples.summary).map(|(sdk, examples)| format!("sdk: {sdk}; examples: {examples}"));
    Ok(Proof { summary })
}

fn native(verb: &str) -> String {
    format!("{verb} --locked --workspace --target-dir target")
}

/// Where tests that drive a whole host find what was built for them.
pub(crate) fn environment(shell: &Shell, command: &mut Command) {
    command
        .env("STEPWELL_BIN", shell.binary())
        .env("STEPWELL_FIXTURES", fixtures(shell))
        .env("STEPWELL_EXAMPLES", examples(shell))
        .env("STEPWELL_SMITH_MAKER", shell.path(SMITH).join("target/release/stepwell-smith-maker"));
}
