//! What the simulated components do: a small program for each workflow, thrown from the seed. A new version of a
//! plugin has other programs under the same triggers and limits.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepwell_core::{Digest, Manifest, PluginName, WorkflowId};

use crate::dice::Dice;
use crate::mutation::Mutation;

/// Event names that are sent, and the triggers that workflows have.
pub(crate) const EVENTS: &[&str] = &["user/created", "user/deleted", "order/paid", "order/late"];
const TRIGGERS: &[&str] = &["user/created", "user/*", "order/paid", "order/*", "user/deleted"];
/// The name of a group of workflows with a common limit.
const GROUP: &str = "mail";

/// A component, with what it declares.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) plugin: PluginName,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) programs: BTreeMap<WorkflowId, Program>,
}

/// What a workflow does, from the top.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) calls: Vec<Op>,
    pub(crate) end: End,
}

/// One thing that a workflow does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Step(Step),
    Sleep {
        name: String,
        ms: u64,
    },
    /// Until so long after the event.
    SleepUntil {
        name: String,
        after_ms: i64,
    },
    Var,
    /// Traps the first times that it is there.
    Trap {
        times: u32,
    },
    /// Another call on each execution: what a workflow must not do.
    Differ,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// As the call has them.
    pub(crate) options: String,
    pub(crate) policy: Policy,
    pub(crate) timeout_ms: u64,
    /// Whether an attempt of unknown outcome waits for a person once the provider may have forgotten it.
    pub(crate) pauses: bool,
    pub(crate) requests: u32,
    pub(crate) takes_ms: u64,
    /// How each attempt ends; the last one stands for all that follow.
    pub(crate) endings: Vec<Ending>,
    /// Whether the workflow goes on when it has failed.
    pub(crate) caught: bool,
}

impl Op {
    /// The name of its call, without a number.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Step(step) => Some(&step.name),
            Self::Sleep { name, .. } | Self::SleepUntil { name, .. } => Some(name),
            Self::Var | Self::Trap { .. } | Self::Differ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) attempts_max: u32,
    pub(crate) first_delay_ms: u64,
    pub(crate) factor: u64,
    pub(crate) delay_max_ms: u64,
    /// In percent.
    pub(crate) jitter: u64,
}

/// How an attempt ends, if none of its requests fails it before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Done,
    Fail,
    FailFor { retry_after_ms: u64 },
    Permanent,
    Trap,
    Hang,
}

/// How a workflow ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Ok,
    Fail,
    /// It asks to be tried again; it will not work then either.
    Again {
        retry_after_ms: u64,
    },
}

/// What a simulation's plugins are like, in all their versions.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    plugins: Vec<(PluginName, Vec<Workflow>)>,
    differs: u64,
}

#[derive(Clone, Debug)]
struct Workflow {
    id: WorkflowId,
    triggers: Vec<&'static str>,
    limit: Option<u64>,
    grouped: bool,
}

impl Shape {
    pub(crate) fn throw(dice: &mut Dice, mutation: Option<Mutation>) -> Self {
        let differs = match (mutation, dice.between(0, 60)) {
            (None, differs) => differs,
            (Some(Mutation::HideDifference), _) => 400,
            // One planted fault at a time.
            (Some(_), _) => 0,
        };
        let mut number = 0;
        let mut plugins = Vec::new();
        for plugin in 0..dice.between(1, 3) {
            let Ok(name) = format!("plugin-{plugin}").parse() else { continue };
            let mut workflows = Vec::new();
            for _ in 0..dice.between(1, 2) {
                number += 1;
                workflows.extend(workflow(dice, number));
            }
            plugins.push((name, workflows));
        }
        Self { plugins, differs }
    }

    pub(crate) fn plugins(&self) -> impl Iterator<Item = &PluginName> {
        self.plugins.iter().map(|(name, _)| name)
    }

    /// This plugin in its `version`th version.
    pub(crate) fn component(&self, plugin: &PluginName, version: u64, seed: u64) -> Option<Component> {
        let (name, workflows) = self.plugins.iter().find(|(name, _)| name == plugin)?;
        let mut dice = Dice::part(seed, &format!("{name}/{version}"));
        let programs =
            workflows.iter().map(|workflow| (workflow.id.clone(), program(&mut dice, self.differs))).collect();
        let declared: Vec<Value> = workflows.iter().map(declare).collect();
        let text = json!({"schema": 1, "language": format!("version {version}"), "workflows": declared}).to_string();
        let digest = Digest::of(format!("{name} {text}").as_bytes());
        Some(Component { plugin: name.clone(), digest, manifest: Manifest::parse(&text).ok()?, programs })
    }
}

fn workflow(dice: &mut Dice, number: u64) -> Option<Workflow> {
    let mut triggers: Vec<_> = TRIGGERS.iter().copied().filter(|_| dice.permille(300)).collect();
    if triggers.is_empty() {
        triggers.extend(dice.pick(TRIGGERS));
    }
    Some(Workflow {
        id: format!("workflow-{number}").parse().ok()?,
        triggers,
        limit: dice.permille(500).then(|| dice.between(1, 3)),
        grouped: dice.permille(300),
    })
}

fn declare(workflow: &Workflow) -> Value {
    let triggers: Vec<Value> = workflow.triggers.iter().map(|event| json!({"event": event})).collect();
    let mut limits: Vec<Value> = workflow.limit.iter().map(|limit| json!({"limit": limit})).collect();
    if workflow.grouped {
        limits.push(json!({"limit": 2, "group": GROUP}));
    }
    json!({"id": workflow.id.as_str(), "triggers": triggers, "concurrency": limits})
}

fn program(dice: &mut Dice, differs: u64) -> Program {
    let mut calls = Vec::new();
    for number in 0..dice.between(1, 5) {
        calls.push(op(dice, number));
    }
    if dice.permille(differs) {
        calls.insert(usize::try_from(dice.between(0, calls.len() as u64)).unwrap_or_default(), Op::Differ);
    }
    let end = match dice.between(0, 19) {
        0 => End::Fail,
        1 => End::Again { retry_after_ms: dice.spread(1, 3_600_000) },
        _ => End::Ok,
    };
    Program { calls, end }
}

fn op(dice: &mut Dice, number: u64) -> Op {
    // Some names come twice in one run.
    let name = |dice: &mut Dice, what: &str| match dice.permille(150) {
        true => what.to_owned(),
        false => format!("{what}-{number}"),
    };
    match dice.between(0, 15) {
        0..=9 => Op::Step(step(dice, number)),
        10..=12 => Op::Sleep { name: name(dice, "sleep"), ms: dice.spread(1, 30 * 24 * 3_600_000) },
        13 => {
            let after_ms = i64::try_from(dice.spread(1, 10 * 24 * 3_600_000)).unwrap_or_default();
            Op::SleepUntil { name: name(dice, "until"), after_ms: after_ms - 1000 }
        }
        14 => Op::Var,
        _ => Op::Trap { times: u32::from(dice.permille(600)) + 1 },
    }
}

fn step(dice: &mut Dice, number: u64) -> Step {
    let policy = Policy {
        attempts_max: u32::try_from(dice.between(1, 4)).unwrap_or(1),
        first_delay_ms: dice.spread(1, 60_000),
        factor: dice.between(1, 4),
        delay_max_ms: 3_600_000,
        jitter: dice.between(0, 50),
    };
    let timeout_ms = dice.spread(50, 120_000);
    let pauses = dice.permille(400);
    let unknown = if pauses { "pause" } else { "retry" };
    let retries = json!({
        "attempts_max": policy.attempts_max,
        "first_delay": format!("{}ms", policy.first_delay_ms),
        "factor": policy.factor,
        "delay_max": format!("{}ms", policy.delay_max_ms),
        "jitter": policy.jitter as f64 / 100.0,
    });
    let options = json!({"retries": retries, "timeout": format!("{timeout_ms}ms"), "on_unknown": unknown}).to_string();
    let mut endings = Vec::new();
    for _ in 0..dice.between(0, 3) {
        endings.push(ending(dice));
    }
    endings.push(if dice.permille(850) { Ending::Done } else { ending(dice) });
    Step {
        name: if dice.permille(150) { "step".to_owned() } else { format!("step-{number}") },
        options,
        policy,
        timeout_ms,
        pauses,
        requests: if dice.permille(700) { u32::try_from(dice.between(1, 3)).unwrap_or(1) } else { 0 },
        takes_ms: if dice.permille(500) { dice.spread(1, timeout_ms) } else { 0 },
        endings,
        caught: dice.permille(400),
    }
}

fn ending(dice: &mut Dice) -> Ending {
    match dice.between(0, 9) {
        0..=3 => Ending::Fail,
        4..=5 => Ending::FailFor { retry_after_ms: dice.spread(1, 24 * 3_600_000) },
        6 => Ending::Permanent,
        7..=8 => Ending::Trap,
        _ => Ending::Hang,
    }
}
