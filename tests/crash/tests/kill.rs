//! Fifty rounds of kill -9 under load; `STEPWELL_CRASH_ROUNDS` and `STEPWELL_CRASH_SEED` choose others.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use stepwell_crash::{Chaos, Ledger, Load, WORKFLOWS, check_ended, check_events, course};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Config, Emulators, Host, Seed, Seen, guest, pause, until};
use tokio::time::{Instant, timeout};

const ROUNDS: u64 = 50;
/// How far the timers are moved between two looks, so that no run waits long for its next attempt.
const ADVANCE_MS: i64 = 2_000;

struct World {
    host: Host,
    emulators: Emulators,
    seed: Seed,
    chaos: Chaos,
    ledger: Ledger,
    load: Load,
    /// Runs that were found in the middle of something at a start, summed up over all rounds.
    interrupted: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_and_nothing_happens_twice() {
    println!("{}", course(("STEPWELL_CRASH_ROUNDS", ROUNDS), play).await.unwrap());
}

async fn play(rounds: u64, seed: u64) -> Result<String> {
    let mut world = World::new(seed).await?;
    for round in 0..rounds {
        let played = world.round().await;
        played.map_err(|error| anyhow!("in round {round}: {error:#}\n{}", world.host.last_lines()))?;
    }
    let told = world.end().await;
    told.map_err(|error| anyhow!("after the last round: {error:#}\n{}", world.host.last_lines()))
}

impl World {
    async fn new(number: u64) -> Result<Self> {
        let mut host = Host::new(Config::new())?;
        let emulators = Emulators::start(&host.home.path().join("emulators.log")).await?;
        host.config = Config::new().with_emulators(emulators.address());
        for workflow in WORKFLOWS {
            host.home.put_plugin(workflow, &guest(workflow)?)?;
        }
        let mut seed = Seed::new(number);
        let chaos = Chaos::new(Seed::new(seed.number()));
        Ok(Self { host, emulators, seed, chaos, ledger: Ledger::default(), load: Load::default(), interrupted: 0 })
    }

    /// A start, load for a random time, a kill, and what must hold at once.
    async fn round(&mut self) -> Result<()> {
        if self.seed.percent(15) {
            // Killed while it starts, also while it recovers.
            let after = Duration::from_millis(self.seed.between(1, 400));
            self.host.start_and_crash(after).await?;
        }
        self.host.start().await?;
        let runs = check_events(self.host.api()?, &self.ledger).await.context("right after the start")?;
        self.interrupted += runs.iter().filter(|run| run.status == "running").count();
        let life = Duration::from_millis(self.seed.between(20, 1_500));
        let end = Instant::now() + life;
        let killer = self.host.process()?.killer()?;
        let strike = async {
            pause(life).await;
            killer.strike()
        };
        let (struck, loaded) = tokio::join!(strike, self.burden(end));
        loaded?;
        struck?;
        self.host.crash()?;
        self.ledger.collect(&self.emulators).await?;
        self.ledger.check()?;
        Ok(())
    }

    /// Load until the host is killed, which cuts it off in the middle of anything.
    async fn burden(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.chaos.stir(&self.emulators).await?;
            let count = self.seed.between(0, 8);
            self.load.add(count, &mut self.seed)?;
            let (intake, api) = (self.host.intake()?, self.host.api()?);
            let moved = self.host.advance(ADVANCE_MS).await;
            // Whoever is dead does not answer; whoever is not must.
            anyhow::ensure!(moved.is_ok() || Instant::now() >= end, "{moved:?}");
            self.load.send(intake, &mut self.ledger).await?;
            self.ledger.look(api, &self.emulators).await?;
        }
        Ok(())
    }

    /// Lets everything end, and checks all of it.
    async fn end(&mut self) -> Result<String> {
        self.host.start().await?;
        self.emulators.clear_faults().await?;
        self.load.send(self.host.intake()?, &mut self.ledger).await?;
        anyhow::ensure!(self.load.open() == 0, "{} deliveries are not accepted", self.load.open());
        self.let_end("status=queued,running,retrying").await?;
        // However often it was killed, a week is a week.
        self.ledger.collect(&self.emulators).await?;
        self.ledger.check_asleep("drip-check-in")?;
        self.emulators.advance(7 * 86_400_000).await?;
        self.host.advance(7 * 86_400_000).await?;
        self.let_end("status=queued,running,retrying,sleeping").await?;
        let runs = check_ended(self.host.api()?, &self.ledger).await?;
        self.ledger.look(self.host.api()?, &self.emulators).await?;
        self.ledger.collect(&self.emulators).await?;
        let effects = self.ledger.check()?;
        let (deliveries, steps) = (self.load.deliveries(), self.ledger.completed_steps());
        anyhow::ensure!(effects.effects == deliveries * 4, "{effects:?} of {deliveries} deliveries, each has four");
        let interrupted = self.interrupted;
        Ok(format!(
            "{deliveries} deliveries, {runs} runs, {interrupted} times one was interrupted, \
             {steps} steps seen completed, {effects:?}"
        ))
    }

    /// Moves the timers on until no run is like this.
    async fn let_end(&mut self, query: &str) -> Result<()> {
        let api = self.host.api()?;
        let host = &mut self.host;
        let ended = until("all runs to end", CONDITION_MAX, async || {
            let left = api.runs(query).await?;
            let Some(first) = left.first() else { return Ok(Seen::This(())) };
            host.advance(ADVANCE_MS * 10).await?;
            Ok(Seen::NotYet(format!("{} left, such as {}", left.len(), first.told())))
        });
        timeout(CONDITION_MAX * 2, ended).await?
    }
}
