//! Records of refused deliveries, for dashboard and API: in memory, bounded, never synced, so that
//! strangers cannot fill a disk. Must not hold a payload, a secret or a signature.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use stepwell_core::{EventId, Timestamp};

use crate::cause::Cause;
use crate::limits::{REJECTION_TEXT_MAX, REJECTIONS_MAX};

/// One refused delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// Counts from 1 since the host started.
    pub number: u64,
    pub at: Timestamp,
    /// The name in the URL; cut, and with `?` for what is not plain, where no such source exists.
    pub source: String,
    pub status: u16,
    pub cause: Cause,
    /// Whether a person should look at it.
    pub alert: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The id that was sent, cut, and with `?` for what is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The event that an id in conflict belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    pub header_bytes: HeaderSizes,
}

/// Lengths of what was sent in place of id, timestamp and signatures, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeaderSizes {
    pub id: usize,
    pub timestamp: usize,
    pub signature: usize,
}

/// How often a source's deliveries were refused for one cause since the host started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// None for all names that are no source's.
    pub source: Option<String>,
    pub cause: Cause,
    pub count: u64,
    pub last_at: Timestamp,
}

/// The records. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<Mutex<Records>>);

/// Two rings: what a stranger can bring about never pushes out what a sender did.
#[derive(Debug, Default)]
struct Records {
    number: u64,
    strangers: VecDeque<Rejection>,
    senders: VecDeque<Rejection>,
    counts: BTreeMap<(Option<String>, Cause), (u64, Timestamp)>,
}

impl Rejections {
    /// The latest ones, newest first.
    pub fn list(&self, limit: usize) -> Vec<Rejection> {
        self.with(|records| {
            let mut all: Vec<_> = records.strangers.iter().chain(&records.senders).collect();
            all.sort_unstable_by_key(|rejection| std::cmp::Reverse(rejection.number));
            all.into_iter().take(limit).cloned().collect()
        })
    }

    /// How often each source's deliveries were refused, by cause.
    pub fn counts(&self) -> Vec<Count> {
        self.with(|records| {
            let counts = records.counts.iter();
            counts
                .map(|((source, cause), (count, last_at))| Count {
                    source: source.clone(),
                    cause: *cause,
                    count: *count,
                    last_at: *last_at,
                })
                .collect()
        })
    }

    /// Keeps a record and numbers it. `known` is whether the source exists. Answers how often this
    /// source's deliveries were refused for this cause by now.
    pub(crate) fn record(&self, mut rejection: Rejection, known: bool) -> u64 {
        self.with(|records| {
            records.number = records.number.saturating_add(1);
            rejection.number = records.number;
            let key = (known.then(|| rejection.source.clone()), rejection.cause);
            let (count, last_at) = records.counts.entry(key).or_default();
            *count = count.saturating_add(1);
            *last_at = rejection.at;
            let count = *count;
            let ring = if rejection.cause.verified() { &mut records.senders } else { &mut records.strangers };
            if ring.len() >= REJECTIONS_MAX {
                ring.pop_front();
            }
            ring.push_back(rejection);
            count
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Records) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What may be kept of a text that a stranger chose: at most 64 characters, all of them plain.
pub(crate) fn plain(text: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    text.iter().take(REJECTION_TEXT_MAX).map(|byte| if plain(*byte) { char::from(*byte) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(cause: Cause) -> Rejection {
        Rejection {
            number: 0,
            at: Timestamp::ZERO,
            source: "clerk".to_owned(),
            status: cause.status().as_u16(),
            cause,
            alert: cause.is_alert(),
            peer: None,
            external_id: None,
            event: None,
            header_bytes: HeaderSizes::default(),
        }
    }

    #[test]
    fn strangers_do_not_push_out_an_alert() {
        let rejections = Rejections::default();
        rejections.record(rejection(Cause::IdConflict), true);
        for _ in 0..3 * REJECTIONS_MAX {
            rejections.record(rejection(Cause::SignatureMismatch), true);
        }
        let all = rejections.list(usize::MAX);
        assert_eq!(all.len(), REJECTIONS_MAX + 1);
        assert_eq!(all.first().unwrap().number, 3 * REJECTIONS_MAX as u64 + 1);
        assert!(all.last().unwrap().alert);
        assert_eq!(rejections.list(2).len(), 2);
        let counts: Vec<_> = rejections.counts().into_iter().map(|count| (count.cause, count.count)).collect();
        assert_eq!(counts, [(Cause::SignatureMismatch, 3_000), (Cause::IdConflict, 1)]);
    }

    #[test]
    fn unknown_sources_share_one_count() {
        let rejections = Rejections::default();
        for name in ["a", "b", "c"] {
            let record = Rejection { source: name.to_owned(), ..rejection(Cause::UnknownSource) };
            rejections.record(record, false);
        }
        let counts = rejections.counts();
        assert_eq!((counts.len(), counts[0].count, counts[0].source.as_deref()), (1, 3, None));
    }

    #[test]
    fn kept_texts_are_short_and_plain() {
        assert_eq!(plain(b"msg_2-x.y"), "msg_2-x.y");
        assert_eq!(plain("<b>\n\u{202e}é".as_bytes()), "?b???????");
        assert_eq!(plain(&[b'a'; 500]).len(), REJECTION_TEXT_MAX);
    }
}
