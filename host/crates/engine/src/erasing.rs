//! Erases people because an event asks for it, such as Clerk's that a user was deleted: once it has been there for a
//! while, so that its own workflows come to their end. What is still to be done is not taken down anywhere: the event
//! itself says it, and goes with the person.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepwell_core::{Event, Timestamp};
use stepwell_store::limits::PAGE_MAX;
use stepwell_store::{Error as StoreError, EventFilter, Page};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::handle::Handle;
use crate::limits::{ERASE_AGAIN, PRUNE_PAUSE_MIN};
use crate::shared::Phase;

/// Which events ask for the person whom they are about to be erased, and how long after they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EraseOn {
    /// Exact names.
    pub events: BTreeSet<String>,
    pub after: Duration,
}

/// Who is to be erased, and when.
#[derive(Debug)]
pub(crate) struct ToErase {
    on: EraseOn,
    due: Mutex<BTreeSet<(Timestamp, String)>>,
    more: Notify,
}

impl ToErase {
    pub(crate) fn new(on: EraseOn) -> Self {
        Self { on, due: Mutex::default(), more: Notify::new() }
    }

    fn due(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, String)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When whom an event asks to be erased.
    pub(crate) fn asked_by(&self, event: &Event) -> Option<(Timestamp, String)> {
        let subject = event.subject.clone().filter(|_| self.on.events.contains(&event.name))?;
        Some((event.received_at.after(self.on.after), subject))
    }

    /// An event has come that asks for this.
    pub(crate) fn add(&self, asked: (Timestamp, String)) {
        self.due().insert(asked);
        self.more.notify_one();
    }

    /// Who is to be erased first.
    fn first(&self) -> Option<(Timestamp, String)> {
        self.due().first().cloned()
    }
}

/// Begun once the host is open; runs until it drains or the store fails.
pub(crate) async fn keep_erasing(handle: Handle) {
    let mut phase = handle.shared.phase.subscribe();
    if handle.shared.to_erase.on.events.is_empty() {
        return;
    }
    tokio::select! {
        biased;
        // An erasure that is cut short here goes on at the next start.
        _ = phase.wait_for(|phase| *phase != Phase::Open) => {}
        () = erase_by_the_clock(&handle) => {}
    }
}

async fn erase_by_the_clock(handle: &Handle) {
    let shared = &handle.shared;
    while let Err(error) = find(handle).await {
        warn!(%error, "whom events ask to be erased is not known yet");
        shared.clock.until(shared.clock.now().after(ERASE_AGAIN)).await;
    }
    loop {
        match shared.to_erase.first() {
            Some(first) if first.0 <= shared.clock.now() => erase(handle, first).await,
            Some((at, _)) => tokio::select! {
                // In one order, so that the same events take the same way.
                biased;
                () = shared.clock.until(at) => {}
                () = shared.to_erase.more.notified() => {}
            },
            None => shared.to_erase.more.notified().await,
        }
    }
}

async fn erase(handle: &Handle, first: (Timestamp, String)) {
    let to_erase = &handle.shared.to_erase;
    let erased = handle.erase(&first.1).await;
    to_erase.due().remove(&first);
    match erased {
        Ok(erased) => info!(?erased, "somebody was erased, as an event asked for"),
        Err(error) => {
            warn!(%error, "somebody is to be erased and was not: it is tried again");
            to_erase.due().insert((handle.shared.clock.now().after(ERASE_AGAIN), first.1));
        }
    }
}

/// Looks through all events that ask for it, page by page.
async fn find(handle: &Handle) -> Result<(), StoreError> {
    let shared = &handle.shared;
    for name in &shared.to_erase.on.events {
        let filter = EventFilter { name: Some(name.clone()), ..EventFilter::default() };
        let mut after = None;
        loop {
            let (events, next) = shared.answer(shared.store.events(&filter, Page { limit: PAGE_MAX, after })).await?;
            events
                .iter()
                .filter_map(|event| shared.to_erase.asked_by(event))
                .for_each(|asked| shared.to_erase.add(asked));
            after = next;
            if after.is_none() {
                break;
            }
            shared.clock.pause(PRUNE_PAUSE_MIN).await;
        }
    }
    Ok(())
}
