//! What is to go wrong, and when. `KIND:N[:ERRNO:HOW]`: at the N-th change of that kind, counted from 1.
//! Kinds: `kill` (any change; the process ends by SIGKILL, a write is half done), `closing` (the same, but
//! counted from the acknowledgement `closing` on), `write`, `sync`, `any`.
//! How: `once`, or `on` for every later one too. A write that fails for want of space is half done before.

/// What is done instead of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    Kill,
    Fail(i32),
}

/// Of which kind a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Sync,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Any,
    Closing,
    Writes,
    Syncs,
}

#[derive(Debug)]
pub(crate) struct Fault {
    of: Of,
    at: u64,
    instead: Instead,
    goes_on: bool,
}

impl Fault {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let (kind, at) = (words.next()?, words.next()?.parse().ok()?);
        if kind == "kill" || kind == "closing" {
            let of = if kind == "kill" { Of::Any } else { Of::Closing };
            return Some(Self { of, at, instead: Instead::Kill, goes_on: false });
        }
        let of = match kind {
            "write" => Of::Writes,
            "sync" => Of::Syncs,
            _ => Of::Any,
        };
        let errno = words.next()?.parse().ok()?;
        Some(Self { of, at, instead: Instead::Fail(errno), goes_on: words.next() == Some("on") })
    }
}

/// How many changes there were.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    any: u64,
    writes: u64,
    syncs: u64,
    closing: Option<u64>,
}

impl Counted {
    /// The process says that it is closing.
    pub(crate) fn closing(&mut self) {
        self.closing = Some(0);
    }

    /// Counts one, and says what is to be done instead.
    pub(crate) fn count(&mut self, kind: Kind, fault: Option<&Fault>) -> Option<Instead> {
        self.any += 1;
        self.writes += u64::from(kind == Kind::Write);
        self.syncs += u64::from(kind == Kind::Sync);
        self.closing = self.closing.map(|n| n + 1);
        let fault = fault?;
        let n = match (fault.of, kind) {
            (Of::Any, _) => self.any,
            (Of::Closing, _) => self.closing?,
            (Of::Writes, Kind::Write) => self.writes,
            (Of::Syncs, Kind::Sync) => self.syncs,
            (Of::Writes | Of::Syncs, _) => return None,
        };
        (n == fault.at || (fault.goes_on && n > fault.at)).then_some(fault.instead)
    }
}
