//! The executor: plays the programs of simulated components, and has every answer of the engine looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stepwell_core::execution::Attempted;
use stepwell_core::journal::{CallKind, StepError};
use stepwell_core::log::Level;
use stepwell_core::{Digest, Json, PluginName, RunId, Timestamp};
use stepwell_engine::executor::{LogRecord, Slot, Stopped};
use stepwell_engine::{Activation, Calls, Executor, Exit};

use crate::check::{call, check_passed_the_store, short};
use crate::dice::{HASH_START, hash};
use crate::host::HostId;
use crate::ledger::{BodyEnding, Execution};
use crate::mutation::Mutation;
use crate::program::{End, Ending, Op, Program, Step};
use crate::provider::{Request, Response};
use crate::world::World;

/// Executes programs.
#[derive(Debug)]
pub(crate) struct SimExecutor {
    pub(crate) world: Arc<World>,
    pub(crate) host: HostId,
}

/// Where a guest is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: HostId,
    pub(crate) run: RunId,
    /// Of the call that it is at.
    pub(crate) index: u32,
    /// When it made that call.
    pub(crate) since: u64,
    /// The name of its step in this run.
    pub(crate) step: String,
}

/// One execution of a program, until this is dropped.
struct Guest<'a> {
    world: &'a World,
    calls: &'a dyn Calls,
    place: Place,
    number: u64,
    /// How often this run was executed before.
    before: u32,
    met: BTreeMap<String, u32>,
    /// Of everything that it has seen.
    seen: u64,
    event_ts: i64,
}

/// Why a program does not go on.
enum Left {
    Exit(Exit),
    /// A step's failure that the workflow passes on.
    Failed(StepError),
}

impl From<Stopped> for Left {
    fn from(_: Stopped) -> Self {
        Self::Exit(Exit::Stopped)
    }
}

#[async_trait]
impl Executor for SimExecutor {
    async fn execute(&self, activation: Activation, calls: Arc<dyn Calls>) -> Exit {
        self.world.seam(self.host).await;
        if self.is_lost() {
            return Exit::Unloadable { reason: "the component is lost for a while".to_owned() };
        }
        let Some((program, mut guest)) = self.begin(&activation, &*calls) else {
            return Exit::Trapped { message: "there is no such component".to_owned() };
        };
        let exit = match guest.play(&program).await {
            Ok(result) => Exit::Returned(result),
            Err(Left::Exit(exit)) => exit,
            Err(Left::Failed(error)) => Exit::Returned(Err(error)),
        };
        self.world.seam(self.host).await;
        let mut inner = self.world.lock();
        inner.say(format_args!("host {}: {} exits: {}", self.host, short(activation.run), told(&exit)));
        inner.planted_exit(exit)
    }

    fn var(&self, _: &PluginName, _: Digest, _: &str) -> Option<String> {
        Some(self.world.lock().var.to_string())
    }
}

impl SimExecutor {
    fn is_lost(&self) -> bool {
        let mut inner = self.world.lock();
        let odds = inner.odds.lost_component;
        inner.dice.permille(odds)
    }

    fn begin<'a>(&'a self, activation: &Activation, calls: &'a dyn Calls) -> Option<(Program, Guest<'a>)> {
        let mut inner = self.world.lock();
        let checked = inner.check_execute(self.host, activation);
        inner.note(checked);
        inner.mark_execute(self.host, activation);
        let component = inner.components.get(&activation.component)?;
        let program = component.programs.get(&activation.workflow)?.clone();
        inner.executions += 1;
        let number = inner.executions;
        let before = *inner.ledger.executed.entry(activation.run).and_modify(|count| *count += 1).or_default();
        let is_gone = inner.ledger.applied.gone_runs.contains_key(&activation.run);
        inner.ledger.executions.push(Execution {
            number,
            host: self.host,
            run: activation.run,
            workflow: activation.workflow.clone(),
            gone: false,
            wrote: 0,
            released: None,
            over: is_gone,
        });
        let (run, workflow) = (short(activation.run), &activation.workflow);
        inner.say(format_args!("host {} executes {run} of {workflow} on {}", self.host, activation.component.short()));
        let event_ts = inner.event_at(activation.run);
        drop(inner);
        let place = Place { host: self.host, run: activation.run, index: 0, since: 0, step: String::new() };
        let seen = hash(HASH_START, activation.event_json.as_str().as_bytes());
        let guest = Guest { world: &self.world, calls, place, number, before, met: BTreeMap::new(), seen, event_ts };
        Some((program, guest))
    }
}

impl Guest<'_> {
    async fn play(&mut self, program: &Program) -> Result<Result<Json, StepError>, Left> {
        for op in &program.calls {
            self.op(op).await?;
            let message = format!("behind call {} of execution {}", self.place.index, self.number);
            self.calls.log(LogRecord { level: Level::Info, message, fields: BTreeMap::new() });
            let clock = self.calls.wall_clock().as_millis();
            self.see(&clock.to_le_bytes());
        }
        match program.end {
            End::Ok => {
                let output = number(self.seen);
                self.world.lock().returned(self.place.run, &output);
                Ok(Ok(output))
            }
            End::Fail => Ok(Err(StepError { permanent: true, ..StepError::transient("the workflow fails") })),
            End::Again { retry_after_ms } => {
                let error = StepError::transient("the workflow fails and wants to be tried again");
                Ok(Err(StepError { retry_after_ms: Some(retry_after_ms), ..error }))
            }
        }
    }

    fn see(&mut self, bytes: &[u8]) {
        self.seen = hash(self.seen, bytes);
    }

    async fn op(&mut self, op: &Op) -> Result<(), Left> {
        match op {
            Op::Step(step) => {
                let outcome = self.step(step).await?;
                self.place.index += 1;
                match outcome {
                    Ok(output) => self.see(output.as_str().as_bytes()),
                    Err(error) if step.caught => self.see(error.message.as_bytes()),
                    Err(error) => return Err(Left::Failed(error)),
                }
            }
            Op::Sleep { name, ms } => {
                let duration = Duration::from_millis(*ms);
                let differs = self.meet(CallKind::Sleep, name, ms.to_string().as_bytes());
                self.world.seam(self.place.host).await;
                self.calls.sleep(name.clone(), duration).await?;
                self.awake(differs, None);
            }
            Op::SleepUntil { name, after_ms } => {
                let until = self.event_ts.saturating_add(*after_ms);
                let differs = self.meet(CallKind::SleepUntil, name, until.to_string().as_bytes());
                self.world.seam(self.place.host).await;
                self.calls.sleep_until(name.clone(), Timestamp::from_millis(until)).await?;
                self.awake(differs, Some(until));
            }
            Op::Var => {
                self.world.seam(self.place.host).await;
                let value = self.calls.var("VAR".to_owned()).await?;
                self.see(value.unwrap_or_default().as_bytes());
            }
            Op::Trap { times } if self.before < *times => {
                return Err(Left::Exit(Exit::Trapped { message: "the guest traps outside steps".to_owned() }));
            }
            Op::Trap { .. } => {}
            Op::Differ => self.differ().await?,
        }
        Ok(())
    }

    /// Makes another call on each execution.
    async fn differ(&mut self) -> Result<(), Left> {
        let name = format!("differ-{}", self.before);
        let differs = self.meet(CallKind::Run, &name, b"");
        let hidden = self.world.lock().mutation == Some(Mutation::HideDifference);
        let made = if hidden { "differ-0".to_owned() } else { name };
        self.world.seam(self.place.host).await;
        let slot = self.calls.step(made, String::new()).await?;
        let checked = self.world.lock().check_went_on(&self.place, differs);
        self.world.lock().note(checked);
        if let Slot::Execute(attempt) = slot {
            let _ = self.calls.finish(attempt.token, Ok(number(1))).await?;
        }
        self.place.index += 1;
        Ok(())
    }

    fn awake(&mut self, differs: bool, until: Option<i64>) {
        let mut inner = self.world.lock();
        let checked = inner.check_went_on(&self.place, differs);
        inner.note(checked);
        let checked = inner.check_awake(&self.place, until);
        inner.note(checked);
        drop(inner);
        self.place.index += 1;
    }

    /// Notes the call that is made now. Answers whether the journal has another one.
    fn meet(&mut self, kind: CallKind, name: &str, options: &[u8]) -> bool {
        let count = self.met.entry(name.to_owned()).and_modify(|count| *count += 1).or_insert(1);
        self.place.step = if *count == 1 { name.to_owned() } else { format!("{name}#{count}") };
        let made = call(kind, &self.place.step, options);
        let mut inner = self.world.lock();
        self.place.since = inner.time.passed();
        inner.differs(&self.place, &made)
    }

    async fn step(&mut self, step: &Step) -> Result<Result<Json, StepError>, Left> {
        let differs = self.meet(CallKind::Run, &step.name, step.options.as_bytes());
        self.world.seam(self.place.host).await;
        let slot = self.calls.step(step.name.clone(), step.options.clone()).await?;
        {
            let mut inner = self.world.lock();
            let checked = inner.check_went_on(&self.place, differs);
            inner.note(checked);
            let checked = inner.check_slot(&self.place, step, &slot);
            inner.note(checked);
        }
        match slot {
            Slot::Done(output) => Ok(Ok(output)),
            Slot::Failed(error) => Ok(Err(error)),
            Slot::Execute(attempt) => self.attempt(step, &attempt).await,
        }
    }

    async fn attempt(&mut self, step: &Step, attempt: &Attempted) -> Result<Result<Json, StepError>, Left> {
        self.say(format_args!("attempt {} of {}", attempt.number, self.place.step));
        let given = self.body(step, attempt).await?;
        self.world.lock().body_ends(&self.place, BodyEnding::Gave(given.clone()));
        self.world.seam(self.place.host).await;
        let taken = self.calls.finish(attempt.token, given.clone()).await?;
        let taken = match taken {
            Ok(()) => Ok(given.clone()),
            Err(error) => Err(error),
        };
        let mut inner = self.world.lock();
        let checked = inner.check_finished(&self.place, &given, &taken);
        inner.note(checked);
        Ok(taken.and_then(|given| given))
    }

    async fn body(&mut self, step: &Step, attempt: &Attempted) -> Result<Result<Json, StepError>, Left> {
        self.world.pause(step.takes_ms).await;
        for nth in 1..=step.requests {
            if let Err(error) = self.request(step, attempt.token, nth).await? {
                return Ok(Err(error));
            }
        }
        let at = usize::try_from(attempt.number.saturating_sub(1)).unwrap_or_default();
        match step.endings.get(at).or(step.endings.last()).copied().unwrap_or(Ending::Done) {
            // Another one each time: that the first one counts must be seen.
            Ending::Done => Ok(Ok(number(self.world.lock().dice.number()))),
            Ending::Fail => Ok(Err(StepError::transient("the step fails"))),
            Ending::FailFor { retry_after_ms } => {
                let error = StepError::transient("the step fails for a time");
                Ok(Err(StepError { retry_after_ms: Some(retry_after_ms), ..error }))
            }
            Ending::Permanent => Ok(Err(StepError { permanent: true, ..StepError::transient("the step is refused") })),
            Ending::Trap => {
                self.world.lock().body_ends(&self.place, BodyEnding::Trapped);
                Err(Left::Exit(Exit::Trapped { message: "the guest traps in a step".to_owned() }))
            }
            Ending::Hang => std::future::pending().await,
        }
    }

    async fn request(&mut self, step: &Step, token: u64, nth: u32) -> Result<Result<(), StepError>, Left> {
        self.world.seam(self.place.host).await;
        let asked_at = {
            let inner = self.world.lock();
            // One that is made again is on record already, and does not pass the store a second time.
            let is_gone = inner.ledger.applied.gone_runs.contains_key(&self.place.run);
            (!is_gone && !inner.is_on_record(&self.place)).then_some(inner.disk.submitted)
        };
        let permit = self.calls.permit(token).await?;
        self.world.seam(self.place.host).await;
        let (response, takes) = {
            let mut inner = self.world.lock();
            let key = inner.planted_key(permit.key, self.number);
            let request = Request { key, body: format!("{:016x}", hash(self.seen, &nth.to_le_bytes())) };
            let checked = inner.check_leaves(&self.place, nth, &self.place.step, &request);
            inner.note(checked);
            let wrote = inner.ledger.execution(self.number).map_or(0, |it| it.wrote);
            let checked = check_passed_the_store(&self.place, nth, asked_at.is_none_or(|asked_at| wrote > asked_at));
            inner.note(checked);
            let (response, takes, twice) = inner.request(&request);
            if twice {
                let checked = inner.check_forgotten(&self.place, step);
                inner.note(checked);
            }
            (response, takes)
        };
        self.world.pause(takes).await;
        self.world.seam(self.place.host).await;
        Ok(match response {
            Response::Done => Ok(()),
            Response::Failed => Err(StepError::transient("the provider failed")),
            Response::Unknown => Err(StepError::transient("the connection broke")),
            Response::Limited { retry_after_ms } => {
                let error = StepError::transient("the provider is busy");
                Err(StepError { retry_after_ms: Some(retry_after_ms), ..error })
            }
        })
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        let (host, run) = (self.place.host, short(self.place.run));
        self.world.lock().say(format_args!("host {host}: {run}: {what}"));
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        if let Some(execution) = self.world.lock().ledger.execution(self.number) {
            execution.gone = true;
        }
    }
}

fn number(number: u64) -> Json {
    Json::of(&number).unwrap_or_else(|_| Json::null())
}

fn told(exit: &Exit) -> String {
    match exit {
        Exit::Returned(Ok(output)) => format!("returned {}", output.as_str()),
        Exit::Returned(Err(error)) => format!("failed: {}", error.message),
        Exit::Stopped => "stopped".to_owned(),
        Exit::Trapped { message } | Exit::Unloadable { reason: message } => message.clone(),
        Exit::Exceeded { limit } => limit.clone(),
        Exit::Misused { message } => message.clone(),
    }
}
