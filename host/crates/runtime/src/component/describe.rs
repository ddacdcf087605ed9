//! Asks a component what it declares: in a store of its own, within a CPU bound, every import of the contract
//! refusing and WASI answering constants.

use std::sync::Arc;

use stepwell_bindings::v0_1::WorkflowPre;
use stepwell_core::id::Seed;
use stepwell_core::name::BadName;
use stepwell_core::{EventId, Manifest};
use stepwell_engine::executor::Exit;
use tokio::sync::Semaphore;

use super::LoadError;
use crate::egress::Origin;
use crate::guest::{Budget, Ending, Situation, State, broken_limit, drive, trap_message};
use crate::limits::{DESCRIBE_CPU_MAX, DESCRIBES_MAX};
use crate::threads::{GuestThreads, panic_message};
use crate::ticker::Ticking;

/// Asks components, a few at once: each holds an instance beyond those of activations.
#[derive(Debug)]
pub(crate) struct Describer {
    threads: Arc<GuestThreads>,
    ticking: Ticking,
    memory_bytes_max: usize,
    room: Arc<Semaphore>,
}

impl Describer {
    pub(crate) fn new(threads: Arc<GuestThreads>, ticking: Ticking, memory_bytes_max: usize) -> Self {
        Self { threads, ticking, memory_bytes_max, room: Arc::new(Semaphore::new(DESCRIBES_MAX as usize)) }
    }

    /// Calls `describe` and reads its answer.
    pub(super) async fn describe(&self, pre: WorkflowPre<State>) -> Result<Manifest, LoadError> {
        let room = self.room.clone().acquire_owned().await.map_err(|_| LoadError::Stopped)?;
        let asking = ask(pre, self.ticking.clone(), self.memory_bytes_max);
        let task = self.threads.spawn(async move {
            let text = asking.await;
            drop(room);
            text
        });
        let text = task.await.map_err(|error| LoadError::Describe(panic_message(error)))?;
        let manifest = Manifest::parse(&text.map_err(LoadError::Describe)?)?;
        for host in manifest.asks.hosts.iter().filter(|host| !host.starts_with('$')) {
            host.parse::<Origin>()?;
        }
        Ok(manifest)
    }
}

async fn ask(pre: WorkflowPre<State>, ticking: Ticking, memory_bytes_max: usize) -> Result<String, String> {
    let ending = Arc::new(Ending::default());
    let situation = Arc::new(Situation::new(constant_seed()?, None));
    let state = State::new(None, situation.clone(), ending.clone(), memory_bytes_max);
    let guest = async move {
        let mut store = state.into_store(pre.engine());
        let described = async {
            let instance = pre.instantiate_async(&mut store).await?;
            instance.call_describe(&mut store).await
        }
        .await;
        let last_words = store.data().finish_output();
        described.map_err(|error| match broken_limit(&error) {
            Some(limit) => format!("it exceeds {limit}"),
            None => trap_message(&error, &last_words),
        })
    };
    let budget = Budget { cpu_max: DESCRIBE_CPU_MAX, name: "DESCRIBE_CPU_MAX", ticking };
    match drive(guest, budget, ending, situation).await {
        Ok(result) => result,
        Err(Exit::Exceeded { limit }) => Err(format!("it exceeds {limit}")),
        Err(Exit::Misused { message } | Exit::Trapped { message } | Exit::Unloadable { reason: message }) => {
            Err(message)
        }
        Err(Exit::Stopped | Exit::Returned(_)) => Err("it was stopped".to_owned()),
    }
}

/// What random is during `describe`: the same for every component and host.
fn constant_seed() -> Result<Seed, String> {
    let workflow = "describe".parse().map_err(|bad: BadName| bad.to_string())?;
    Ok(Seed::of(EventId::from_bytes([0; 16]), &workflow))
}
