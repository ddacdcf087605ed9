//! The Rust target that components are built for, fetched if rustup can. Must not install a
//! toolchain, and must not change which one is used.

use std::io;
use std::path::Path;

use super::cargo::Cargo;
use super::{Progress, Report};

/// What components are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// Why nothing can be built, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolchainError {
    /// There is no cargo to call.
    #[error("cannot run cargo ({why}): install Rust from https://rustup.rs, then try again")]
    NoCargo {
        /// What the operating system said.
        why: String,
    },
    /// There is no rustup, and the compiler at hand lacks the target.
    #[error(
        "the Rust compiler lacks the target {TARGET}, and there is no rustup to fetch it: install your distribution's package of it (often rust-std-static-{TARGET}), or Rust from https://rustup.rs"
    )]
    NoTarget,
    /// rustup could not fetch the target.
    #[error("`rustup target add {TARGET}` failed; run it yourself where the workflows are:\n{output}")]
    Rustup {
        /// What rustup said.
        output: String,
    },
}

/// Makes sure that the toolchain of this workspace has the target.
pub(super) async fn ensure_target(cargo: &Cargo, workspace: &Path, report: &Report<'_>) -> Result<(), ToolchainError> {
    let listed = match cargo.output(workspace, "rustup", &["target", "list", "--installed"]).await {
        Ok(listed) if listed.status.success() => listed.stdout,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return without_rustup(cargo, workspace).await;
        }
        // Such as a toolchain of rustup's `link`, which has no targets to list.
        Ok(_) | Err(_) => return without_rustup(cargo, workspace).await,
    };
    if String::from_utf8_lossy(&listed).lines().any(|line| line.trim() == TARGET) {
        return Ok(());
    }
    report(Progress::InstallingTarget { workspace });
    let failed = |output: String| ToolchainError::Rustup { output };
    match cargo.output(workspace, "rustup", &["target", "add", TARGET]).await {
        Ok(added) if added.status.success() => Ok(()),
        Ok(added) => Err(failed(String::from_utf8_lossy(&added.stderr).into_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// A compiler has a target if its libraries lie where it looks for them.
async fn without_rustup(cargo: &Cargo, workspace: &Path) -> Result<(), ToolchainError> {
    let args = ["--print", "target-libdir", "--target", TARGET];
    let printed = match cargo.output(workspace, "rustc", &args).await {
        Ok(printed) if printed.status.success() => printed.stdout,
        Ok(_) => return Err(ToolchainError::NoTarget),
        Err(error) => {
            return Err(ToolchainError::NoCargo { why: error.to_string() });
        }
    };
    let dir = String::from_utf8_lossy(&printed).trim().to_owned();
    match tokio::fs::try_exists(&dir).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(ToolchainError::NoTarget),
    }
}
