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
    /// While a claim is under way.
    unheard: Option<Unheard>,
    /// Runs that may have taken the process down, with how often it died while they were alone.
    suspects: BTreeMap<RunId, u32>,
}

/// What came while a claim was under way, which may be about what it brings.
#[derive(Debug, Default)]
struct Unheard {
    /// Cancels of runs that are not in hand, and perhaps about to be.
    cancelled: BTreeSet<RunId>,
    /// Somebody was erased.
    erased: bool,
}

#[derive(Debug)]
struct InHand {
    cancelled: Cancelled,
    executing: bool,
    /// It was a suspect, and has got on since.
    proven: bool,
}

impl InHand {
    fn new(cancelled: bool) -> Self {
        Self { cancelled: Arc::new(watch::Sender::new(cancelled)), executing: false, proven: false }
    }
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
        self.lock().unheard = Some(Unheard::default());
    }

    /// The claim has brought these.
    pub(crate) fn claimed(&self, runs: impl Iterator<Item = RunId>) {
        let mut inner = self.lock();
        let unheard = inner.unheard.take().unwrap_or_default();
        for run in runs {
            // One that was not meant is claimed again.
            let cancelled = unheard.erased || unheard.cancelled.contains(&run);
            let before = inner.in_hand.insert(run, InHand::new(cancelled));
            // Its last activation has given it back, and only waits for its writes.
            inner.executing -= usize::from(before.is_some_and(|before| before.executing));
        }
    }

    /// A run in hand begins to be executed. A suspect counts as alone where all others have got on.
    pub(crate) fn begin(self: &Arc<Self>, run: RunId) -> Executing {
        let mut inner = self.lock();
        let suspect = inner.suspects.contains_key(&run);
        let alone = if suspect { inner.all_proven() } else { inner.executing == 0 };
        inner.executing += 1;
        let of_run = inner.in_hand.entry(run).or_insert_with(|| InHand::new(false));
        of_run.executing = true;
        let cancelled = Arc::clone(&of_run.cancelled);
        self.witness.begin(run, alone);
        if let Some(first) = inner.alone.take() {
            self.witness.begin(first, false);
        }
        inner.alone = (alone && !suspect).then_some(run);
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
            None => drop(inner.unheard.as_mut().map(|unheard| unheard.cancelled.insert(run))),
        }
    }

    /// Somebody was erased: what a claim under way brings may be about them.
    pub(crate) fn erased(&self) {
        if let Some(unheard) = &mut self.lock().unheard {
            unheard.erased = true;
        }
    }

    /// The runs in hand: executed, or waiting for that.
    pub(crate) fn in_hand(&self) -> BTreeSet<RunId> {
        self.lock().in_hand.keys().copied().collect()
    }

    /// The runs that are being executed.
    pub(crate) fn executing(&self) -> BTreeSet<RunId> {
        self.lock().in_hand.iter().filter(|(_, of_run)| of_run.executing).map(|(run, _)| *run).collect()
    }

    /// How often the process died while this run was alone, if it is a suspect.
    pub(crate) fn suspicion(&self, run: RunId) -> Option<u32> {
        self.lock().suspects.get(&run).copied()
    }

    pub(crate) fn has_suspects(&self) -> bool {
        !self.lock().suspects.is_empty()
    }

    /// Whether a suspect is being executed, so that nothing else may begin.
    pub(crate) fn tries_one(&self) -> bool {
        let inner = self.lock();
        let tried = |(run, of_run): (&RunId, &InHand)| of_run.executing && inner.suspects.contains_key(run);
        !inner.suspects.is_empty() && inner.in_hand.iter().any(tried)
    }

    /// Whether all that is being executed were suspects and have got on: another one may begin.
    pub(crate) fn all_proven(&self) -> bool {
        self.lock().all_proven()
    }

    pub(crate) fn suspects(&self) -> Vec<RunId> {
        self.lock().suspects.keys().copied().collect()
    }

    /// A run has made durable progress: it does not take the process down. Answers whether it was a suspect.
    pub(crate) fn progressed(&self, run: RunId) -> bool {
        let was = self.lock().prove(run);
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
        excused && inner.prove(run)
    }

    /// The process ends because it was asked to or because its store failed: that is nobody's doing. Who was a
    /// suspect before is none the less so.
    pub(crate) fn acquit(&self) {
        let inner = self.lock();
        for (run, _) in inner.in_hand.iter().filter(|(_, of_run)| of_run.executing) {
            if inner.suspects.contains_key(run) {
                self.witness.begin(*run, false);
            } else {
                self.witness.clear(*run);
            }
        }
    }
}

impl Inner {
    fn all_proven(&self) -> bool {
        self.in_hand.values().all(|of_run| of_run.proven || !of_run.executing)
    }

    /// Answers whether it was a suspect.
    fn prove(&mut self, run: RunId) -> bool {
        let was = self.suspects.remove(&run).is_some();
        if let Some(of_run) = self.in_hand.get_mut(&run) {
            of_run.proven = was;
        }
        was
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
