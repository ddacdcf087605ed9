//! The same workloads on somebody else's engine, by the same generator in the same run, and what ours is as
//! a multiple of theirs. Must not judge, and must not tune either: both are in their default configuration.

mod asleep;
mod memory;
mod ratio;
mod restate;
mod runs;
mod steps;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::Workload;
use crate::report::Report;

/// Whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// Restate's server of npm, with a service of its Rust SDK
    Restate,
}

impl Rival {
    /// What of the host is measured where nothing is named: what there is beside it.
    pub(crate) const WORKLOADS: [Workload; 4] = [Workload::Runs, Workload::Memory, Workload::Asleep, Workload::Steps];

    /// Tells what will be measured, before anything is, so that what is missing is known at once.
    pub(crate) fn tell(self, report: &mut Report) -> Result<()> {
        match self {
            Self::Restate => restate::tell(report),
        }
    }

    /// The same workload as the host just had, and the ratio; nothing where there is no such workload.
    pub(crate) async fn measure(
        self,
        workload: Workload,
        (in_flight, length, asleep): (&[usize], Duration, &[usize]),
        report: &mut Report,
    ) -> Result<()> {
        match (self, workload) {
            (Self::Restate, Workload::Runs) => runs::table(report, in_flight, length).await,
            (Self::Restate, Workload::Memory) => memory::measure(report).await,
            (Self::Restate, Workload::Asleep) => asleep::measure(report, asleep).await,
            (Self::Restate, Workload::Steps) => steps::measure(report).await,
            (
                Self::Restate,
                Workload::Accept
                | Workload::Late
                | Workload::Overdue
                | Workload::Limit
                | Workload::Spinning
                | Workload::Level,
            ) => Ok(()),
        }
    }
}
