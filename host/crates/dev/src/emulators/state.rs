//! What both providers hold: one state behind one lock, which is never held across an await.

use std::collections::{BTreeMap, VecDeque};

use super::call::{Call, Provider};
use super::clock::{Clock, NowMs};
use super::faults::Faults;
use super::idempotency::Keys;
use super::ids::Ids;
use super::limits::MAILS_MAX;
use super::received::Log;
use super::resend::{Mail, TeamRate};
use super::stripe::{Customer, Subscription};

/// Everything that the emulators remember. Nothing of it is on disk.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) faults: Faults,
    pub(crate) keys: Keys,
    pub(crate) log: Log,
    pub(crate) mails: Mails,
    pub(crate) customers: BTreeMap<u64, Customer>,
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
    pub(crate) resend_rate: TeamRate,
    pub(crate) user_agent_required: bool,
    /// The place of the next object in the order of creation.
    next_place: u64,
}

impl State {
    pub(crate) fn new(now_ms: NowMs, resend_rate: Option<u32>, user_agent_required: bool) -> Self {
        let clock = Clock::new(now_ms);
        Self {
            ids: Ids::new(clock.now_ms()),
            clock,
            faults: Faults::default(),
            keys: Keys::default(),
            log: Log::default(),
            mails: Mails::default(),
            customers: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            resend_rate: TeamRate::new(resend_rate),
            user_agent_required,
            next_place: 0,
        }
    }

    pub(crate) fn arrived(&mut self, provider: Provider, call: &Call) -> u64 {
        let now_ms = self.clock.now_ms();
        self.log.arrived(provider, call, now_ms)
    }

    pub(crate) fn place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    /// Forgets everything but ids already given; faults and the clock's offset too.
    pub(crate) fn clear(&mut self) {
        self.clock.reset();
        self.faults.clear();
        self.keys.clear();
        self.log.clear();
        self.mails = Mails::default();
        self.customers.clear();
        self.subscriptions.clear();
        self.resend_rate.reset();
    }
}

/// The newest mails, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Mails {
    kept: VecDeque<Mail>,
    let_go: u64,
}

impl Mails {
    pub(crate) fn push(&mut self, mail: Mail) {
        if self.kept.len() >= MAILS_MAX {
            self.kept.pop_front();
            self.let_go += 1;
        }
        self.kept.push_back(mail);
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Mail> {
        self.kept.iter()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Mail> {
        self.kept.iter().rev().find(|mail| mail.id == id)
    }

    pub(crate) fn let_go(&self) -> u64 {
        self.let_go
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }
}
