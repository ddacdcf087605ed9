//! Idempotency keys as both providers keep them: one table, 24 h by the emulated clock. Must
//! not know what an answer means.

use std::collections::BTreeMap;

use super::call::{Provider, Reply};
use super::limits::{KEY_TTL_MS, KEYS_MAX};

/// A key belongs to an account at a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) provider: Provider,
    pub(crate) account: String,
    pub(crate) key: String,
}

#[derive(Debug)]
enum Progress {
    Running,
    Stored(Reply),
}

#[derive(Debug)]
struct Entry {
    fingerprint: String,
    first_ms: u64,
    progress: Progress,
}

/// What is known about a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Known {
    /// Nothing: it is running from now on, and must be settled.
    Fresh,
    /// The same request is being worked on.
    Running,
    /// The key came with another request.
    Mismatch,
    /// The stored answer.
    Stored(Reply),
}

#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeMap<Key, Entry>);

impl Keys {
    /// Looks a key up, and begins it if it is new or forgotten.
    pub(crate) fn begin(&mut self, key: &Key, fingerprint: &str, now_ms: u64) -> Known {
        match self.0.get(key) {
            Some(entry) if !entry.expired(now_ms) => return entry.known(fingerprint),
            _ => {}
        }
        self.make_room(now_ms);
        let fingerprint = fingerprint.to_owned();
        self.0.insert(key.clone(), Entry { fingerprint, first_ms: now_ms, progress: Progress::Running });
        Known::Fresh
    }

    /// Ends what `begin` began: with an answer to keep, or as if it had never been.
    pub(crate) fn settle(&mut self, key: &Key, stored: Option<Reply>) {
        match stored {
            None => {
                self.0.remove(key);
            }
            Some(reply) => {
                if let Some(entry) = self.0.get_mut(key) {
                    entry.progress = Progress::Stored(reply);
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn make_room(&mut self, now_ms: u64) {
        if self.0.len() < KEYS_MAX {
            return;
        }
        self.0.retain(|_, entry| !entry.expired(now_ms));
        let settled = self.0.iter().filter(|(_, e)| matches!(e.progress, Progress::Stored(_)));
        let oldest = settled.min_by_key(|(_, e)| e.first_ms).map(|(key, _)| key.clone());
        if self.0.len() >= KEYS_MAX
            && let Some(oldest) = oldest
        {
            self.0.remove(&oldest);
        }
    }
}

impl Entry {
    fn expired(&self, now_ms: u64) -> bool {
        matches!(self.progress, Progress::Stored(_)) && now_ms.saturating_sub(self.first_ms) >= KEY_TTL_MS
    }

    fn known(&self, fingerprint: &str) -> Known {
        match &self.progress {
            _ if self.fingerprint != fingerprint => Known::Mismatch,
            Progress::Running => Known::Running,
            Progress::Stored(reply) => Known::Stored(reply.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { provider: Provider::Resend, account: "re_a".into(), key: name.into() }
    }

    #[test]
    fn a_key_is_fresh_then_running_then_stored_then_forgotten() {
        let mut keys = Keys::default();
        let reply = Reply::new(200, serde_json::json!({"id": 1}));
        assert_eq!(keys.begin(&key("k"), "f", 0), Known::Fresh);
        assert_eq!(keys.begin(&key("k"), "f", 1), Known::Running);
        assert_eq!(keys.begin(&key("k"), "other", 1), Known::Mismatch);
        keys.settle(&key("k"), Some(reply.clone()));
        assert_eq!(keys.begin(&key("k"), "f", KEY_TTL_MS - 1), Known::Stored(reply));
        assert_eq!(keys.begin(&key("k"), "other", KEY_TTL_MS - 1), Known::Mismatch);
        assert_eq!(keys.begin(&key("k"), "other", KEY_TTL_MS), Known::Fresh);
    }

    #[test]
    fn a_key_that_was_let_go_is_fresh_again() {
        let mut keys = Keys::default();
        assert_eq!(keys.begin(&key("k"), "f", 0), Known::Fresh);
        keys.settle(&key("k"), None);
        assert_eq!(keys.begin(&key("k"), "other", 0), Known::Fresh);
    }

    #[test]
    fn another_account_has_keys_of_its_own() {
        let mut keys = Keys::default();
        assert_eq!(keys.begin(&key("k"), "f", 0), Known::Fresh);
        let other = Key { account: "re_b".into(), ..key("k") };
        assert_eq!(keys.begin(&other, "f", 0), Known::Fresh);
    }
}
