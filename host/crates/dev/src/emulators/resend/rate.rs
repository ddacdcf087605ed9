//! The team's rate limit: so many requests in each second, by the emulated clock. Must not
//! wait: it refuses.

use crate::emulators::call::Reply;

use super::reply::error;

/// A fixed window of one second, shared by all keys of the team.
#[derive(Debug)]
pub(crate) struct TeamRate {
    per_second: Option<u32>,
    window_s: u64,
    used: u32,
}

impl TeamRate {
    pub(crate) fn new(per_second: Option<u32>) -> Self {
        Self { per_second, window_s: 0, used: 0 }
    }

    /// `None` switches it off.
    pub(crate) fn set(&mut self, per_second: Option<u32>) {
        *self = Self::new(per_second);
    }

    pub(crate) fn reset(&mut self) {
        self.used = 0;
    }

    pub(super) fn admit(&mut self, now_ms: u64) -> Result<(), Reply> {
        let Some(limit) = self.per_second else {
            return Ok(());
        };
        if self.window_s != now_ms / 1000 {
            self.window_s = now_ms / 1000;
            self.used = 0;
        }
        if self.used >= limit {
            let message = format!("Too many requests. You can only make {limit} requests per second.");
            return Err(error(429, "rate_limit_exceeded", message).with("retry-after", 1));
        }
        self.used += 1;
        Ok(())
    }

    /// The headers that tell how much is left.
    pub(super) fn dress(&self, reply: Reply) -> Reply {
        let Some(limit) = self.per_second else {
            return reply;
        };
        reply
            .with("ratelimit-limit", limit)
            .with("ratelimit-remaining", limit.saturating_sub(self.used))
            .with("ratelimit-reset", 1)
    }
}
