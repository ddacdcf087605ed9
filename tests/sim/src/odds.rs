//! How likely each kind of trouble is in one simulation: each seed has odds of its own, so that some have much
//! of one kind and none of another.

use crate::dice::Dice;

/// In how many of a thousand cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odds {
    /// A call across a port lets others go first.
    pub(crate) seam_turn: u64,
    /// A call across a port takes time, up to so much.
    pub(crate) seam_time: u64,
    pub(crate) seam_time_ms: u64,
    pub(crate) sync_ms: (u64, u64),
    pub(crate) slow_sync: u64,
    pub(crate) slow_sync_ms: u64,
    pub(crate) failing_sync: u64,
    pub(crate) full_disk: u64,
    /// What the provider does to a request.
    pub(crate) provider_fails: u64,
    pub(crate) provider_limits: u64,
    pub(crate) answer_lost: u64,
    pub(crate) provider_ms: u64,
    /// A component cannot be had.
    pub(crate) lost_component: u64,
    /// A client does not hear the answer to its delivery.
    pub(crate) deaf: u64,
}

impl Odds {
    /// Nothing goes wrong, and everything takes the least of time.
    pub(crate) const CALM: Self = Self {
        seam_turn: 0,
        seam_time: 0,
        seam_time_ms: 1,
        sync_ms: (1, 3),
        slow_sync: 0,
        slow_sync_ms: 100,
        failing_sync: 0,
        full_disk: 0,
        provider_fails: 0,
        provider_limits: 0,
        answer_lost: 0,
        provider_ms: 100,
        lost_component: 0,
        deaf: 0,
    };

    pub(crate) fn throw(dice: &mut Dice) -> Self {
        let mut some = |permille: u64, most: u64| if dice.permille(permille) { dice.between(1, most) } else { 0 };
        Self {
            seam_turn: some(700, 400),
            seam_time: some(500, 60),
            seam_time_ms: some(1000, 2000).max(1),
            sync_ms: (some(500, 4), 4 + some(800, 40)),
            slow_sync: some(400, 100),
            // A store that is silent for more than 60 s has failed.
            slow_sync_ms: 100 + some(900, 90_000),
            failing_sync: some(150, 20),
            full_disk: some(100, 10),
            provider_fails: some(500, 300),
            provider_limits: some(300, 200),
            answer_lost: some(400, 200),
            provider_ms: 1 + some(900, 40_000),
            lost_component: some(50, 30),
            deaf: some(500, 300),
        }
    }
}
