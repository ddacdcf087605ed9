//! The writer: one thread that takes everything that is submitted in order, decides upon each element
//! by what is there, answers, and hands all that a group puts over to be committed. Nobody else decides.

mod change;
mod claims;
mod deliveries;
mod erase;
mod ingest;
mod journal;
mod prune;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use stepwell_core::registry::Plugin;
use stepwell_core::{Digest, Run, RunId, Timestamp, WorkflowId};
use stepwell_store::limits::GROUP_MAX;
use stepwell_store::{Element, Error, Lease, Pruned, Receipt, Sequence, Verdict};
use tokio::sync::{mpsc, oneshot};

pub(crate) use claims::ClaimAsk;
pub(crate) use erase::{Begun, Slice as ErasedSlice};
pub(crate) use prune::PruneAsk;

use crate::checkpoint::Checkpointer;
use crate::cipher::Erasure;
use crate::commit::Committer;
use crate::dir::DataDir;
use crate::error::Trouble;
use crate::in_hand::InHand;
use crate::keys;
use crate::known::Known;
use crate::limits::{CLOSE_MAX, FORGOTTEN_PER_GROUP, GROUP_BYTES_MAX};
use crate::needed::Change;
use crate::open::drop_within;
use crate::rows::{Put, Rows};
use crate::shared::Shared;

/// Where an answer goes. Dropped without one, it says that the store is gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Command {
    Submit {
        element: Element,
        reply: Reply<Receipt>,
    },
    Acquire {
        reply: Reply<(Lease, Sequence)>,
    },
    Claim {
        ask: ClaimAsk,
        reply: Reply<InHand>,
    },
    Unclaim {
        lease: Lease,
        run: RunId,
        reply: Reply<()>,
    },
    Queues {
        reply: Reply<Vec<(WorkflowId, Option<Timestamp>)>>,
    },
    Prune {
        ask: PruneAsk,
        reply: Reply<Pruned>,
    },
    /// Answered with what must be durable before the component may go; none where it is needed.
    IsFree {
        component: Digest,
        reply: Reply<Option<Sequence>>,
    },
    BeginErasing {
        subject: String,
        at: Timestamp,
        reply: Reply<(Begun, Sequence)>,
    },
    EraseSome {
        of: Erasure,
        at: Timestamp,
        reply: Reply<ErasedSlice>,
    },
    EndErasing {
        of: Erasure,
        at: Timestamp,
        reply: Reply<Sequence>,
    },
    /// Answered once everything is durable and the directory given up.
    Close {
        reply: Reply<()>,
    },
}

/// The writer's state.
#[derive(Debug)]
pub(crate) struct Writer {
    rows: Rows,
    known: Known,
    committer: Committer,
    shared: Arc<Shared>,
    /// Of the last element that put anything.
    sequence: u64,
    /// Of the last element that was handed over.
    handed_over: u64,
    counts_changed: bool,
    deliveries: deliveries::Forgetting,
    pruning: prune::Pruning,
    closing: Option<Reply<()>>,
}

impl Writer {
    pub(crate) fn new(rows: Rows, known: Known, committer: Committer, shared: Arc<Shared>) -> Self {
        Self {
            rows,
            known,
            committer,
            shared,
            sequence: 0,
            handed_over: 0,
            counts_changed: false,
            deliveries: deliveries::Forgetting::default(),
            pruning: prune::Pruning::default(),
            closing: None,
        }
    }

    /// Works until it is closed, nobody can ask any more, or the store fails; then lets the database and
    /// the directory go.
    pub(crate) fn run_thread(self, commands: mpsc::Receiver<Command>, checkpointer: Checkpointer, dir: DataDir) {
        let shared = Arc::clone(&self.shared);
        let run = || {
            let closing = self.run(commands);
            // With the committer gone it makes its last checkpoint.
            checkpointer.join();
            let db = shared.db.write().unwrap_or_else(PoisonError::into_inner).take();
            if !db.is_none_or(|db| drop_within(CLOSE_MAX, db)) {
                shared.progress.fail("the database does not close as it should: start the host again");
            }
            dir.wait_until_let_go();
            closing
        };
        let closing = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            shared.progress.fail("the database panicked while it was written: start the host again");
            None
        });
        let end = shared.progress.check();
        shared.progress.close();
        drop(dir);
        if let Some(reply) = closing {
            // Whoever closed need not wait.
            let _ = reply.send(end);
        }
    }

    /// Ends with all that was applied durable, if it can be.
    fn run(mut self, mut commands: mpsc::Receiver<Command>) -> Option<Reply<()>> {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while self.closing.is_none() && commands.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            if self.shared.progress.check().is_err() {
                break;
            }
            if let Err(reason) = self.group(&mut group) {
                self.shared.progress.fail(&reason);
                break;
            }
        }
        drop(self.committer);
        self.closing
    }

    /// Takes a group in and hands it over. Fails where the store cannot go on.
    fn group(&mut self, commands: &mut Vec<Command>) -> Result<(), String> {
        self.deliveries.left = FORGOTTEN_PER_GROUP;
        for command in commands.drain(..) {
            self.handle(command)?;
            if self.rows.pending_bytes() > GROUP_BYTES_MAX {
                self.hand_over().map_err(reason)?;
            }
            if self.closing.is_some() {
                break;
            }
        }
        self.hand_over().map_err(reason)
    }

    fn handle(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Submit { element, reply } => {
                let verdict = self.submit(element);
                let sequence = Sequence(self.sequence);
                answer(reply, verdict.map(|verdict| Receipt { sequence, verdict }))
            }
            Command::Acquire { reply } => {
                let lease = self.acquire();
                answer(reply, lease)
            }
            Command::Claim { ask, reply } => self.claim(&ask, reply),
            Command::Unclaim { lease, run, reply } => {
                // Nobody waiting for it is fine.
                let _ = reply.send(self.unclaim(lease, run));
                Ok(())
            }
            Command::Queues { reply } => {
                let queues = self.queues();
                answer(reply, queues)
            }
            Command::Prune { ask, reply } => {
                let pruned = self.prune(&ask);
                answer(reply, pruned)
            }
            Command::IsFree { component, reply } => answer(reply, Ok(self.is_free(component))),
            Command::BeginErasing { subject, at, reply } => {
                let begun = self.begin_erasing(&subject, at);
                answer(reply, begun)
            }
            Command::EraseSome { of, at, reply } => {
                let slice = self.erase_some(of, at);
                answer(reply, slice)
            }
            Command::EndErasing { of, at, reply } => {
                let ended = self.end_erasing(of, at);
                answer(reply, ended)
            }
            Command::Close { reply } => {
                self.closing = Some(reply);
                Ok(())
            }
        }
    }

    fn submit(&mut self, element: Element) -> Result<Verdict, Trouble> {
        match element {
            Element::Ingest(event) => self.ingest(*event).map(Verdict::Ingested),
            Element::Change(change) => self.change(*change),
            Element::Control { run, control } => self.control(run, control),
            Element::Plugins(plugins) => {
                let put = |plugin: &Plugin| Put::new(keys::plugin(&plugin.name), plugin);
                let puts = plugins.iter().map(put).collect::<Result<Vec<_>, _>>()?;
                puts.into_iter().try_for_each(|put| self.rows.put(put))?;
                plugins.into_iter().for_each(|plugin| self.known.registry.put(plugin));
                self.wrote();
                Ok(Verdict::Registered)
            }
        }
    }

    fn acquire(&mut self) -> Result<(Lease, Sequence), Trouble> {
        self.known.meta.epoch = self.known.meta.epoch.saturating_add(1);
        self.put_meta()?;
        self.known.held.clear();
        self.known.queues.release_all();
        self.wrote();
        Ok((Lease { epoch: self.known.meta.epoch }, Sequence(self.sequence)))
    }

    fn put_meta(&mut self) -> Result<(), Trouble> {
        self.rows.put_new(Put::new(keys::META.to_vec(), &self.known.meta)?);
        Ok(())
    }

    /// An element has put what it puts.
    fn wrote(&mut self) {
        self.sequence += 1;
    }

    /// Puts what follows from a run that is new or has changed: its due row, its place in the index by
    /// status and among what is over, the counters.
    fn run_moved(&mut self, from: Option<&Run>, to: &Run) {
        let (due_from, due_to) = (from.and_then(Run::due), to.due());
        if due_from != due_to {
            let key = |at| keys::due(&to.workflow, crate::due::Due { at, run: to.id });
            due_from.map(key).into_iter().for_each(|key| self.rows.unmark(key));
            due_to.map(key).into_iter().for_each(|key| self.rows.mark(key));
            self.known.queues.moved(&to.workflow, to.id, due_from, due_to);
        }
        self.end_moved(from, to);
        let (was, is) = (from.map(Run::status), to.status());
        if was != Some(is) {
            if let Some(was) = was.filter(|status| keys::is_indexed(*status)) {
                self.rows.unmark(keys::run_by_status(was, to.id.as_bytes()));
            }
            if keys::is_indexed(is) {
                self.rows.mark(keys::run_by_status(is, to.id.as_bytes()));
            }
            self.known.counts.moved(was, is);
            self.counts_changed = true;
        }
        self.known.needed.moved(from, to);
    }

    /// Puts how many runs need which component, with what has changed that.
    fn put_held(&mut self) -> Result<(), Trouble> {
        if std::mem::take(&mut self.known.needed.is_counted_anew) {
            self.known.meta.counts_held = true;
            self.put_meta()?;
        }
        for change in self.known.needed.take_changes()? {
            match change {
                Change::Put(put) => self.rows.put_new(put),
                Change::Delete(key) => self.rows.unmark(key),
            }
        }
        Ok(())
    }

    /// Whether nothing needs a component as the writer has it, and what must be durable before that is so.
    fn is_free(&self, digest: Digest) -> Option<Sequence> {
        let is_needed = self.known.registry.serves(digest) || self.known.needed.is_held(digest);
        (!is_needed).then_some(Sequence(self.sequence))
    }

    /// Hands over all that is pending, to be committed at once.
    fn hand_over(&mut self) -> Result<(), Trouble> {
        self.forget_deliveries()?;
        if std::mem::take(&mut self.counts_changed) {
            let put = Put::new(keys::COUNTS.to_vec(), &self.known.counts)?;
            self.rows.put_new(put);
        }
        if self.rows.pending_bytes() > 0 {
            self.put_held()?;
        }
        if let Some(mut group) = self.rows.take() {
            group.sequence = self.sequence;
            group.elements = self.sequence - std::mem::replace(&mut self.handed_over, self.sequence);
            self.committer.submit(group);
        }
        Ok(())
    }
}

/// Tells the asker. Fails where the store cannot go on.
fn answer<T>(reply: Reply<T>, result: Result<T, Trouble>) -> Result<(), String> {
    let failed = match &result {
        Err(Trouble::Failed(reason)) => Err(reason.clone()),
        Err(Trouble::Damaged { .. }) | Ok(_) => Ok(()),
    };
    // An asker that is gone does not want to know.
    let _ = reply.send(result.map_err(Error::from));
    failed
}

fn reason(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed(reason) => reason,
        Trouble::Damaged { what, reason } => format!("{what}: {reason}"),
    }
}
