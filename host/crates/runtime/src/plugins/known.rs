//! What is known of one file of the plugins folder.

use std::collections::BTreeSet;

use bytes::Bytes;
use stepwell_core::{Digest, Manifest, PluginName, Timestamp};

use super::Arrival;
use super::scan::Print;

/// What is known of one file.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) name: Option<PluginName>,
    /// What was last tried.
    pub(super) print: Option<Print>,
    pub(super) tries: u32,
    /// As what it was last seen while it was written to in its place.
    pub(super) seen: Option<Print>,
    /// The component in service.
    pub(super) digest: Option<Digest>,
    /// The trusted key that it is signed with.
    pub(super) signed_by: Option<String>,
    /// The sink refused it: tried again once something else has changed.
    pub(super) refused: bool,
    /// What the sink refused: it takes over from whoever leaves, though the file may be half-written meanwhile.
    pub(super) heir: Option<Heir>,
    /// Since when it is no component, and so perhaps half-written.
    pub(super) broken_since: Option<Timestamp>,
    /// Since when the file is gone.
    pub(super) missing_since: Option<Timestamp>,
    /// A person wants it gone, whatever stands against that.
    pub(super) is_dismissed: bool,
}

/// A component that was judged and compiled, and is not in service for somebody else's sake.
#[derive(Debug)]
pub(super) struct Heir {
    pub(super) digest: Digest,
    pub(super) bytes: Bytes,
    pub(super) manifest: Manifest,
    pub(super) signed_by: Option<String>,
}

/// How one try to load a file went.
pub(super) enum Tried {
    Ready {
        digest: Digest,
        signed_by: Option<String>,
        /// Who went out of service in the same moment.
        succeeded: Vec<PluginName>,
    },
    /// It may be half-written.
    Again(String),
    /// Somebody else stands in its way.
    Refused {
        reason: String,
        heir: Heir,
    },
    /// The operator does not trust these bytes; or their signature is still to come.
    Untrusted {
        digest: Digest,
        reason: String,
    },
    Failed(String),
}

impl Heir {
    pub(super) fn arrival<'a>(&'a self, name: &'a PluginName, leaving: &'a BTreeSet<PluginName>) -> Arrival<'a> {
        let Self { digest, bytes, manifest, .. } = self;
        Arrival { name, digest: *digest, bytes: bytes.clone(), manifest, leaving }
    }
}

impl Known {
    /// Whether the file that was taken before is being written to in its place: half old and half new it may be
    /// a component too. A file renamed into its place is whole.
    pub(super) fn is_written_to(&self, print: Print) -> bool {
        self.digest.is_some()
            && self.seen != Some(print)
            && self.print.is_some_and(|old| old.is_of_the_same_file(print))
    }

    /// Whether its file is in the folder and holds a component, be it in service or in another's way: a folder
    /// with such a file is no emptied one.
    pub(super) const fn is_a_sign_of_life(&self) -> bool {
        self.missing_since.is_none() && (self.digest.is_some() || self.refused)
    }
}
