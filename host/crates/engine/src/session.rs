//! One activation's side of the engine: answers the guest's calls by `core::apply`, submits what must
//! be kept, and lets nothing out before what caused it is durable.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::execution::{Attempted, Write};
use stepwell_core::journal::StepError;
use stepwell_core::run::{Control, Wish};
use stepwell_core::{Answer, Command, Execution, Json, Timestamp};
use stepwell_store::{Change, Claimed, Element, Lease, Sequence, Verdict};
use tokio::sync::Semaphore;
use tracing::{debug, error, info, trace, warn};

use crate::deadline::Deadline;
use crate::executor::{Calls, LogLevel, LogRecord, Permit, Slot, Stopped};
use crate::shared::Shared;

/// A run in the hands of one activation.
pub(crate) struct Session {
    shared: Arc<Shared>,
    lease: Lease,
    /// One at a time, from the command to the store's verdict: so no call acts upon what another one has not
    /// written yet.
    turn: Semaphore,
    inner: Mutex<Inner>,
    deadline: Deadline,
}

struct Inner {
    execution: Execution,
    /// The control on the row as of the last verdict.
    seen_control: Option<Control>,
    open: Option<Attempted>,
    /// What everything seen so far is durable with.
    last: Sequence,
    over: Over,
}

/// Whether the activation may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    No,
    /// The run was given back with its last write.
    Released,
    /// The store did not take a write: the run is to be given back as the store has it.
    Lost,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, lease: Lease, claimed: Claimed) -> Self {
        let seen_control = claimed.run.control.clone();
        let execution = Execution::new(claimed.run, claimed.journal);
        let inner = Inner { execution, seen_control, open: None, last: Sequence::default(), over: Over::No };
        let deadline = Deadline::new(Arc::clone(&shared.clock));
        Self { shared, lease, turn: Semaphore::new(1), inner: Mutex::new(inner), deadline }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the run as this activation has it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Execution) -> T) -> T {
        look(&self.inner().execution)
    }

    /// Resolves once the open attempt has taken longer than its timeout.
    pub(crate) async fn overdue(&self) {
        self.deadline.passed().await;
    }

    /// The activation is over. Waits for a call that is still under way and for the durability of all that was
    /// submitted; answers what has become of the run.
    pub(crate) async fn end(&self) -> Over {
        let turn = self.turn.acquire().await;
        if self.inner().over == Over::No {
            self.lost();
        }
        drop(turn);
        // A store that failed has been reported already.
        let _ = self.durable().await;
        self.inner().over
    }

    /// Waits until all that this activation has submitted is durable.
    async fn durable(&self) -> Result<(), Stopped> {
        let last = self.inner().last;
        match self.shared.answer(self.shared.store.durable(last)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost()),
        }
    }

    /// Applies one command, submits what is to be kept, and answers.
    pub(crate) async fn perform(&self, command: Command) -> Result<Answer, Stopped> {
        let _turn = self.turn.acquire().await.map_err(|_| Stopped)?;
        self.perform_in_turn(command).await
    }

    async fn perform_in_turn(&self, command: Command) -> Result<Answer, Stopped> {
        let transition = {
            let mut inner = self.inner();
            if inner.over != Over::No {
                return Err(Stopped);
            }
            let now = self.shared.clock.now();
            inner.execution.apply(command, now)
        };
        if let Some(write) = transition.write {
            self.submit(write).await?;
        }
        match transition.answer {
            Answer::Stop => Err(Stopped),
            answer => Ok(answer),
        }
    }

    async fn submit(&self, write: Write) -> Result<(), Stopped> {
        let release = write.release;
        let change = self.change(write);
        let run = change.run.id;
        let unanswered = Unanswered(self);
        let submitted = self.shared.store.submit(Element::Change(Box::new(change)));
        let receipt = self.shared.answer(submitted).await.map_err(|_| self.lost())?;
        std::mem::forget(unanswered);
        match receipt.verdict {
            Verdict::Changed { revision, control } => {
                let cancel = self.taken(receipt.sequence, revision, control, release);
                if !release && self.shared.active.suspicion(run).is_some() {
                    self.durable().await?;
                    if self.shared.active.progressed(run) {
                        self.shared.others_may_begin();
                    }
                }
                if cancel { Box::pin(self.cancel()).await } else { Ok(()) }
            }
            verdict => {
                warn!(%run, ?verdict, "a write was not taken: the activation is dropped");
                Err(self.lost())
            }
        }
    }

    fn change(&self, write: Write) -> Change {
        Change {
            epoch: self.lease.epoch,
            seen: write.run.revision,
            seen_control: self.inner().seen_control.clone(),
            run: write.run,
            entries: write.entries,
            release: write.release,
        }
    }

    /// Notes what a verdict says. Answers whether a cancel is to be taken up now.
    fn taken(&self, sequence: Sequence, revision: u64, control: Option<Control>, release: bool) -> bool {
        let mut inner = self.inner();
        inner.last = inner.last.max(sequence);
        inner.seen_control.clone_from(&control);
        let cancel = control.as_ref().is_some_and(|control| control.wish == Wish::Cancel);
        inner.execution.submitted(revision, control);
        if release {
            inner.over = Over::Released;
        }
        cancel && !release
    }

    async fn cancel(&self) -> Result<(), Stopped> {
        self.perform_in_turn(Command::TakeControl).await.map(|_| ())
    }

    /// What the store has is not known or not what was written.
    fn lost(&self) -> Stopped {
        self.inner().over = Over::Lost;
        Stopped
    }

    fn open(&self, attempted: &Attempted) {
        self.inner().open = Some(attempted.clone());
        self.deadline.start(attempted.timeout);
    }

    fn close(&self) {
        self.inner().open = None;
        self.deadline.stop();
    }
}

/// A write without a verdict. Dropped so, since its guest was dropped, nobody knows whether the store has it.
struct Unanswered<'a>(&'a Session);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.lost();
    }
}

#[async_trait]
impl Calls for Session {
    async fn step(&self, name: String, options: String) -> Result<Slot, Stopped> {
        match self.perform(Command::Step { name, options }).await? {
            Answer::Execute(attempted) => {
                self.open(&attempted);
                Ok(Slot::Execute(attempted))
            }
            Answer::Done(output) => Ok(Slot::Done(output)),
            Answer::Failed(error) => Ok(Slot::Failed(error)),
            Answer::Continue | Answer::Send { .. } | Answer::Var(_) | Answer::Stop => Err(Stopped),
        }
    }

    async fn finish(&self, token: u64, outcome: Result<Json, StepError>) -> Result<Result<(), StepError>, Stopped> {
        if let Err(error) = &outcome {
            let (run, attempt) = (self.with(|e| e.run().id), self.inner().open.clone());
            let (step, number) = attempt.map_or((String::new(), 0), |a| (a.step, a.number));
            info!(%run, step, attempt = number, permanent = error.permanent, "a step's attempt failed");
        }
        self.close();
        match self.perform(Command::Finish { token, outcome }).await? {
            Answer::Failed(error) => Ok(Err(error)),
            _ => Ok(Ok(())),
        }
    }

    async fn sleep(&self, name: String, duration: Duration) -> Result<(), Stopped> {
        self.perform(Command::Sleep { name, duration }).await.map(|_| ())
    }

    async fn sleep_until(&self, name: String, until: Timestamp) -> Result<(), Stopped> {
        self.perform(Command::SleepUntil { name, until }).await.map(|_| ())
    }

    async fn permit(&self, token: u64) -> Result<Permit, Stopped> {
        // Waiting for the disk does not count towards the step's timeout.
        let _held = self.deadline.hold();
        let Answer::Send { key } = self.perform(Command::Send { token }).await? else {
            return Err(Stopped);
        };
        self.durable().await?;
        if self.shared.active.asks(self.with(|execution| execution.run().id)) {
            self.shared.others_may_begin();
        }
        Ok(Permit { key })
    }

    async fn var(&self, name: String) -> Result<Option<String>, Stopped> {
        let value = {
            let inner = self.inner();
            let run = inner.execution.run();
            self.shared.executor.var(&run.plugin, run.component_or_fallback(), &name)
        };
        match self.perform(Command::ReadVar { name, value }).await? {
            Answer::Var(value) => Ok(value),
            _ => Err(Stopped),
        }
    }

    fn log(&self, record: LogRecord) {
        let inner = self.inner();
        if inner.execution.is_replaying() {
            return;
        }
        let run = inner.execution.run();
        let step = inner.open.as_ref().map_or("", |open| open.step.as_str());
        write_log(&run.id.to_string(), run.workflow.as_str(), step, &record);
    }

    fn wall_clock(&self) -> Timestamp {
        let inner = self.inner();
        if inner.open.is_some() { self.shared.clock.now() } else { inner.execution.clock() }
    }

    fn open_attempt(&self) -> Option<Attempted> {
        self.inner().open.clone()
    }
}

/// A guest's record in the host's log, with control characters and bidi marks escaped.
fn write_log(run: &str, workflow: &str, step: &str, record: &LogRecord) {
    let message = record.message.escape_debug();
    let fields: String = record.fields.iter().map(|(name, value)| format!(" {name:?}={value:?}")).collect();
    match record.level {
        LogLevel::Trace => trace!(target: "guest", run, workflow, step, fields, "{message}"),
        LogLevel::Debug => debug!(target: "guest", run, workflow, step, fields, "{message}"),
        LogLevel::Info => info!(target: "guest", run, workflow, step, fields, "{message}"),
        LogLevel::Warn => warn!(target: "guest", run, workflow, step, fields, "{message}"),
        LogLevel::Error => error!(target: "guest", run, workflow, step, fields, "{message}"),
    }
}
