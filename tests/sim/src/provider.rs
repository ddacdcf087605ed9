//! The outside world: a provider like Resend or Stripe, that does a request once for each idempotency key and
//! remembers the key for a day.

use std::collections::BTreeMap;

use crate::mark::Mark;
use crate::world::Inner;

/// How long an idempotency key is remembered.
pub(crate) const MEMORY_MS: u64 = 24 * 3600 * 1000;

/// What it did.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    /// When each key had its effect, newest last.
    effects: BTreeMap<String, Vec<u64>>,
}

/// What a guest gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Done,
    Failed,
    Limited {
        retry_after_ms: u64,
    },
    /// The connection broke: nobody knows whether it was done.
    Unknown,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) body: String,
}

impl Provider {
    /// Does it, if it has not done it already.
    /// Answers whether it has, but has forgotten it.
    fn perform(&mut self, key: &str, now: u64) -> bool {
        let effects = self.effects.entry(key.to_owned()).or_default();
        if effects.last().is_none_or(|last| now.saturating_sub(*last) > MEMORY_MS) {
            effects.push(now);
        }
        effects.len() > 1 && effects.last() == Some(&now)
    }

    /// How many effects all requests together had.
    pub(crate) fn effects(&self) -> usize {
        self.effects.values().map(Vec::len).sum()
    }
}

impl Inner {
    /// A request arrives. Answers what comes back, after how long, and whether it was done although it had been done
    /// before.
    pub(crate) fn request(&mut self, request: &Request) -> (Response, u64, bool) {
        let (odds, now) = (self.odds, self.time.passed());
        let takes = self.dice.spread(1, odds.provider_ms.max(1));
        let mut twice = false;
        let response = if self.dice.permille(odds.provider_limits) {
            Response::Limited { retry_after_ms: self.dice.spread(1, 600_000) }
        } else if self.dice.permille(odds.provider_fails) {
            Response::Failed
        } else {
            twice = self.provider.perform(&request.key, now);
            if twice {
                self.mark(Mark::ProviderHadForgotten);
            }
            if self.dice.permille(odds.answer_lost) { Response::Unknown } else { Response::Done }
        };
        self.say(format_args!("provider: {} {} -> {response:?}", request.key, request.body));
        (response, takes, twice)
    }
}
