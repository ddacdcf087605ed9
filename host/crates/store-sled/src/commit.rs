//! The commit path: one thread that takes all that the writer has handed over meanwhile, writes it to the
//! log as one frame, syncs, and only then shows it to readers and tells who waits. While it syncs, the
//! next group gathers, so the disk's own pace makes the groups. What nobody waits for, such as the results of
//! steps that a guest goes on from, lies for a few milliseconds, to go with what somebody does wait for. Where many
//! wait, a frame lies a few as well, for as long as more come ([`crate::gather`]).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stepwell_log::Appender;

use crate::error::Trouble;
use crate::gather::Gathering;
use crate::layers::{Group, Layers, Pipeline};
use crate::limits::{
    DURABLE_BYTES_MAX, GATHER_PAUSE, IDLE_BEFORE_SEAL, LINGER, LINGERING_BYTES_MAX, QUEUED_BYTES_MAX,
    QUEUED_ELEMENTS_MAX, REST,
};
use crate::payload;
use crate::progress::Progress;

/// The thread that commits. Dropped, it ends once all that was handed over is durable, or cannot be.
#[derive(Debug)]
pub(crate) struct Committer {
    layers: Arc<Layers>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Commits {
    pub(crate) appender: Appender,
    pub(crate) layers: Arc<Layers>,
    pub(crate) progress: Arc<Progress>,
    /// Called after each group with what is durable and not in sled.
    pub(crate) wake: Wake,
    /// How many were told by the last frame that theirs is durable.
    pub(crate) told: usize,
}

/// Wakes the checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Wake(pub(crate) std::sync::mpsc::SyncSender<()>);

impl Wake {
    /// One that waits already is enough.
    pub(crate) fn wake(&self) {
        let _ = self.0.try_send(());
    }
}

impl Committer {
    pub(crate) fn start(commits: Commits) -> io::Result<Self> {
        let layers = Arc::clone(&commits.layers);
        let thread = thread::Builder::new().name("store-commit".to_owned()).spawn(move || commits.run_thread())?;
        Ok(Self { layers, thread: Some(thread) })
    }

    /// Hands a group over; waits while too much is on its way.
    pub(crate) fn submit(&self, group: Group) {
        let is_full = |group: &Group| group.bytes > QUEUED_BYTES_MAX || group.elements > QUEUED_ELEMENTS_MAX;
        self.layers.hand_over(group, is_full);
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.layers.end();
        if let Some(thread) = self.thread.take() {
            // What it panicked with was caught and told.
            let _ = thread.join();
        }
    }
}

impl Commits {
    fn run_thread(mut self) {
        let run = catch_unwind(AssertUnwindSafe(|| self.run()));
        match run {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.progress.fail(&reason(error)),
            Err(_) => self.progress.fail("the log panicked while it was written: start the host again"),
        }
        self.layers.end();
    }

    fn run(&mut self) -> Result<(), stepwell_log::Error> {
        while let Some(next) = self.next() {
            match next {
                Next::Idle => self.appender.seal()?,
                Next::Commit(group) => self.commit(group)?,
            }
        }
        self.appender.seal()
    }

    fn commit(&mut self, group: Arc<Group>) -> Result<(), stepwell_log::Error> {
        let mut frame = Appender::frame();
        payload::encode(&group.layer, &mut frame);
        let sequence = group.sequence;
        drop(group);
        let number = self.appender.append(frame)?;
        self.layers.landed(number);
        self.told = self.progress.durable(sequence);
        self.wake.wake();
        Ok(())
    }

    /// What to do next; nothing more once it is over.
    fn next(&self) -> Option<Next> {
        let mut pipeline = self.layers.pipeline();
        let idle_since = Instant::now();
        loop {
            // Before it is looked who waits: whoever comes afterwards sees it, and tells.
            self.layers.is_waiting(true);
            let wait = match self.look(&pipeline, idle_since) {
                Look::Commit => {
                    self.layers.is_waiting(false);
                    pipeline = self.gather(pipeline);
                    return Some(Next::Commit(self.layers.take_off(&mut pipeline)));
                }
                Look::Idle => return Some(Next::Idle),
                Look::Over => return None,
                Look::Wait(wait) => wait,
            };
            let waited = self.layers.moved.wait_timeout(pipeline, wait);
            (pipeline, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits a moment for more who wait, where that is worth it.
    fn gather<'a>(&'a self, mut pipeline: MutexGuard<'a, Pipeline>) -> MutexGuard<'a, Pipeline> {
        let Some(mut gathering) = Gathering::begin(self.told, self.progress.came()) else { return pipeline };
        let begin = Instant::now();
        loop {
            drop(pipeline);
            thread::sleep(GATHER_PAUSE);
            pipeline = self.layers.pipeline();
            let goes_on = gathering.goes_on(self.progress.came(), begin.elapsed(), pipeline.queued.bytes);
            if pipeline.over || !goes_on {
                return pipeline;
            }
        }
    }

    fn look(&self, pipeline: &Pipeline, idle_since: Instant) -> Look {
        match pipeline.queued.since {
            None if pipeline.over => Look::Over,
            None if self.appender.is_sealed() => Look::Wait(REST),
            None => match IDLE_BEFORE_SEAL.checked_sub(idle_since.elapsed()) {
                Some(left) if !left.is_zero() => Look::Wait(left),
                Some(_) | None => Look::Idle,
            },
            Some(_) if pipeline.over => Look::Commit,
            // Whoever makes room tells.
            Some(_) if self.is_full() => Look::Wait(IDLE_BEFORE_SEAL),
            Some(since) => {
                let is_wanted = pipeline.queued.bytes > LINGERING_BYTES_MAX
                    || self.progress.first_waiting().is_some_and(|first| first <= pipeline.queued.sequence);
                match LINGER.checked_sub(since.elapsed()) {
                    Some(left) if !is_wanted && !left.is_zero() => Look::Wait(left),
                    Some(_) | None => Look::Commit,
                }
            }
        }
    }

    /// Whether a checkpoint must make room first.
    fn is_full(&self) -> bool {
        self.layers.durable().bytes() > DURABLE_BYTES_MAX
    }
}

/// What there is to do.
enum Look {
    Commit,
    /// Nothing for so long, unless somebody tells before.
    Wait(Duration),
    Idle,
    Over,
}

enum Next {
    /// Nothing has come for a while: what is durable is noted beside the log.
    Idle,
    Commit(Arc<Group>),
}

/// What the host says of a log that cannot go on.
pub(crate) fn reason(error: stepwell_log::Error) -> String {
    match error {
        stepwell_log::Error::Io { path, error } => match Trouble::io(&format!("the log {}", path.display()), &error) {
            Trouble::Failed(reason) | Trouble::Damaged { reason, .. } => reason,
        },
        other => format!("the log failed ({other}): start the host again"),
    }
}
