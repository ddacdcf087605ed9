//! The store itself: asks the writer, reads beside it, waits for what it wrote.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use stepwell_core::log::Line;
use stepwell_core::{Digest, Event, EventId, Registry, Run, RunId, Timestamp, WorkflowId};
use stepwell_log::SyncFile;
use stepwell_store::limits::SUBMITS_WAITING_MAX;
use stepwell_store::{
    Claimed, Counts, Cursor, Element, Erasure, Error, EventFilter, KeptComponent, Lease, Page, Pruned, Receipt,
    Retention, RunDetail, RunFilter, Sequence, Store,
};
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::{Checkpointer, Checkpoints};
use crate::commit::{Commits, Committer, Wake};
use crate::dir::DataDir;
use crate::error::{OpenError, PANICKED, Trouble};
use crate::offline::{self, Held};
use crate::open::{self, Opened, Options};
use crate::rows::Rows;
use crate::shared::Shared;
use crate::snapshot::Error as BackupError;
use crate::view::View;
use crate::writer::{Begun, ClaimAsk, Command, PruneAsk, Reply, Writer};
use crate::{backup, cipher, components, keys, known, needed, read};

/// A store in one data directory. Dropped without [`Store::close`] it still makes durable what was
/// submitted, and blocks the thread for that.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    /// Both are there until this is dropped.
    commands: Option<mpsc::Sender<Command>>,
    writer: Option<JoinHandle<()>>,
    /// Held while somebody is erased.
    erasing: tokio::sync::Mutex<()>,
}

impl SledStore {
    /// Opens the data directory, made if need be. Blocks: at most for `options.open_limit` and a few syncs.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_with_sync(dir, options, Arc::new(|file: &std::fs::File| file.sync_data()))
    }

    /// As [`SledStore::open`], with another way to sync files: for tests alone.
    #[doc(hidden)]
    pub fn open_with_sync(dir: &Path, options: Options, sync: SyncFile) -> Result<Self, OpenError> {
        let Opened { dir, db, known, layers, cipher, log, snapshots, wants_snapshot, checked } =
            open::open(DataDir::open(dir)?, &options, &sync)?;
        let not_started = |error| OpenError::io(dir.root(), error);
        let shared = Arc::new(Shared::new(db.clone(), Arc::clone(&layers), Arc::clone(&cipher), &dir));
        let (wake, woken) = std::sync::mpsc::sync_channel(1);
        let checkpoints = Checkpoints {
            db: db.clone(),
            file: dir.database_file()?,
            blobs: dir.database().join("blobs"),
            sync,
            layers: Arc::clone(&layers),
            segments: log.segments,
            snapshots,
            progress: Arc::clone(&shared.progress),
            threshold: options.checkpoint_bytes,
            still: Arc::clone(&shared.still),
            wants_snapshot,
            checked,
        };
        let checkpointer = Checkpointer::start(checkpoints, woken).map_err(not_started)?;
        let (progress, wake) = (Arc::clone(&shared.progress), Wake(wake));
        let commits = Commits { appender: log.appender, layers: Arc::clone(&layers), progress, wake, told: 0 };
        let committer = Committer::start(commits).map_err(not_started)?;
        let (commands, receiver) = mpsc::channel(SUBMITS_WAITING_MAX);
        let writer = Writer::new(Rows::new(db, layers, cipher), known, committer, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("store-write".to_owned());
        let root = dir.root().to_owned();
        let writer = thread.spawn(move || writer.run_thread(receiver, checkpointer, dir));
        let writer = writer.map_err(|error| OpenError::io(root, error))?;
        Ok(Self { shared, commands: Some(commands), writer: Some(writer), erasing: tokio::sync::Mutex::default() })
    }

    /// Writes a backup of what is durable now into a file, with every component, and reads it again; commits go
    /// on meanwhile. Blocks, in proportion to all that is stored. The file is there whole or not at all.
    pub fn backup(&self, to: &Path) -> Result<Held, BackupError> {
        self.standing(|view, frame| backup::write(to, view, frame, &self.shared.components)).map(offline::held)
    }

    /// Gives `with` all that is durable as of one frame, while commits go on.
    pub(crate) fn standing<T, E: From<Error>>(
        &self,
        with: impl FnOnce(&View<'_>, u64) -> Result<T, E>,
    ) -> Result<T, E> {
        self.shared.standing(with)
    }

    /// Ends it as [`Store::close`] does, blocking.
    pub fn end(mut self) -> Result<(), Error> {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            // What it panicked with was caught and told.
            let _ = writer.join();
        }
        match self.shared.progress.gone() {
            Error::Closed => Ok(()),
            error => Err(error),
        }
    }

    /// Erases a person whose erasure has begun: all rows, durably, and only then the key.
    async fn erase_all(&self, of: cipher::Erasure, at: Timestamp) -> Result<Erasure, Error> {
        let (mut events, mut runs) = (0, 0);
        loop {
            let slice = self.ask(|reply| Command::EraseSome { of, at, reply }).await?;
            self.durable(slice.sequence).await?;
            (events, runs) = (events + slice.events, runs + slice.runs);
            if !slice.more {
                break;
            }
        }
        self.blocking(move |shared| {
            let erased = shared.cipher.erase(&[(of, at)]);
            erased.map(drop).map_err(|trouble| shared.note(trouble))
        })
        .await?;
        let sequence = self.ask(|reply| Command::EndErasing { of, at, reply }).await?;
        self.durable(sequence).await?;
        Ok(Erasure::Done { events, runs })
    }

    /// Asks the writer.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        self.shared.progress.check()?;
        let (reply, answer) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(Error::Closed)?;
        commands.send(command(reply)).await.map_err(|_| self.shared.progress.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.shared.progress.gone()))
    }

    /// Does blocking work off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.shared.progress.check()?;
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| {
            let reason = format!("{PANICKED} while it was read ({error}): start the host again");
            Err(self.shared.note(Trouble::Failed(reason)))
        })
    }

    /// Reads what is durable.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Error> {
        self.blocking(move |shared| shared.read(None, read)).await
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            // What it panicked with was caught and told.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Store for SledStore {
    async fn submit(&self, element: Element) -> Result<Receipt, Error> {
        self.ask(|reply| Command::Submit { element, reply }).await
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Error> {
        self.shared.progress.wait(sequence, || self.shared.layers.wanted()).await
    }

    async fn acquire(&self) -> Result<Lease, Error> {
        let (lease, sequence) = self.ask(|reply| Command::Acquire { reply }).await?;
        self.durable(sequence).await?;
        Ok(lease)
    }

    async fn claim(&self, lease: Lease, queue: &WorkflowId, now: Timestamp, max: usize) -> Result<Vec<Claimed>, Error> {
        let ask = ClaimAsk { lease, queue: queue.clone(), now, max };
        let mut in_hand = self.ask(|reply| Command::Claim { ask, reply }).await?;
        let (runs, speculative) = (in_hand.runs().to_vec(), in_hand.take_speculative());
        let claimed = if runs.iter().all(|run| speculative.contains_key(&keys::run(*run))) {
            // In memory: nothing blocks. A journal that is not, of a run that was just given back, is short.
            self.shared.read(Some(&speculative), |rows| read::claimed(rows, &runs))?
        } else {
            let read = move |shared: &Shared| shared.read(Some(&speculative), |rows| read::claimed(rows, &runs));
            self.blocking(read).await?
        };
        in_hand.arrived();
        Ok(claimed)
    }

    async fn unclaim(&self, lease: Lease, run: RunId) -> Result<(), Error> {
        self.ask(|reply| Command::Unclaim { lease, run, reply }).await
    }

    async fn queues(&self) -> Result<Vec<(WorkflowId, Option<Timestamp>)>, Error> {
        self.ask(|reply| Command::Queues { reply }).await
    }

    async fn put_component(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        let bytes = bytes.to_vec();
        self.blocking(move |shared| {
            let _one_at_a_time = shared.writing_component.lock();
            components::put(&shared.components, digest, &bytes).map_err(|trouble| shared.note(trouble))
        })
        .await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.blocking(move |shared| components::get(&shared.components, digest).map_err(|trouble| shared.note(trouble)))
            .await
    }

    async fn components(&self) -> Result<Vec<KeptComponent>, Error> {
        self.blocking(|shared| {
            let there = components::list(&shared.components).map_err(|trouble| shared.note(trouble))?;
            let runs = shared.read(None, needed::stored)?;
            Ok(needed::shown(&there, runs))
        })
        .await
    }

    async fn drop_component(&self, digest: Digest) -> Result<bool, Error> {
        let free = self.ask(|reply| Command::IsFree { component: digest, reply }).await?;
        let Some(sequence) = free else { return Ok(false) };
        self.durable(sequence).await?;
        self.blocking(move |shared| {
            let _one_at_a_time = shared.writing_component.lock();
            // A backup that is being made may be as of when the component was needed.
            let _no_backup = shared.still.lock();
            components::remove(&shared.components, digest).map_err(|trouble| shared.note(trouble))
        })
        .await
    }

    async fn registry(&self) -> Result<Registry, Error> {
        self.read(known::registry).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunDetail>, Error> {
        self.read(move |rows| read::run(rows, id)).await
    }

    async fn log(&self, id: RunId) -> Result<Vec<Line>, Error> {
        self.read(move |rows| read::log(rows, id)).await
    }

    async fn runs(&self, filter: &RunFilter, page: Page) -> Result<(Vec<Run>, Option<Cursor>), Error> {
        let filter = filter.clone();
        self.read(move |rows| read::runs(rows, &filter, page)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, Error> {
        self.read(move |rows| read::event(rows, id)).await
    }

    async fn events(&self, filter: &EventFilter, page: Page) -> Result<(Vec<Event>, Option<Cursor>), Error> {
        let filter = filter.clone();
        self.read(move |rows| read::events(rows, &filter, page)).await
    }

    async fn counts(&self) -> Result<Counts, Error> {
        self.read(read::counts).await
    }

    async fn prune(&self, now: Timestamp, retention: &Retention, max: usize) -> Result<Pruned, Error> {
        let ask = PruneAsk { now, retention: retention.clone(), max };
        self.ask(|reply| Command::Prune { ask, reply }).await
    }

    async fn erase(&self, subject: &str, at: Timestamp) -> Result<Erasure, Error> {
        let _one_at_a_time = self.erasing.lock().await;
        let subject = subject.to_owned();
        self.blocking(|shared| shared.cipher.try_to_write().map_err(|trouble| shared.note(trouble))).await?;
        let (begun, sequence) = self.ask(|reply| Command::BeginErasing { subject, at, reply }).await?;
        self.durable(sequence).await?;
        match begun {
            Begun::Unknown => Ok(Erasure::Unknown),
            Begun::Before(at) => Ok(Erasure::Before { at }),
            Begun::Of(of, at) => self.erase_all(of, at).await,
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.ask(|reply| Command::Close { reply }).await
    }
}
