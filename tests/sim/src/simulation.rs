//! One simulation: lets time pass, makes happen what is on the agenda, ends and starts hosts, and at the end
//! lets everything run out.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwell_core::run::{State, Wish};
use stepwell_core::{PluginName, RunId};
use tokio::time::{Duration, Instant, sleep_until};

use crate::agenda::{Action, Agenda};
use crate::check::{Checker, Violation};
use crate::client::{self, Delivery};
use crate::dice::Dice;
use crate::host::{Host, HostId};
use crate::mark::Mark;
use crate::odds::Odds;
use crate::people::People;
use crate::program::{Component, Shape};
use crate::world::World;

/// How often paused runs are resumed at the end.
const RESUMED_MAX: u32 = 12;
/// A host may end where a sync takes longer than this: it waits for two of them at most, 60 s in all.
const SILENT_MS: u64 = 20_000;
/// Moments in one simulation: more means that it goes round in circles.
const MOMENTS_MAX: u64 = 1_000_000;

/// A simulation under way.
pub(crate) struct Simulation {
    world: Arc<World>,
    seed: u64,
    shape: Shape,
    agenda: BTreeMap<(u64, u64), Action>,
    calm_at: u64,
    calm: bool,
    storm: Vec<u64>,
    long_down: u64,
    entries: u64,
    /// Processes that live; the last one has the newest lease.
    hosts: Vec<Host>,
    next_host: u64,
    folder: BTreeMap<PluginName, Arc<Component>>,
    versions: BTreeMap<PluginName, u64>,
    /// Requests that were not answered yet.
    asked: BTreeMap<u64, (HostId, Delivery)>,
    resumed: u32,
}

impl Simulation {
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        let mut dice = Dice::part(seed, "agenda");
        let mutation = world.lock().mutation;
        let shape = Shape::throw(&mut dice, mutation);
        let mut people = People::throw(seed);
        let agenda = Agenda::throw(&mut dice, (&mut people, mutation));
        let Agenda { actions, calm_at, storm, long_down } = agenda;
        let mut simulation = Self {
            world,
            seed,
            shape,
            agenda: BTreeMap::new(),
            calm_at,
            calm: false,
            storm,
            long_down,
            entries: 0,
            hosts: Vec::new(),
            next_host: 1,
            folder: BTreeMap::new(),
            versions: BTreeMap::new(),
            asked: BTreeMap::new(),
            resumed: 0,
        };
        for (at, action) in actions {
            simulation.enter(at, action);
        }
        let plugins: Vec<PluginName> = simulation.shape.plugins().cloned().collect();
        plugins.iter().for_each(|plugin| drop(simulation.next_version(plugin)));
        simulation
    }

    /// Runs to the end, or to the first violation.
    pub(crate) async fn run(mut self) {
        for _ in 0..MOMENTS_MAX {
            settle().await;
            self.reap();
            self.hear();
            if self.at_rest() {
                return;
            }
        }
        let what = format!("more than {MOMENTS_MAX} moments: the simulation does not end");
        self.world.lock().note(Err(Violation { checker: Checker::Host, what }));
    }

    /// Nobody can do anything now: looks, and goes to the next moment. Answers whether there is none.
    fn at_rest(&mut self) -> bool {
        {
            let mut inner = self.world.lock();
            let checked = inner.check_rest();
            inner.note(checked);
            if inner.violation.is_some() {
                return true;
            }
        }
        let next = self.agenda.keys().next().map(|(at, _)| *at);
        let next = if self.calm { next } else { Some(next.unwrap_or(self.calm_at).min(self.calm_at)) };
        if !self.world.advance(next) {
            return !self.goes_on();
        }
        let now = self.world.lock().time.passed();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let action = entry.remove();
            self.perform(action);
        }
        if !self.calm && now >= self.calm_at {
            self.calm_down();
        }
        false
    }

    fn enter(&mut self, at: u64, action: Action) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), action);
    }

    fn later(&mut self, within_ms: u64, action: Action) {
        let at = {
            let mut inner = self.world.lock();
            inner.time.passed() + inner.dice.spread(1, within_ms)
        };
        self.enter(at, action);
    }

    fn calm_down(&mut self) {
        self.calm = true;
        let mut inner = self.world.lock();
        inner.say(format_args!("from now on nothing goes wrong"));
        inner.odds = Odds::CALM;
        inner.hosts.values_mut().for_each(|process| process.dies_at = None);
        inner.dies_erasing = false;
        let prunes = inner.settings.retention.take().is_some();
        drop(inner);
        if prunes {
            // Who prunes by the clock never comes to rest: the next host does not.
            while let Some(host) = self.hosts.last().map(|host| host.id) {
                self.end(host, "it is replaced by one that does not prune");
            }
        }
        self.enter(0, Action::EndSuperseded);
        self.enter(0, Action::Start);
    }

    /// Everything has run out but what waits for a person. Answers whether it goes on.
    fn goes_on(&mut self) -> bool {
        let paused: Vec<RunId> = {
            let inner = self.world.lock();
            let runs = inner.ledger.applied.runs.iter();
            runs.filter(|(_, row)| matches!(row.state, State::Paused { .. })).map(|(run, _)| *run).collect()
        };
        let Some(to) = self.open_host().filter(|_| !paused.is_empty() && self.resumed < RESUMED_MAX) else {
            let mut inner = self.world.lock();
            let checked = inner.check_end();
            inner.note(checked);
            return false;
        };
        self.resumed += 1;
        for run in paused {
            self.ask(to.0, client::wish(Arc::clone(&self.world), to.clone(), run, Wish::Resume));
        }
        true
    }

    /// Asks the newest host to stop in order.
    fn stop(&mut self) {
        if let Some(host) = self.hosts.last_mut() {
            host.stop(&self.world);
        }
    }

    fn open_host(&self) -> Option<(HostId, stepwell_engine::Handle)> {
        let newest = self.hosts.iter().rev();
        newest.filter_map(|host| Some((host.id, host.handle()?))).find(|(id, _)| self.world.lock().is_alive(*id))
    }

    fn ask(&mut self, host: HostId, request: impl Future<Output = ()> + Send + 'static) {
        if let Some(host) = self.hosts.iter_mut().find(|it| it.id == host) {
            host.ask(request);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Deliver(delivery) => self.deliver(delivery),
            Action::Wish(wish) => self.wish(wish),
            Action::Swap => self.swap(),
            Action::Retire => self.retire(),
            Action::Jump(by) => {
                self.world.lock().say(format_args!("the wall clock is set by {by} ms"));
                self.world.jump(by);
            }
            Action::DieAt(call) => {
                let newest = self.hosts.last().map(|host| host.id);
                let mut inner = self.world.lock();
                if let Some(process) = newest.and_then(|newest| inner.hosts.get_mut(&newest)) {
                    process.dies_at = Some(process.seams + call);
                }
            }
            Action::Die => {
                if let Some(host) = self.hosts.last().map(|host| host.id) {
                    self.end(host, "it is killed");
                }
            }
            Action::Stop => self.stop(),
            Action::TakeOver if !self.calm && !self.hosts.is_empty() => {
                self.start();
                self.later(60_000, Action::EndSuperseded);
            }
            Action::TakeOver => {}
            Action::EndSuperseded => {
                while self.hosts.len() > 1 {
                    if let Some(host) = self.hosts.first().map(|host| host.id) {
                        self.end(host, "it is superseded");
                    }
                }
            }
            Action::Start if self.hosts.is_empty() => self.start(),
            Action::Start => {}
            Action::Read => {
                if let Some((host, _)) = self.open_host() {
                    self.ask(host, client::read(Arc::clone(&self.world), host));
                }
            }
            Action::SetVar => self.world.lock().var += 1,
            Action::Erase { person, last } => self.erase(person, last),
        }
    }

    fn erase(&mut self, person: String, last: bool) {
        let Some(to) = self.open_host() else {
            return self.later(3_600_000, Action::Erase { person, last });
        };
        self.world.lock().dies_erasing = last && !self.calm;
        self.ask(to.0, client::erase(Arc::clone(&self.world), to, person));
    }

    fn deliver(&mut self, delivery: Delivery) {
        let Some(to) = self.open_host() else {
            return self.later(3_600_000, Action::Deliver(delivery));
        };
        self.entries += 1;
        let request = self.entries;
        self.asked.insert(request, (to.0, delivery.clone()));
        self.ask(to.0, client::deliver(Arc::clone(&self.world), to, request, delivery));
    }

    /// What senders were answered: who was not comes again, if he has an id for it.
    fn hear(&mut self) {
        let answers = std::mem::take(&mut self.world.lock().answers);
        for answer in answers {
            let Some((_, delivery)) = self.asked.remove(&answer.request) else { continue };
            if !answer.taken {
                self.again(delivery);
            }
        }
    }

    fn again(&mut self, delivery: Delivery) {
        if delivery.external_id.is_some() {
            self.later(30_000, Action::Deliver(delivery));
        }
    }

    fn wish(&mut self, wish: Wish) {
        let run = {
            let mut inner = self.world.lock();
            let runs: Vec<RunId> = inner.ledger.applied.runs.keys().copied().collect();
            inner.dice.pick(&runs).copied()
        };
        if let (Some(run), Some(to)) = (run, self.open_host()) {
            self.ask(to.0, client::wish(Arc::clone(&self.world), to, run, wish));
        }
    }

    fn some_plugin(&self) -> Option<PluginName> {
        let plugins: Vec<PluginName> = self.shape.plugins().cloned().collect();
        self.world.lock().dice.pick(&plugins).cloned()
    }

    fn next_version(&mut self, plugin: &PluginName) -> Option<Arc<Component>> {
        let version = self.versions.entry(plugin.clone()).and_modify(|version| *version += 1).or_insert(1);
        let component = Arc::new(self.shape.component(plugin, *version, self.seed)?);
        self.world.lock().components.insert(component.digest, Arc::clone(&component));
        self.folder.insert(plugin.clone(), Arc::clone(&component));
        Some(component)
    }

    fn swap(&mut self) {
        let Some(component) = self.some_plugin().and_then(|plugin| self.next_version(&plugin)) else { return };
        if let Some(to) = self.open_host() {
            self.ask(to.0, client::register(Arc::clone(&self.world), to, component));
        }
    }

    fn retire(&mut self) {
        let Some(plugin) = self.some_plugin() else { return };
        self.folder.remove(&plugin);
        if let Some(to) = self.open_host() {
            self.ask(to.0, client::retire(Arc::clone(&self.world), to, plugin));
        }
    }

    fn start(&mut self) {
        let id = HostId(self.next_host);
        self.next_host += 1;
        let folder = self.folder.values().cloned().collect();
        self.hosts.push(Host::start(&self.world, id, folder));
        let dies_at = if self.calm { None } else { self.storm.pop() };
        if let Some(process) = self.world.lock().hosts.get_mut(&id) {
            process.dies_at = dies_at;
        }
    }

    /// Sees which processes have died or ended by themselves.
    fn reap(&mut self) {
        {
            let inner = self.world.lock();
            let epoch = |id: HostId| inner.hosts.get(&id).map_or(0, |process| process.epoch);
            self.hosts.sort_by_key(|host| (epoch(host.id), host.id));
        }
        let ids: Vec<HostId> = self.hosts.iter().map(|host| host.id).collect();
        for id in ids {
            let ended = self.hosts.iter().find(|host| host.id == id).and_then(Host::ended);
            let (alive, broken) = {
                let inner = self.world.lock();
                let silent = inner.disk.was_silent(inner.time.passed(), SILENT_MS);
                (inner.hosts.get(&id).is_some_and(|process| process.alive), inner.disk.broken.is_some() || silent)
            };
            if self.hosts.iter().any(|host| host.id == id && host.has_stopped()) {
                self.world.lock().stopped(id);
                self.end(id, "it has stopped");
                continue;
            }
            match ended {
                Some(reason) => {
                    if reason.contains("STORE_SILENT_MAX") {
                        self.world.lock().mark(Mark::StoreSilent);
                    }
                    let newest = self.hosts.last().is_some_and(|host| host.id == id);
                    if newest && !broken && alive {
                        let what = format!("host {id} ended without a reason: {reason}");
                        self.world.lock().note(Err(Violation { checker: Checker::Host, what }));
                    }
                    self.end(id, &reason);
                }
                None if !alive => self.end(id, "it died"),
                None => {}
            }
        }
    }

    /// A process is gone. With the newest one goes what it had in memory, and what others did upon it.
    fn end(&mut self, id: HostId, why: &str) {
        let Some(at) = self.hosts.iter().position(|host| host.id == id) else { return };
        self.world.lock().say(format_args!("host {id} is gone: {why}"));
        if at + 1 < self.hosts.len() {
            self.kill(at);
            self.world.lock().unheard = true;
            return self.nudge();
        }
        while !self.hosts.is_empty() {
            self.kill(0);
        }
        self.world.crash();
        match self.calm {
            true => self.enter(0, Action::Start),
            false => {
                let down_ms = self.down_ms();
                let at = self.world.lock().time.passed() + down_ms;
                self.enter(at, Action::Start);
            }
        }
    }

    /// How long nobody is there after an end: mostly for a moment, at times for up to three days, and often then for
    /// longer than a provider remembers a key.
    fn down_ms(&self) -> u64 {
        const DAY_MS: u64 = 24 * 3_600_000;
        let dice = &mut self.world.lock().dice;
        match (dice.permille(self.long_down), dice.permille(500)) {
            (false, _) => dice.spread(1, 10_000),
            (true, false) => dice.spread(1, 3 * DAY_MS),
            (true, true) => DAY_MS + dice.spread(1, 2 * DAY_MS),
        }
    }

    fn kill(&mut self, at: usize) {
        let host = self.hosts.remove(at);
        let id = host.id;
        if let Some(process) = self.world.lock().hosts.get_mut(&id) {
            process.alive = false;
        }
        host.kill();
        self.world.lock().ledger.executions.retain(|it| it.host != id);
        let lost: Vec<u64> =
            self.asked.iter().filter(|(_, (host, _))| *host == id).map(|(number, _)| *number).collect();
        for number in lost {
            if let Some((_, delivery)) = self.asked.remove(&number) {
                self.again(delivery);
            }
        }
    }

    /// What a superseded process has taken in nobody tells the newest one: the embedded store has one process.
    /// So it is made to look.
    fn nudge(&mut self) {
        let Some((id, handle)) = self.open_host() else { return };
        let world = Arc::clone(&self.world);
        self.ask(id, async move {
            client::nudge(&world, id, &handle).await;
        });
    }
}

/// Resolves once nobody can do anything before time passes: tokio's own paused clock moves only then.
async fn settle() {
    sleep_until(Instant::now() + Duration::from_millis(1)).await;
}
