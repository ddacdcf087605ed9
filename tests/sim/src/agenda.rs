//! What happens to a simulated host from outside, and when: thrown from the seed before anything runs.

use stepwell_core::run::Wish;

use crate::client::Delivery;
use crate::dice::Dice;
use crate::mutation::Mutation;
use crate::people::People;
use crate::program::EVENTS;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Deliver(Delivery),
    /// Of some run.
    Wish(Wish),
    /// A plugin has a new version.
    Swap,
    /// A plugin is gone.
    Retire,
    /// The wall clock is set.
    Jump(i64),
    /// The host dies at its so manyth call from now on.
    DieAt(u64),
    Die,
    /// The host is asked to stop.
    Stop,
    /// Another process takes the lease.
    TakeOver,
    /// A superseded process ends at last.
    EndSuperseded,
    /// If no process lives.
    Start,
    Read,
    /// An operator sets another config value.
    SetVar,
    /// A person is erased. `last`: the host dies with it.
    Erase {
        person: String,
        last: bool,
    },
}

/// The whole of it, each with its time.
#[derive(Debug)]
pub(crate) struct Agenda {
    pub(crate) actions: Vec<(u64, Action)>,
    /// From then on nothing goes wrong any more.
    pub(crate) calm_at: u64,
    /// At which call after their start so many hosts in a row die.
    pub(crate) storm: Vec<u64>,
    /// In how many of a thousand cases a host stays down for up to three days.
    pub(crate) long_down: u64,
}

impl Agenda {
    pub(crate) fn throw(dice: &mut Dice, (people, mutation): (&mut People, Option<Mutation>)) -> Self {
        // What a planted fault needs to show at all.
        let likely = |chance: u64, planted: Mutation| if mutation == Some(planted) { 1000 } else { chance };
        let calm_at = dice.spread(2_000, 20 * 24 * 3_600_000);
        let mut actions = vec![(0, Action::Start)];
        let mut add = |dice: &mut Dice, chance: u64, most: u64, action: &dyn Fn(&mut Dice) -> Action| {
            if dice.permille(chance) {
                for _ in 0..dice.between(1, most) {
                    // Early, when most is under way, is more likely.
                    let at = if dice.permille(500) { dice.between(0, calm_at) } else { dice.spread(1, calm_at) };
                    let action = action(dice);
                    actions.push((at.min(calm_at), action));
                }
            }
        };
        add(dice, likely(500, Mutation::ForgetWish), 6, &|dice| Action::Wish(wish(dice)));
        add(dice, likely(400, Mutation::ForgetComponent), 4, &|_| Action::Swap);
        add(dice, 150, 1, &|_| Action::Retire);
        add(dice, 300, 3, &|dice| Action::Jump(jump(dice)));
        add(dice, 600, 6, &|dice| Action::DieAt(dice.spread(1, 600)));
        add(dice, 200, 2, &|_| Action::Die);
        add(dice, 250, 3, &|_| Action::Stop);
        add(dice, likely(250, Mutation::IgnoreLease), 3, &|_| Action::TakeOver);
        add(dice, likely(600, Mutation::ReadSubmitted), 10, &|_| Action::Read);
        add(dice, 300, 2, &|_| Action::SetVar);
        actions.extend(people.erasures(calm_at, mutation));
        for delivery in deliveries(dice, people) {
            let at = if dice.permille(300) { 10 } else { dice.spread(1, calm_at) };
            actions.push((at, Action::Deliver(delivery)));
        }
        let storm = if dice.permille(200) { dice.between(2, 7) } else { 0 };
        let storm = (0..storm).map(|_| dice.spread(15, 200)).collect();
        let long_down = if dice.permille(300) { dice.between(1, 600) } else { 30 };
        Self { actions, calm_at, storm, long_down }
    }
}

fn wish(dice: &mut Dice) -> Wish {
    match dice.between(0, 4) {
        0 | 1 => Wish::Cancel,
        2 | 3 => Wish::Wake,
        _ => Wish::Resume,
    }
}

fn jump(dice: &mut Dice) -> i64 {
    let by = i64::try_from(dice.spread(100, 2 * 24 * 3_600_000)).unwrap_or_default();
    if dice.permille(500) { by } else { -by }
}

/// Events, some of them delivered again, as they were or with another body.
fn deliveries(dice: &mut Dice, people: &mut People) -> Vec<Delivery> {
    let mut all = Vec::new();
    for number in 0..dice.spread(1, 24) {
        let external_id = dice.permille(850).then(|| format!("msg_{number}"));
        let name = dice.pick(EVENTS).copied().unwrap_or("user/created");
        let delivery = Delivery { external_id, name, body: number, subject: people.next() };
        if delivery.external_id.is_some() {
            for _ in 0..dice.between(0, 4).saturating_sub(2) {
                let other = dice.permille(300);
                all.push(Delivery { body: if other { number + 1000 } else { number }, ..delivery.clone() });
            }
        }
        all.push(delivery);
    }
    all
}
