//! What is left after a crash: what was durable, and as much of the rest as chance has it.

use stepwell_store::{EventFilter, Page, Store};

use crate::backend::{Memory, block_on};
use crate::check::{Checker, Violation};
use crate::disk::Disk;
use crate::host::HostId;
use crate::ledger::Write;
use crate::mark::Mark;
use crate::mutation::Mutation;
use crate::world::{Inner, World};

impl World {
    /// All processes are gone. The next one finds what is there.
    pub(crate) fn crash(&self) {
        let mut inner = self.lock();
        inner.planted_crash();
        match inner.lose() {
            Ok(kept) => {
                let (submitted, durable) = (inner.disk.submitted, inner.disk.durable);
                if kept < submitted {
                    inner.mark(Mark::WritesLost);
                }
                if kept > durable {
                    inner.mark(Mark::WritesKeptThoughNotDurable);
                }
                inner.say(format_args!("disk: of {submitted} writes {kept} were kept"));
                inner.disk.found(kept);
                inner.ledger.crashed(kept);
                inner.unheard = false;
                inner.unknown_plugin = false;
                let checked = inner.check_acknowledged().and_then(|()| inner.check_gone());
                inner.note(checked);
            }
            Err(what) => inner.note(Err(Violation { checker: Checker::Host, what })),
        }
    }
}

impl Inner {
    /// A process has stopped in order: its store was closed, and what was submitted is durable.
    pub(crate) fn stopped(&mut self, host: HostId) {
        self.say(format_args!("host {host} has stopped"));
        self.mark(Mark::HostStoppedInOrder);
        let alone = self.hosts.iter().all(|(id, process)| *id == host || !process.alive);
        if alone && self.disk.broken.is_none() {
            match self.disk.close() {
                Ok(durable) => self.ledger.synced(durable),
                Err(error) => self.say(format_args!("disk: not closed: {error}")),
            }
        }
    }

    /// Loses what is not durable, or most of it. Answers up to which write everything was kept.
    fn lose(&mut self) -> Result<u64, String> {
        let durable = self.disk.durable;
        if self.mutation == Some(Mutation::LoseDurable) && !self.ledger.acknowledged.is_empty() {
            self.disk = Disk::over(Box::new(Memory::new()));
            self.disk.found(durable);
            return Ok(durable);
        }
        match self.disk.crash(&mut self.dice)? {
            Some(kept) => Ok(kept),
            None => {
                let store = self.disk.reads().ok_or("the store is closed")?;
                let found = self.ledger.pending().rev().find(|(_, write)| is_there(&*store, write));
                Ok(found.map_or(durable, |(number, _)| *number))
            }
        }
    }
}

/// Whether the store shows that it has this write.
fn is_there(store: &dyn Store, write: &Write) -> bool {
    match write {
        Write::Event(event, _) => block_on(store.event(event.id)).is_ok_and(|event| event.is_some()),
        Write::Change(change) => block_on(store.run(change.run))
            .is_ok_and(|run| run.is_some_and(|detail| detail.run.revision >= change.revision)),
        Write::Control(run, control) => block_on(store.run(*run))
            .is_ok_and(|run| run.is_some_and(|detail| detail.run.control.as_ref() == Some(control))),
        Write::Plugins(plugins) => block_on(store.registry()).is_ok_and(|registry| {
            plugins.iter().all(|plugin| {
                let kept = registry.plugin(&plugin.name);
                kept.is_some_and(|kept| kept.component == plugin.component && kept.active == plugin.active)
            })
        }),
        Write::Erase(person) => {
            let filter = EventFilter { subject: Some(person.clone()), ..EventFilter::default() };
            let first = Page { limit: 1, after: None };
            let events = block_on(store.events(&filter, first));
            // It is the last write of all: nobody of this name has come again. An event goes with its runs.
            events.is_ok_and(|(events, next)| events.is_empty() && next.is_none())
        }
        // Durable at once where this has to be found out.
        Write::Prune(..) | Write::Lease(_) | Write::Nothing => false,
    }
}
