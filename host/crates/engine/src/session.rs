//! One activation's side of the engine: answers the guest's calls by `core::apply`, submits what must
//! be kept, and lets nothing out before what caused it is durable.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use stepwell_core::execution::Attempted;
use stepwell_core::journal::StepError;
use stepwell_core::request::Request;
use stepwell_core::run::{Control, Wish};
use stepwell_core::{Answer, Command, Entry, Execution, Json, Run, Timestamp};
use stepwell_store::{Change, Claimed, Element, Lease, Sequence, Verdict};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::behind::{Answered, Behind};
use crate::deadline::Deadline;
use crate::executor::{Calls, LogRecord, Permit, Slot, Stopped};
use crate::limits::GATHERING_MAX;
use crate::logging::{Lines, write_log};
use crate::shared::Shared;

/// A run in the hands of one activation.
pub(crate) struct Session {
    shared: Arc<Shared>,
    lease: Lease,
    /// One at a time: so no call acts upon what another one is about to change.
    turn: Semaphore,
    inner: Mutex<Inner>,
    behind: Behind,
    deadline: Deadline,
}

struct Inner {
    execution: Execution,
    /// The control on the row as of the last verdict.
    seen_control: Option<Control>,
    open: Option<Attempted>,
    /// Whether the attempt that was opened last has been let out to anybody.
    has_asked: bool,
    lines: Lines,
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
        let lines = Lines::behind(claimed.run.logged);
        let execution = Execution::new(claimed.run, claimed.journal);
        let inner = Inner {
            execution,
            seen_control,
            open: None,
            has_asked: false,
            lines,
            last: Sequence::default(),
            over: Over::No,
        };
        let deadline = Deadline::new(Arc::clone(&shared.clock));
        Self { shared, lease, turn: Semaphore::new(1), inner: Mutex::new(inner), behind: Behind::default(), deadline }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the run as this activation has it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Execution) -> T) -> T {
        look(&self.inner().execution)
    }

    /// Resolves once the open attempt has taken longer than its timeout. Meanwhile writes that nobody waits
    /// for are seen to, and what has gathered is written, where the guest does not come to anything that takes it along.
    pub(crate) async fn overdue(&self) {
        tokio::select! {
            biased;
            () = self.deadline.passed() => {}
            () = self.see_to_writes() => {}
        }
    }

    async fn see_to_writes(&self) {
        // The first time without being told: most runs end before that, and nobody has to wake this.
        loop {
            self.shared.clock.pause(GATHERING_MAX).await;
            self.behind.drive().await;
            // Where it ends here, the guest's next call is told.
            if !self.write_gathered().await.unwrap_or(false) {
                self.behind.left_alone.notified().await;
            }
        }
    }

    /// Has what has gathered kept without waiting for it. Answers whether there was anything.
    async fn write_gathered(&self) -> Result<bool, Stopped> {
        let _turn = self.turn.acquire().await.map_err(|_| Stopped)?;
        self.hear().await?;
        if !self.behind.has_gathered() || self.inner().over != Over::No {
            return Ok(false);
        }
        self.write_behind(Vec::new()).await.map(|()| true)
    }

    /// The activation is over. Waits for a call that is still under way, and writes what has gathered or was logged.
    pub(crate) async fn finish(&self) {
        // Where either fails the run is lost.
        let _ = self.flush().await;
        let _ = self.write_lines().await;
        let turn = self.turn.acquire().await;
        if self.inner().over == Over::No {
            self.lost();
        }
        drop(turn);
    }

    /// Waits, once finished, for the durability of all that was written; answers what has become of the run.
    pub(crate) async fn end(&self) -> Over {
        // A store that failed has been reported already.
        let _ = self.durable().await;
        self.inner().over
    }

    /// Whether this activation has submitted anything that was taken.
    pub(crate) fn has_written(&self) -> bool {
        self.inner().last > Sequence::default()
    }

    /// Waits until all that this activation has submitted is durable.
    async fn durable(&self) -> Result<(), Stopped> {
        let last = self.inner().last;
        match self.shared.answer(self.shared.store.durable(last)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lost()),
        }
    }

    /// Applies one command, sees to what is to be kept, and answers.
    pub(crate) async fn perform(&self, command: Command) -> Result<Answer, Stopped> {
        let _turn = self.turn.acquire().await.map_err(|_| Stopped)?;
        self.perform_in_turn(command).await
    }

    async fn perform_in_turn(&self, command: Command) -> Result<Answer, Stopped> {
        self.hear().await?;
        let goes_on = matches!(command, Command::Finish { .. });
        let (transition, has_asked) = {
            let mut inner = self.inner();
            if inner.over != Over::No {
                return Err(Stopped);
            }
            let now = self.shared.clock.now();
            (inner.execution.apply(command, now), inner.has_asked)
        };
        match transition.write {
            Some(write) if goes_on && !write.release && !self.is_suspect() => {
                // What came of a request goes to the store at once. What can be had again waits for company.
                if has_asked { self.write_behind(write.entries).await? } else { self.behind.gather(write.entries) }
            }
            Some(write) => self.submit(write.entries, write.release).await?,
            None => {}
        }
        match transition.answer {
            Answer::Stop => Err(Stopped),
            answer => Ok(answer),
        }
    }

    fn is_suspect(&self) -> bool {
        let run = self.with(|execution| execution.run().id);
        self.shared.active.suspicion(run).is_some()
    }

    /// Has these entries kept, with all that has gathered, without waiting for it.
    async fn write_behind(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        if self.behind.is_outstanding() {
            self.behind.gather(entries);
            return Ok(());
        }
        self.start(entries, false);
        self.hear().await?;
        if self.behind.is_outstanding() {
            self.behind.left_alone.notify_one();
        }
        Ok(())
    }

    /// Takes the answer to the outstanding write if it is there already.
    async fn hear(&self) -> Result<(), Stopped> {
        let Some(answered) = self.behind.look() else { return Ok(()) };
        let cancel = self.take(answered)?;
        if cancel { Box::pin(self.cancel()).await } else { Ok(()) }
    }

    /// Submits these entries with all that has gathered, and waits for the verdict on everything.
    async fn submit(&self, entries: Vec<Entry>, release: bool) -> Result<(), Stopped> {
        if let Some(answered) = self.behind.answered().await {
            // A cancel that it tells of stands on the row, and is told again.
            self.take(answered)?;
        }
        self.start(entries, release);
        let Some(answered) = self.behind.answered().await else { return Ok(()) };
        let cancel = self.take(answered)?;
        if !release && self.is_suspect() {
            self.durable().await?;
            if self.shared.active.progressed(self.with(|execution| execution.run().id)) {
                self.shared.others_may_begin();
            }
        }
        if cancel { Box::pin(self.cancel()).await } else { Ok(()) }
    }

    /// Writes what has gathered, if anything has, and waits for the verdict on everything.
    async fn flush(&self) -> Result<(), Stopped> {
        let _turn = self.turn.acquire().await.map_err(|_| Stopped)?;
        if let Some(answered) = self.behind.answered().await {
            let cancel = self.take(answered)?;
            if cancel {
                return self.cancel().await;
            }
        }
        if self.behind.has_gathered() && self.inner().over == Over::No {
            self.submit(Vec::new(), false).await?;
        }
        Ok(())
    }

    /// Writes what was logged, where no other write has taken it along: the activation was interrupted.
    async fn write_lines(&self) -> Result<(), Stopped> {
        let _turn = self.turn.acquire().await.map_err(|_| Stopped)?;
        let is_left = {
            let inner = self.inner();
            inner.over == Over::No && inner.lines.is_news()
        };
        if is_left { self.submit(Vec::new(), false).await } else { Ok(()) }
    }

    /// Hands a write to the store, and with it what was logged. The run's row is as it is now: nothing has come since
    /// the entries were made but what verdicts said.
    fn start(&self, entries: Vec<Entry>, release: bool) {
        let entries = self.behind.take(entries);
        let change = {
            let mut inner = self.inner();
            let (lines, logged) = inner.lines.take();
            let run = Run { logged, ..inner.execution.run().clone() };
            let (epoch, seen) = (self.lease.epoch, run.revision);
            Change { epoch, seen, seen_control: inner.seen_control.clone(), run, entries, lines, release }
        };
        let shared = Arc::clone(&self.shared);
        let submit = async move { shared.answer(shared.store.submit(Element::Change(Box::new(change)))).await };
        self.behind.start(Box::pin(submit), release);
    }

    /// Notes what the store said. Answers whether a cancel is to be taken up now.
    fn take(&self, Answered { receipt, release }: Answered) -> Result<bool, Stopped> {
        let receipt = receipt.map_err(|_| self.lost())?;
        match receipt.verdict {
            Verdict::Changed { revision, control } => Ok(self.taken(receipt.sequence, revision, control, release)),
            verdict => {
                let run = self.with(|execution| execution.run().id);
                let verdict = told(&verdict);
                warn!(%run, verdict, "a write was not taken: the activation is dropped");
                Err(self.lost())
            }
        }
    }

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
        Box::pin(self.perform_in_turn(Command::TakeControl)).await.map(|_| ())
    }

    /// What the store has is not known or not what was written.
    fn lost(&self) -> Stopped {
        self.inner().over = Over::Lost;
        Stopped
    }

    fn open(&self, attempted: &Attempted) {
        let mut inner = self.inner();
        inner.open = Some(attempted.clone());
        inner.has_asked = false;
        drop(inner);
        self.deadline.start(attempted.timeout);
    }

    fn close(&self) {
        self.inner().open = None;
        self.deadline.stop();
    }
}

/// What a verdict is, and nothing of what somebody else has written.
const fn told(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::AlreadyRecorded(_) => "an entry is settled already, with another outcome",
        Verdict::Conflict { .. } => "the run has another revision",
        Verdict::Fenced => "the lease is superseded",
        Verdict::NoSuchRun => "the run is gone",
        Verdict::Changed { .. }
        | Verdict::Ingested(_)
        | Verdict::Controlled
        | Verdict::Refused { .. }
        | Verdict::Registered => "an answer to another question",
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
            _ if self.shared.reenters => {
                self.perform(Command::Reenter).await?;
                Ok(Ok(()))
            }
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
        self.inner().has_asked = true;
        // What the request may have seen: results that the guest did not wait for are among it.
        self.flush().await?;
        self.durable().await?;
        if self.shared.active.asks(self.with(|execution| execution.run().id)) {
            self.shared.others_may_begin();
        }
        Ok(Permit { key })
    }

    async fn requested(&self, token: u64, number: u64, request: Request) {
        // Where the run is over, the guest's next call is told.
        let _ = self.perform(Command::Requested { token, number, request }).await;
    }

    async fn held(&self, until: BoxFuture<'_, ()>) {
        let _held = self.deadline.hold();
        until.await;
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
        let mut inner = self.inner();
        if inner.execution.is_replaying() {
            return;
        }
        let Inner { execution, open, lines, .. } = &mut *inner;
        let (run, step) = (execution.run(), open.as_ref().map_or("", |open| open.step.as_str()));
        write_log(&run.id.to_string(), run.workflow.as_str(), step, &record);
        lines.add(record, self.shared.clock.now(), open.as_ref());
    }

    fn wall_clock(&self) -> Timestamp {
        let inner = self.inner();
        if inner.open.is_some() { self.shared.clock.now() } else { inner.execution.clock() }
    }

    fn open_attempt(&self) -> Option<Attempted> {
        self.inner().open.clone()
    }
}
