//! Everything outside the engine, behind one lock: time, the disk, the provider, the ledger, and which host
//! processes live. Every call that crosses one of the engine's ports passes [`World::seam`], where a host may
//! be held up, or die.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use stepwell_core::{Digest, RunId};
use stepwell_engine::Settings;

use crate::check::{Checked, Checker, Violation};
use crate::client::Answer;
use crate::dice::Dice;
use crate::disk::{Disk, Pace};
use crate::host::{HostId, Process};
use crate::ledger::Ledger;
use crate::mark::{Mark, Marks};
use crate::mutation::Mutation;
use crate::odds::Odds;
use crate::program::Component;
use crate::provider::Provider;
use crate::time::{Moment, Time};
use crate::trace::Trace;
use crate::witness::WitnessFile;

/// Calls across ports in one simulation: more means that somebody goes round in circles.
const SEAMS_MAX: u64 = 2_000_000;

/// Everything outside the engine. One simulation has one.
#[derive(Debug)]
pub(crate) struct World(Mutex<Inner>);

/// What the lock is for.
pub(crate) struct Inner {
    pub(crate) dice: Dice,
    pub(crate) odds: Odds,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) time: Time,
    pub(crate) trace: Trace,
    pub(crate) disk: Disk,
    pub(crate) ledger: Ledger,
    pub(crate) hosts: BTreeMap<HostId, Process>,
    pub(crate) provider: Provider,
    pub(crate) components: BTreeMap<Digest, Arc<Component>>,
    pub(crate) witness: WitnessFile,
    /// The config value that guests read, as the operator has it now.
    pub(crate) var: u64,
    /// Of every host.
    pub(crate) settings: Settings,
    pub(crate) seams: u64,
    pub(crate) executions: u64,
    /// Runs whose due row the store has forgotten, where that is planted.
    pub(crate) forgotten: BTreeSet<RunId>,
    /// The newest host may not know of what a superseded one has taken in.
    pub(crate) unheard: bool,
    /// Whom somebody has asked to be erased: others an event has.
    pub(crate) asked_to_erase: BTreeSet<String>,
    /// The host dies in its next erasure.
    pub(crate) dies_erasing: bool,
    /// A superseded host has put a plugin into service: the newest one does not know its limits. The embedded store
    /// has one process.
    pub(crate) unknown_plugin: bool,
    /// What became of requests since somebody looked.
    pub(crate) answers: Vec<Answer>,
    pub(crate) violation: Option<Violation>,
    pub(crate) marks: Marks,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("passed", &self.time.passed()).finish_non_exhaustive()
    }
}

/// What a seam does to whoever passes it.
enum Toll {
    Nothing,
    Turn,
    Time(u64),
    Death,
}

impl World {
    pub(crate) const fn new(inner: Inner) -> Self {
        Self(Mutex::new(inner))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a call of `host` crosses a port: it may take its time, or be the last thing that the host does.
    /// Whoever is dead stays here.
    pub(crate) async fn seam(&self, host: HostId) {
        let _busy = self.busy(host);
        let toll = self.lock().toll(host);
        match toll {
            Toll::Nothing => {}
            Toll::Turn => tokio::task::yield_now().await,
            Toll::Time(ms) => self.pause(ms).await,
            Toll::Death => pending().await,
        }
        if !self.lock().is_alive(host) {
            pending().await
        }
    }

    /// Something of this host is under way until the answer is dropped.
    pub(crate) fn busy(&self, host: HostId) -> Busy<'_> {
        self.lock().count(host, 1);
        Busy(self, host)
    }

    /// Lets so much time pass.
    pub(crate) async fn pause(&self, ms: u64) {
        let at = self.lock().time.passed().saturating_add(ms);
        self.until(Moment::Passed(at)).await;
    }

    /// Resolves once the moment has come.
    pub(crate) async fn until(&self, moment: Moment) {
        Until { world: self, moment, rank: None }.await;
    }

    /// Resolves once a write is durable, or cannot be.
    pub(crate) async fn durable(&self, host: HostId, number: u64) -> Result<(), stepwell_store::Error> {
        poll_fn(|context| {
            let mut inner = self.lock();
            if !inner.is_alive(host) {
                return Poll::Pending;
            }
            if let Err(error) = inner.disk.check() {
                return Poll::Ready(Err(error));
            }
            if inner.disk.durable >= number || inner.mutation == Some(Mutation::AcknowledgeBeforeDurable) {
                return Poll::Ready(Ok(()));
            }
            inner.disk.wait(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Goes to the next moment at which something happens, `limit` at the latest. Answers whether there is one.
    pub(crate) fn advance(&self, limit: Option<u64>) -> bool {
        let mut inner = self.lock();
        let next = [inner.time.next(), inner.disk.next(), limit].into_iter().flatten().min();
        let Some(to) = next else { return false };
        let mut woken = inner.time.pass(to);
        let now = inner.time.passed();
        woken.extend(inner.end_sync(now));
        inner.dice.shuffle(&mut woken);
        drop(inner);
        woken.into_iter().for_each(std::task::Waker::wake);
        true
    }

    /// Sets the wall clock.
    pub(crate) fn jump(&self, by_ms: i64) {
        let mut inner = self.lock();
        if by_ms < 0 {
            inner.mark(Mark::ClockSetBack);
        }
        let woken = inner.time.jump(by_ms);
        drop(inner);
        woken.into_iter().for_each(std::task::Waker::wake);
    }
}

/// Something of a host that is under way.
pub(crate) struct Busy<'a>(&'a World, HostId);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().count(self.1, -1);
    }
}

impl Inner {
    fn count(&mut self, host: HostId, by: i32) {
        if let Some(process) = self.hosts.get_mut(&host) {
            process.busy = process.busy.saturating_add_signed(by);
        }
    }

    fn toll(&mut self, host: HostId) -> Toll {
        self.seams += 1;
        if self.seams > SEAMS_MAX {
            let what = format!("more than {SEAMS_MAX} calls across ports: somebody goes round in circles");
            self.note(Err(Violation { checker: Checker::Host, what }));
        }
        let Some(process) = self.hosts.get_mut(&host).filter(|process| process.alive) else { return Toll::Death };
        process.seams += 1;
        if process.dies_at == Some(process.seams) {
            process.alive = false;
            let call = self.seams;
            self.say(format_args!("host {host} dies at call {call}"));
            self.mark(Mark::HostDiedInACall);
            return Toll::Death;
        }
        let odds = self.odds;
        if self.dice.permille(odds.seam_turn) {
            return Toll::Turn;
        }
        match self.dice.permille(odds.seam_time) {
            true => Toll::Time(self.dice.spread(1, odds.seam_time_ms)),
            false => Toll::Nothing,
        }
    }

    /// Whether this process still runs. Nobody does once something that must stay true did not.
    pub(crate) fn is_alive(&self, host: HostId) -> bool {
        self.violation.is_none() && self.hosts.get(&host).is_some_and(|process| process.alive)
    }

    /// The wall clock as it truly stands.
    pub(crate) fn wall(&self) -> i64 {
        self.time.wall()
    }

    pub(crate) fn say(&mut self, what: fmt::Arguments<'_>) {
        let passed = self.time.passed();
        self.trace.add(passed, what);
    }

    /// Counts something that is worth having happened.
    pub(crate) fn mark(&mut self, mark: Mark) {
        *self.marks.entry(mark).or_default() += 1;
    }

    /// Takes down what a checker says. The first violation is the one that counts.
    pub(crate) fn note(&mut self, checked: Checked) {
        if let Err(violation) = checked
            && self.violation.is_none()
        {
            self.say(format_args!("VIOLATION {violation}"));
            self.violation = Some(violation);
        }
    }

    /// A sync begins, if there is something to sync and none is under way.
    pub(crate) fn begin_sync(&mut self) {
        if !self.disk.wants_sync() {
            return;
        }
        let odds = self.odds;
        let takes_ms = match self.dice.permille(odds.slow_sync) {
            true => self.dice.spread(100, odds.slow_sync_ms),
            false => self.dice.between(odds.sync_ms.0, odds.sync_ms.1),
        };
        let fails = self.dice.permille(odds.failing_sync);
        self.disk.begin_sync(self.time.passed(), Pace { takes_ms, fails });
    }

    fn end_sync(&mut self, now: u64) -> Vec<std::task::Waker> {
        if self.disk.next().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let woken = self.disk.end_sync(now);
        let (durable, broken) = (self.disk.durable, self.disk.broken.clone());
        match broken {
            Some(reason) => {
                self.mark(Mark::SyncFailed);
                self.say(format_args!("disk: {reason}"));
            }
            None => {
                self.ledger.synced(durable);
                self.say(format_args!("disk: durable to {durable}"));
                self.begin_sync();
            }
        }
        woken
    }
}

struct Until<'a> {
    world: &'a World,
    moment: Moment,
    rank: Option<u64>,
}

impl Future for Until<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.world.lock();
        if let Some(rank) = self.rank {
            inner.time.forget(self.moment, rank);
        }
        if inner.time.has_come(self.moment) {
            self.rank = None;
            return Poll::Ready(());
        }
        let rank = match self.rank {
            Some(rank) => rank,
            None => inner.dice.number(),
        };
        inner.time.wake_at(self.moment, rank, context.waker().clone());
        drop(inner);
        self.rank = Some(rank);
        Poll::Pending
    }
}

impl Drop for Until<'_> {
    fn drop(&mut self) {
        if let Some(rank) = self.rank {
            self.world.lock().time.forget(self.moment, rank);
        }
    }
}
