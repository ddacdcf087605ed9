//! The same random operations on the memory reference and on another store: every answer must be the
//! same. The smallest script that a failure leaves behind belongs into the suite.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use stepwell_core::journal::EntryState;
use stepwell_core::log::Level;
use stepwell_core::registry::Plugin;
use stepwell_core::run::{Control, ErrorKind, RunError, State, Status, Wish};
use stepwell_core::{Digest, Entry, Event, Run, RunId};
use stepwell_store::{
    Change, Element, EventFilter, Ingested, Keep, Lease, Receipt, Retention, RunFilter, Sequence, Store, Verdict,
};
use stepwell_testkit::plugin;

use crate::backend::{Backend, Memory, Sled};
use crate::fixtures::*;

const SEEDS: u64 = 12;
const STEPS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sled_answers_as_the_reference_does() {
    let mut met = BTreeSet::new();
    for seed in 1..=SEEDS {
        met.extend(compare::<Sled>(seed).await);
    }
    let all = [
        "already recorded",
        "changed",
        "conflict",
        "controlled",
        "created",
        "duplicate",
        "events gone",
        "fenced",
        "no such run",
        "other body",
        "refused",
        "registered",
        "runs gone",
    ];
    assert_eq!(met, all.into(), "the operations no longer lead to every verdict");
}

fn name_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ingested(Ingested::Created { .. }) => "created",
        Verdict::Ingested(Ingested::Duplicate { .. }) => "duplicate",
        Verdict::Ingested(Ingested::Conflict { .. }) => "other body",
        Verdict::Changed { .. } => "changed",
        Verdict::Fenced => "fenced",
        Verdict::Conflict { .. } => "conflict",
        Verdict::AlreadyRecorded(_) => "already recorded",
        Verdict::Controlled => "controlled",
        Verdict::Refused { .. } => "refused",
        Verdict::NoSuchRun => "no such run",
        Verdict::Registered => "registered",
    }
}

/// splitmix64: the same numbers for the same seed, on every machine.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len() as u64) as usize].clone()) }
    }
}

/// Both stores, and what the operations before are known to have led to.
struct Pair<B> {
    chance: Chance,
    reference: Memory,
    tested: B,
    step: String,
    now: u64,
    /// Of the last element that the tested store was given: reads may be behind it.
    last: Sequence,
    leases: Vec<Lease>,
    runs: Vec<RunId>,
    /// Rows as a worker last saw them.
    in_hand: Vec<Run>,
    /// The verdicts there were.
    met: BTreeSet<&'static str>,
}

async fn compare<B: Backend>(seed: u64) -> BTreeSet<&'static str> {
    let (reference, tested) = (Memory::empty().await, B::empty().await);
    let mut pair = Pair {
        chance: Chance(seed),
        reference,
        tested,
        step: String::new(),
        now: 0,
        last: Sequence::default(),
        leases: vec![Lease { epoch: 0 }],
        runs: Vec::new(),
        in_hand: Vec::new(),
        met: BTreeSet::new(),
    };
    for step in 0..STEPS {
        pair.step = format!("seed {seed}, step {step}");
        pair = pair.operate().await;
    }
    pair.look_at_all().await;
    pair.tested.verify().await;
    pair.met
}

impl<B: Backend> Pair<B> {
    fn stores(&self) -> (Arc<dyn Store>, Arc<dyn Store>) {
        (self.reference.store(), self.tested.store())
    }

    fn same<T: Debug + PartialEq>(&self, what: &str, expected: T, found: T) -> T {
        assert_eq!(expected, found, "{what} differs at {}", self.step);
        expected
    }

    async fn operate(mut self) -> Self {
        match self.chance.below(100) {
            0..30 => self.ingest().await,
            30..33 => self.register().await,
            33..36 => self.acquire().await,
            36..52 => self.claim().await,
            52..55 => self.unclaim().await,
            55..82 => self.change().await,
            82..90 => self.control().await,
            90..93 => self.queues().await,
            93..97 => self.read().await,
            97..99 => self.prune().await,
            _ => return self.reopen().await,
        }
        self
    }

    async fn submit(&mut self, element: Element) -> Verdict {
        let (reference, tested) = self.stores();
        let what = format!("{element:?}");
        let expected = reference.submit(element.clone()).await.unwrap().verdict;
        let Receipt { sequence, verdict } = tested.submit(element).await.unwrap();
        self.last = sequence;
        self.met.insert(name_of(&verdict));
        self.same(&what, expected, verdict)
    }

    /// Both stores, once the tested one shows all that it was given.
    async fn shown(&self) -> (Arc<dyn Store>, Arc<dyn Store>) {
        let (reference, tested) = self.stores();
        tested.durable(self.last).await.unwrap();
        (reference, tested)
    }

    async fn ingest(&mut self) {
        self.now += self.chance.below(3);
        let name = self.chance.pick(&["user", "trial/a", "other"]).unwrap();
        let size = if self.chance.one_in(20) { 70_000 } else { self.chance.below(9) as usize };
        let id = self.now * 1000 + self.chance.below(1000);
        let event = Event {
            received_at: at(self.now as i64),
            name: name.to_owned(),
            data: json(&format!("{:?}", "x".repeat(size))),
            external_id: (!self.chance.one_in(3)).then(|| format!("msg_{}", self.chance.below(25))),
            body: self.chance.one_in(2).then(|| Digest::of(&[self.chance.below(2) as u8])),
            not_before: self.chance.one_in(4).then(|| at((self.now + self.chance.below(20)) as i64)),
            ..event(id, name)
        };
        if let Verdict::Ingested(Ingested::Created { runs, .. }) = self.submit(Element::Ingest(Box::new(event))).await {
            self.runs.extend(runs);
        }
    }

    async fn register(&mut self) {
        let plugins = [
            plugin("mail", &[("welcome", &["user"]), ("drip", &["trial/*"])]),
            plugin("mail", &[("welcome", &["user", "trial/*"])]),
            plugin("billing", &[("trial", &["trial/*"]), ("welcome", &["other"])]),
        ];
        let active = !self.chance.one_in(5);
        let plugin = Plugin { active, ..self.chance.pick(&plugins).unwrap() };
        self.submit(Element::Plugins(vec![plugin])).await;
    }

    async fn acquire(&mut self) {
        let (reference, tested) = self.stores();
        let lease = self.same("acquire", reference.acquire().await.unwrap(), tested.acquire().await.unwrap());
        self.leases.push(lease);
    }

    /// The newest lease, or now and then an older one.
    fn lease(&mut self) -> Lease {
        let newest = self.leases[self.leases.len() - 1];
        if self.chance.one_in(12) { self.chance.pick(&self.leases).unwrap() } else { newest }
    }

    async fn claim(&mut self) {
        let lease = self.lease();
        let queue = workflow(self.chance.pick(&["welcome", "drip", "trial"]).unwrap());
        let now = at((self.now + self.chance.below(12)) as i64);
        let max = self.chance.below(6) as usize;
        let (reference, tested) = self.stores();
        let seen = |claimed: Result<Vec<stepwell_store::Claimed>, stepwell_store::Error>| {
            claimed
                .map(|all| all.into_iter().map(|one| (one.run, one.event, one.journal)).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        let expected = seen(reference.claim(lease, &queue, now, max).await);
        let claimed = self.same("claim", expected, seen(tested.claim(lease, &queue, now, max).await));
        self.in_hand.extend(claimed.unwrap_or_default().into_iter().map(|(run, _, _)| run));
    }

    async fn unclaim(&mut self) {
        let Some(run) = self.chance.pick(&self.in_hand) else { return };
        let lease = self.lease();
        let (reference, tested) = self.stores();
        let said = |answer: Result<(), stepwell_store::Error>| answer.map_err(|error| error.to_string());
        let expected = said(reference.unclaim(lease, run.id).await);
        let _ = self.same("unclaim", expected, said(tested.unclaim(lease, run.id).await));
    }

    async fn change(&mut self) {
        if self.in_hand.is_empty() {
            return;
        }
        let place = self.chance.below(self.in_hand.len() as u64) as usize;
        let seen = self.in_hand[place].clone();
        let lease = self.lease();
        let mut change = Change { entries: self.entries(), ..change(lease, &seen, self.state()) };
        // One that has ended may be kept and changed again.
        change.release = self.chance.one_in(3) || (change.run.status().is_end() && !self.chance.one_in(4));
        if self.chance.one_in(3) {
            change.run.control = None;
        }
        if self.chance.one_in(15) {
            change.seen = change.seen.saturating_sub(1);
        }
        for _ in 0..if self.chance.one_in(3) { self.chance.below(3) } else { 0 } {
            let size = if self.chance.one_in(15) { 9_000 } else { 9 };
            let line = line(self.now as i64, self.chance.pick(&Level::ALL).unwrap(), size);
            if change.run.logged.count(&line) {
                change.lines.push(line);
            }
        }
        let (mut row, release) = (change.run.clone(), change.release);
        match self.submit(Element::Change(Box::new(change))).await {
            Verdict::Changed { revision, control } if !release => {
                (row.revision, row.control) = (revision, control);
                self.in_hand[place] = row;
            }
            // The worker goes on with what it has, now and then.
            _ if self.chance.one_in(4) => {}
            _ => drop(self.in_hand.swap_remove(place)),
        }
    }

    fn state(&mut self) -> State {
        let until = self.now as i64 + self.chance.below(15) as i64;
        let states = [
            State::Running { since: at(until) },
            sleeping(until),
            sleeping(until + 1),
            State::Retrying { at: at(until), entry: None },
            State::Paused { reason: "x".to_owned(), since: at(until) },
            completed(),
            State::Failed { error: RunError::new(ErrorKind::Workflow, "x") },
            State::Cancelled { by: "ada".to_owned() },
        ];
        self.chance.pick(&states).unwrap()
    }

    fn entries(&mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..self.chance.below(3) {
            let index = self.chance.below(4) as u32;
            let size = if self.chance.one_in(15) { 50_000 } else { 1 };
            let output = json(&self.chance.below(2).to_string().repeat(size).replacen('0', "1", 1));
            let entry = if self.chance.one_in(2) { open_step(index) } else { done_step(index, output) };
            if entries.iter().all(|other| other.index != index) {
                entries.push(entry);
            }
        }
        if let Some(Entry { state: EntryState::Open { retry_at, .. }, .. }) = entries.first_mut() {
            *retry_at = Some(at(self.now as i64));
        }
        entries
    }

    async fn control(&mut self) {
        let Some(run) = self.chance.pick(&self.runs) else { return };
        let wish = self.chance.pick(&[Wish::Cancel, Wish::Wake, Wish::Wake, Wish::Resume]).unwrap();
        let control = Control { wish, by: "ada".to_owned(), at: at((self.now + self.chance.below(5)) as i64) };
        self.submit(Element::Control { run, control }).await;
    }

    async fn queues(&mut self) {
        let (reference, tested) = self.stores();
        self.same("queues", reference.queues().await.unwrap(), tested.queues().await.unwrap());
    }

    async fn read(&mut self) {
        let (reference, tested) = self.shown().await;
        if let Some(run) = self.chance.pick(&self.runs) {
            self.same("run", reference.run(run).await.unwrap(), tested.run(run).await.unwrap());
            self.same("log", reference.log(run).await.unwrap(), tested.log(run).await.unwrap());
        }
        self.same("counts", reference.counts().await.unwrap(), tested.counts().await.unwrap());
        self.same("components", reference.components().await.unwrap(), tested.components().await.unwrap());
        let statuses = (0..self.chance.below(3)).filter_map(|_| self.chance.pick(&Status::ALL)).collect();
        let filter = RunFilter { statuses, ..RunFilter::default() };
        let limit = 1 + self.chance.below(30) as usize;
        let expected = all_runs(&*reference, &filter, limit).await;
        self.same("runs", expected, all_runs(&*tested, &filter, limit).await);
    }

    /// All of it, in slices. What was over is over for whole days or not, so nothing is a little late.
    async fn prune(&mut self) {
        const DAY: i64 = 24 * 3600 * 1000;
        let days = |days: u64| Keep::For(Duration::from_secs(days * 24 * 3600));
        let keep = Retention { completed: days(8), failed: days(14), cancelled: days(14), ..Retention::default() };
        let events_named = vec![("trial/*".to_owned().try_into().unwrap(), days(3))];
        let retentions = [
            Retention { events: days(6), events_named, ..keep.clone() },
            Retention { events: days(20), cancelled: Keep::Forever, ..keep },
        ];
        let retention = self.chance.pick(&retentions).unwrap();
        // Deliveries are remembered for longer.
        let now = at(self.chance.pick(&[2, 4, 7, 11, 25]).unwrap() * DAY + DAY / 2);
        let max = 1 + self.chance.below(9) as usize;
        let mut gone = Vec::new();
        let (reference, tested) = self.stores();
        for store in [reference, tested] {
            let (mut runs, mut events) = (0, 0);
            loop {
                let pruned = store.prune(now, &retention, max).await.unwrap();
                (runs, events) = (runs + pruned.runs, events + pruned.events);
                self.last = pruned.sequence;
                if !pruned.more {
                    break;
                }
            }
            gone.push((runs, events));
        }
        let (runs, events) = self.same("prune", gone[0], gone[1]);
        self.met.extend((runs > 0).then_some("runs gone"));
        self.met.extend((events > 0).then_some("events gone"));
    }

    async fn reopen(mut self) -> Self {
        self.reference = self.reference.reopen().await;
        self.last = Sequence::default();
        self.tested = self.tested.reopen().await;
        self
    }

    async fn look_at_all(&self) {
        let (reference, tested) = self.shown().await;
        for run in &self.runs {
            self.same("run", reference.run(*run).await.unwrap(), tested.run(*run).await.unwrap());
            self.same("log", reference.log(*run).await.unwrap(), tested.log(*run).await.unwrap());
        }
        let all = EventFilter::default();
        self.same("events", all_events(&*reference, &all, 50).await, all_events(&*tested, &all, 50).await);
        self.same("registry", reference.registry().await.unwrap(), tested.registry().await.unwrap());
        self.same("queues", reference.queues().await.unwrap(), tested.queues().await.unwrap());
        self.same("counts", reference.counts().await.unwrap(), tested.counts().await.unwrap());
        self.same("components", reference.components().await.unwrap(), tested.components().await.unwrap());
    }
}
