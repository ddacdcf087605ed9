//! Whom events are about, who is erased when, and what is pruned: thrown from the seed beside all else.

use std::time::Duration;

use stepwell_engine::{EraseOn, Settings};
use stepwell_store::{Keep, Retention};

use crate::agenda::Action;
use crate::dice::Dice;
use crate::mutation::Mutation;

/// The event by which somebody asks to be erased.
const ASKS: &str = "user/deleted";
/// Different people.
const PEOPLE: u64 = 4;
const HOUR_MS: u64 = 3_600_000;

/// What people there are in this simulation.
#[derive(Debug)]
pub(crate) struct People {
    dice: Dice,
    /// In how many of a thousand cases an event is about somebody.
    about: u64,
}

impl People {
    pub(crate) fn throw(seed: u64) -> Self {
        let mut dice = Dice::part(seed, "people");
        let about = if dice.permille(600) { dice.between(300, 1000) } else { 0 };
        Self { dice, about }
    }

    /// Whom the next event is about.
    pub(crate) fn next(&mut self) -> Option<String> {
        let about = self.about;
        self.dice.permille(about).then(|| self.somebody())
    }

    fn somebody(&mut self) -> String {
        format!("person-{}", self.dice.between(1, PEOPLE))
    }

    /// Who is erased, and when: some with the death of the host that does it.
    pub(crate) fn erasures(&mut self, calm_at: u64, mutation: Option<Mutation>) -> Vec<(u64, Action)> {
        let wanted = mutation == Some(Mutation::KeepErased);
        if self.about == 0 || !(wanted || self.dice.permille(600)) {
            return Vec::new();
        }
        let some = self.dice.between(1, 6);
        let one = |_| {
            let at = if self.dice.permille(500) { self.dice.between(0, calm_at) } else { self.dice.spread(1, calm_at) };
            (at.min(calm_at), Action::Erase { person: self.somebody(), last: self.dice.permille(250) })
        };
        (0..some).map(one).collect()
    }
}

/// What the host is told: some seeds prune, and some let an event erase whom it is about.
pub(crate) fn settings(seed: u64, mutation: Option<Mutation>, odds: &mut Dice) -> Settings {
    let activations_max = usize::try_from(odds.between(1, 8)).unwrap_or(1);
    let reenters = odds.permille(100);
    let mut dice = Dice::part(seed, "settings");
    let wanted = matches!(mutation, Some(Mutation::PruneTooSoon | Mutation::PruneTooLate));
    let retention = (dice.permille(100) || wanted).then(|| retention(&mut dice));
    let erase = match dice.permille(300) {
        true => EraseOn { events: [ASKS.to_owned()].into(), after: some_time(&mut dice) },
        false => EraseOn::default(),
    };
    Settings { activations_max, reenters, retention, erase }
}

fn retention(dice: &mut Dice) -> Retention {
    let mut keep = || if dice.permille(800) { Keep::For(some_time(dice)) } else { Keep::Forever };
    Retention { completed: keep(), failed: keep(), cancelled: keep(), events: keep(), events_named: Vec::new() }
}

/// An hour to five days.
fn some_time(dice: &mut Dice) -> Duration {
    Duration::from_millis(HOUR_MS + dice.spread(1, 5 * 24 * HOUR_MS))
}
