//! One activation from claim to release: what people want of the run first, then its component, then
//! the end, the host's share of the slot given back once the guest is gone, and the rest once all is durable.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use stepwell_core::execution::Newest;
use stepwell_core::limits::DEATHS_ALONE_MAX;
use stepwell_core::registry::Declared;
use stepwell_core::run::{Asked, Status};
use stepwell_core::{Command, Run};
use stepwell_store::{Claimed, Lease};
use tracing::{debug, error, info};

use crate::active::Executing;
use crate::executor::{Activation, Calls, Exit, Stopped};
use crate::session::{Over, Session};
use crate::shared::{Phase, Shared};
use crate::slots::Slot;

/// Takes a claimed run through one activation.
pub(crate) async fn activate(
    shared: Arc<Shared>,
    lease: Lease,
    claimed: Claimed,
    (executing, mut slot): (Executing, Slot),
) {
    let run = claimed.run.id;
    let event = claimed.event.for_guest();
    let session = Arc::new(Session::new(Arc::clone(&shared), lease, claimed));
    // That it was stopped says its session.
    let _ = match event {
        Ok(event_json) => drive(&shared, &session, event_json, &executing).await,
        Err(error) => {
            let message = format!("the event cannot be given to the workflow: {error}");
            session.perform(Command::Trap { message }).await.map(|_| ())
        }
    };
    leave(&shared, &session, lease, &mut slot).await;
    let wrote = session.has_written();
    drop(session);
    drop(executing);
    drop(slot);
    // A store that failed has kept nothing that is worth a look. Where nothing was written nothing has changed, and
    // not even the run need be durable yet.
    if wrote && !matches!(*shared.phase.borrow(), Phase::Broken(_)) {
        shared.changed(run);
    }
}

async fn drive(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    event_json: stepwell_core::Json,
    executing: &Executing,
) -> Result<(), Stopped> {
    if session.with(|execution| execution.run().control.is_some()) {
        session.perform(Command::TakeControl).await?;
    } else if executing.is_cancelled() {
        // Its row was read before: to be claimed again.
        return Err(Stopped);
    }
    let run = session.with(|execution| execution.run().id);
    if let Some(deaths) = shared.active.suspicion(run).filter(|deaths| *deaths >= DEATHS_ALONE_MAX) {
        error!(%run, deaths, "the run is set aside: the process died while it alone was being executed");
        session.perform(Command::SetAside { deaths }).await?;
    }
    let newest = session.with(|execution| newest(shared, execution.run()));
    session.perform(Command::Begin { newest }).await?;
    let activation = session.with(|execution| activation(execution.run(), event_json));
    let ended = execute(shared, session, activation, executing).await;
    let command = match ended {
        Ended::Exit(Exit::Returned(result)) => Command::Return(result),
        Ended::Exit(Exit::Trapped { message }) => Command::Trap { message },
        Ended::Exit(Exit::Unloadable { reason }) => Command::Unloadable { reason },
        Ended::Exit(Exit::Exceeded { limit }) => Command::Exceeded { limit },
        Ended::Exit(Exit::Misused { message }) => Command::Misuse { message },
        Ended::Exit(Exit::Stopped) | Ended::Interrupted => return Err(Stopped),
        Ended::TimedOut => Command::TimedOut,
    };
    session.perform(command).await.map(|_| ())
}

enum Ended {
    Exit(Exit),
    /// The open attempt took longer than its step's timeout.
    TimedOut,
    /// A person wants the run cancelled.
    Interrupted,
}

/// Executes the component; whatever ends it first drops the instance.
async fn execute(shared: &Arc<Shared>, session: &Arc<Session>, activation: Activation, executing: &Executing) -> Ended {
    let calls: Arc<dyn Calls> = Arc::<Session>::clone(session);
    let execution = AssertUnwindSafe(shared.executor.execute(activation, calls)).catch_unwind();
    tokio::select! {
        biased;
        () = executing.cancelled() => Ended::Interrupted,
        exit = execution => Ended::Exit(exit.unwrap_or_else(|_| {
            let run = session.with(|execution| execution.run().id);
            error!(%run, "the executor panicked");
            Exit::Trapped { message: "the host's executor panicked: its log says where".to_owned() }
        })),
        () = session.overdue() => Ended::TimedOut,
    }
}

/// The component that a run without one is to begin on.
fn newest(shared: &Shared, run: &Run) -> Option<Newest> {
    let registry = shared.registry.load();
    let declared: Option<Declared<'_>> = registry.workflow(&run.workflow);
    declared.map(|declared| Newest {
        plugin: declared.plugin.name.clone(),
        component: declared.plugin.component,
        asked: Asked::of(declared.workflow),
    })
}

fn activation(run: &Run, event_json: stepwell_core::Json) -> Activation {
    Activation {
        run: run.id,
        workflow: run.workflow.clone(),
        plugin: run.plugin.clone(),
        component: run.component_or_fallback(),
        event: run.event,
        event_json,
        seed: run.stream_seed(),
    }
}

/// Waits until everything is durable; what was not released by a write is given back as it is.
async fn leave(shared: &Shared, session: &Session, lease: Lease, slot: &mut Slot) {
    session.finish().await;
    if slot.leave() {
        shared.others_may_begin();
    }
    let over = session.end().await;
    let (run, status) = session.with(|execution| (execution.run().id, execution.run().status()));
    let workflow = || session.with(|execution| execution.run().workflow.clone());
    match over {
        // Of thousands a second that went well a line each tells nobody anything.
        Over::Released if status == Status::Completed => debug!(%run, workflow = %workflow(), "the run has completed"),
        Over::Released if status.is_end() => {
            info!(%run, workflow = %workflow(), status = status.as_str(), "the run has ended");
        }
        Over::Released => debug!(%run, workflow = %workflow(), status = status.as_str(), "the run is parked"),
        Over::No | Over::Lost => {
            if let Err(error) = shared.answer(shared.store.unclaim(lease, run)).await {
                debug!(%run, %error, "the run could not be given back");
            }
        }
    }
}
