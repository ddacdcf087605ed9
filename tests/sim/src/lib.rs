//! Deterministic simulation of the engine: a real engine upon a simulated clock, disk, guests and outside world,
//! all from one seed and on one thread. Hosts die at any call, disks are slow, fail and lose what was not
//! durable, clocks jump, providers lose answers; checkers with books of their own watch what must stay true.
//!
//! The same seed takes the same way: [`Report::hash`] tells. docs/reliability.md has how to use it.

mod agenda;
mod backend;
mod check;
mod client;
mod crash;
mod deleting;
mod dice;
mod disk;
mod fanout;
mod guest;
mod host;
mod ledger;
mod mark;
mod mutation;
mod odds;
mod people;
mod planted;
mod ports;
mod program;
mod provider;
mod simulation;
mod store;
mod time;
mod told;
mod trace;
mod witness;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use check::{Checker, Violation};
pub use mark::{Mark, Marks};
pub use mutation::Mutation;

use backend::{Backend, Memory, Sled};
use dice::Dice;
use disk::Disk;
use ledger::Ledger;
use odds::Odds;
use people::settings;
use provider::Provider;
use simulation::Simulation;
use time::Time;
use trace::Trace;
use witness::WitnessFile;
use world::{Inner, World};

/// What a simulation is to be like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Over the embedded store in a temporary directory, and not over the reference in memory.
    pub sled: bool,
    /// A fault to plant.
    pub mutation: Option<Mutation>,
    /// Whether the whole trace is kept, and not its end alone.
    pub trace: bool,
}

/// What became of a simulation.
#[derive(Clone, Debug)]
pub struct Report {
    pub seed: u64,
    pub violation: Option<Violation>,
    /// Of every event of the trace: the same for the same seed.
    pub hash: u64,
    pub figures: Figures,
    pub marks: Marks,
    pub trace: Vec<String>,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub simulated_ms: u64,
    pub calls: u64,
    pub events: u64,
    pub runs: u64,
    pub activations: u64,
    pub effects: u64,
    pub hosts: u64,
    pub trace_lines: u64,
}

impl Figures {
    /// Adds another simulation's.
    pub const fn add(&mut self, other: &Self) {
        self.simulated_ms += other.simulated_ms;
        self.calls += other.calls;
        self.events += other.events;
        self.runs += other.runs;
        self.activations += other.activations;
        self.effects += other.effects;
        self.hosts += other.hosts;
        self.trace_lines += other.trace_lines;
    }
}

/// Runs the simulation of this seed.
///
/// # Errors
/// Where it could not be begun: no runtime, no temporary directory.
pub fn simulate(seed: u64, options: Options) -> anyhow::Result<Report> {
    let backend: Box<dyn Backend> = match options.sled {
        true => Box::new(Sled::new().map_err(anyhow::Error::msg)?),
        false => Box::new(Memory::new()),
    };
    let world = Arc::new(world(seed, options, backend));
    // Nobody but `settle` uses tokio's clock: that it is paused tells when everybody waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let simulation = Simulation::new(Arc::clone(&world), seed);
    runtime.block_on(simulation.run());
    drop(runtime);
    Ok(report(seed, &world))
}

fn world(seed: u64, options: Options, backend: Box<dyn Backend>) -> World {
    let mut odds = Dice::part(seed, "odds");
    World::new(Inner {
        dice: Dice::part(seed, "world"),
        odds: Odds::throw(&mut odds),
        mutation: options.mutation,
        time: Time::new(),
        trace: Trace::new(options.trace),
        disk: Disk::over(backend),
        ledger: Ledger::default(),
        hosts: BTreeMap::new(),
        provider: Provider::default(),
        components: BTreeMap::new(),
        witness: WitnessFile::default(),
        var: 0,
        seams: 0,
        executions: 0,
        forgotten: BTreeSet::new(),
        unheard: false,
        dies_erasing: false,
        asked_to_erase: BTreeSet::new(),
        unknown_plugin: false,
        answers: Vec::new(),
        violation: None,
        marks: Marks::new(),
        settings: settings(seed, options.mutation, &mut odds),
    })
}

fn report(seed: u64, world: &World) -> Report {
    let inner = world.lock();
    let count = |count: usize| count as u64;
    let figures = Figures {
        simulated_ms: inner.time.passed(),
        calls: inner.seams,
        events: count(inner.ledger.applied.events.len()),
        runs: count(inner.ledger.applied.runs.len()),
        activations: inner.executions,
        effects: count(inner.provider.effects()),
        hosts: count(inner.hosts.len()),
        trace_lines: inner.trace.lines(),
    };
    let (violation, marks) = (inner.violation.clone(), inner.marks.clone());
    Report { seed, violation, hash: inner.trace.hash(), figures, marks, trace: inner.trace.text() }
}
