//! Which runs are in hand and which of them are being executed: whom a cancel interrupts, what the witness is
//! told, and who is suspected of having taken the process down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepwell_core::RunId;
use stepwell_core::limits::DEATHS_ALONE_MAX;
use stepwell_store::Witness;
use tokio::sync::watch;

/// The runs that the scheduler has claimed.
#[derive(Debug)]
pub(crate) struct Active {
    witness: Arc<dyn Witness>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    in_hand: BTreeMap<RunId, InHand>,
    executing: usize,
    /// Whom the witness has as executed alone, though no suspect.
    alone: Option<RunId>,
    /// While a claim is under way: cancels of runs that are not in hand, and perhaps about to be.
    unheard: Option<BTreeSet<RunId>>,
    /// Runs that may have taken the process down, with how often it died while they were alone.
    suspects: BTreeMap<RunId, u32>,
}

#[derive(Debug)]
struct InHand {
    cancelled: Cancelled,
    executing: bool,
}

/// Whether a person wants the run cancelled.
type Cancelled = Arc<watch::Sender<bool>>;

/// A run that is being executed, until this is dropped.
#[derive(Debug)]
pub(crate) struct Executing {
    active: Arc<Active>,
    run: RunId,
    cancelled: Cancelled,
}

impl Active {
    pub(crate) fn new(witness: Arc<dyn Witness>) -> Self {
        let suspects = witness.suspects().into_iter().map(|suspect| (suspect.run, suspect.deaths_alone)).collect();
        Self { inner: Mutex::new(Inner { suspects, ..Inner::default() }), witness }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A claim begins. Whom it brings nobody knows yet, so all cancels are kept until then.
    pub(crate) fn claiming(&self) {
        self.lock().unheard = Some(BTreeSet::new());
    }

    /// The claim has brought these.
    pub(crate) fn claimed(&self, runs: impl Iterator<Item = RunId>) {
        let mut inner = self.lock();
        let unheard = inner.unheard.take().unwrap_or_default();
        for run in runs {
            let cancelled = Arc::new(watch::Sender::new(unheard.contains(&run)));
            let before = inner.in_hand.insert(run, InHand { cancelled, executing: false });
            // Its last activation has given it back, and only waits for its writes.
            inner.executing -= usize::from(before.is_some_and(|before| before.executing));
        }
    }

    /// A run in hand begins to be executed.
    pub(crate) fn begin(self: &Arc<Self>, run: RunId) -> Executing {
        let mut inner = self.lock();
        let company = inner.executing;
        inner.executing += 1;
        let of_run =
            inner.in_hand.entry(run).or_insert_with(|| InHand { cancelled: Cancelled::default(), executing: false });
        of_run.executing = true;
        let cancelled = Arc::clone(&of_run.cancelled);
        self.witness.begin(run, company == 0);
        if let Some(first) = inner.alone.take() {
            self.witness.begin(first, false);
        }
        inner.alone = (company == 0 && !inner.suspects.contains_key(&run)).then_some(run);
        drop(inner);
        Executing { active: Arc::clone(self), run, cancelled }
    }

    fn end(&self, run: RunId, cancelled: &Cancelled) {
        let mut inner = self.lock();
        // Not where it was claimed again meanwhile: then it is in other hands.
        if inner.in_hand.get(&run).is_none_or(|of_run| !Arc::ptr_eq(&of_run.cancelled, cancelled)) {
            return;
        }
        inner.in_hand.remove(&run);
        inner.executing -= 1;
        inner.alone.take_if(|alone| *alone == run);
        inner.suspects.remove(&run);
        self.witness.clear(run);
    }

    /// A person wants this run cancelled, as its row says.
    pub(crate) fn cancel(&self, run: RunId) {
        let mut inner = self.lock();
        match inner.in_hand.get(&run) {
            Some(of_run) => drop(of_run.cancelled.send_replace(true)),
            None => drop(inner.unheard.as_mut().map(|unheard| unheard.insert(run))),
        }
    }

    /// The runs that are being executed.
    pub(crate) fn executing(&self) -> BTreeSet<RunId> {
        self.lock().in_hand.iter().filter(|(_, of_run)| of_run.executing).map(|(run, _)| *run).collect()
    }

    /// How often the process died while this run was alone, if it is a suspect.
    pub(crate) fn suspicion(&self, run: RunId) -> Option<u32> {
        self.lock().suspects.get(&run).copied()
    }

    /// A run has made durable progress: it does not take the process down. Answers whether it was a suspect.
    pub(crate) fn progressed(&self, run: RunId) -> bool {
        let was = self.lock().suspects.remove(&run).is_some();
        if was {
            self.witness.clear(run);
        }
        was
    }

    /// A run has come as far as a request, for whose answer others need not wait, unless this is its last chance.
    /// The witness still has it as alone: if the process dies before it gets on, that is counted against it.
    /// Answers whether it was a suspect and is none any more.
    pub(crate) fn asks(&self, run: RunId) -> bool {
        let mut inner = self.lock();
        let excused = inner.suspects.get(&run).is_some_and(|deaths| *deaths < DEATHS_ALONE_MAX - 1);
        if excused {
            inner.suspects.remove(&run);
        }
        excused
    }

    /// The process ends because it was asked to: that is nobody's doing.
    pub(crate) fn acquit(&self) {
        self.executing().into_iter().for_each(|run| self.witness.clear(run));
    }
}

impl Executing {
    /// Whether a person wants it cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Resolves once a person wants it cancelled.
    pub(crate) async fn cancelled(&self) {
        // The sender lives as long as self.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        self.active.end(self.run, &self.cancelled);
    }
}
