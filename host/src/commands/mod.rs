//! The verbs of the command line.

pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod compile_worker;
pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod emulators;
pub(crate) mod events;
pub(crate) mod plugins;
pub(crate) mod privacy;
pub(crate) mod runs;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod tokens;
pub(crate) mod webhooks;

use std::process::ExitCode;

use crate::print::say;

/// How a verb failed: each has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1
    Other(anyhow::Error),
    /// 2
    Usage(anyhow::Error),
    /// 3
    NotFound(anyhow::Error),
    /// 4
    RunFailed(anyhow::Error),
    /// 5
    Unreachable(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// Says it and answers the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Other(error) => (error, 1),
            Self::Usage(error) => (error, 2),
            Self::NotFound(error) => (error, 3),
            Self::RunFailed(error) => (error, 4),
            Self::Unreachable(error) => (error, 5),
        };
        say(&format!("error: {error:#}"));
        ExitCode::from(code)
    }
}
