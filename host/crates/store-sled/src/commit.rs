//! The commit path: one thread that takes all that the writer has handed over meanwhile, writes it to the
//! log as one frame, syncs, and only then shows it to readers and tells who waits. While it syncs, the
//! next group gathers, so the disk's own pace makes the groups.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use stepwell_log::Appender;

use crate::error::Trouble;
use crate::layers::{Group, Layers};
use crate::limits::{DURABLE_BYTES_MAX, IDLE_BEFORE_SEAL, QUEUED_BYTES_MAX, QUEUED_ELEMENTS_MAX};
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
        let thread = std::thread::Builder::new().name("store-commit".to_owned()).spawn(move || commits.run_thread())?;
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
        self.progress.durable(sequence);
        self.wake.wake();
        Ok(())
    }

    /// What to do next; nothing more once it is over.
    fn next(&self) -> Option<Next> {
        let mut pipeline = self.layers.pipeline();
        let mut is_idle = false;
        loop {
            if !pipeline.queued.is_empty() && (pipeline.over || !self.is_full()) {
                let group = Arc::new(std::mem::take(&mut pipeline.queued));
                pipeline.in_flight = Some(Arc::clone(&group));
                self.layers.moved.notify_all();
                return Some(Next::Commit(group));
            }
            if pipeline.queued.is_empty() && pipeline.over {
                return None;
            }
            if is_idle {
                return Some(Next::Idle);
            }
            let wait = self.layers.moved.wait_timeout_while(pipeline, IDLE_BEFORE_SEAL, |pipeline| {
                !pipeline.over && (pipeline.queued.is_empty() || self.is_full())
            });
            let (guard, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
            pipeline = guard;
            is_idle = timeout.timed_out();
        }
    }

    /// Whether a checkpoint must make room first.
    fn is_full(&self) -> bool {
        self.layers.durable().bytes() > DURABLE_BYTES_MAX
    }
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
