//! What the operator demands of the plugins folder.

use std::path::Path;
use std::time::Duration;

use rustix::fs::Stat;

use super::Trust;

/// Users that may own what is loaded beside the host's own.
const ROOT: u32 = 0;
/// The bits by which a group or everybody may write.
const OTHERS_WRITE: u32 = 0o022;

/// What the operator demands of the folder, and what it means when a file goes.
#[derive(Clone, Debug)]
pub struct Rules {
    pub trust: Trust,
    pub writers: Writers,
    /// How long a plugin stays in service after its file has gone: a file that is replaced may be away for a moment.
    pub removal_grace: Duration,
    /// Whether files that have all gone were meant to. Else an emptied or unmounted folder takes nothing out of
    /// service, and a person does.
    pub all_may_go: bool,
}

/// Who may be able to write to the folder and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// The host's own user and root; what others could write to is refused.
    Owner,
    /// Whoever can.
    Anybody,
}

impl Default for Rules {
    /// Trusts whoever can write there; nothing goes for 30 seconds, and never everything.
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            writers: Writers::Anybody,
            removal_grace: Duration::from_secs(30),
            all_may_go: false,
        }
    }
}

impl Writers {
    /// Why what has this status is refused, with the command that mends it.
    pub(super) fn refuse(self, stat: &Stat, path: &Path) -> Option<String> {
        let user = rustix::process::geteuid().as_raw();
        match self {
            Self::Anybody => None,
            Self::Owner if stat.st_uid != user && stat.st_uid != ROOT => Some(format!(
                "it belongs to user {}, who could change it, and not to user {user}, as whom the host runs, or root: chown {user} {}",
                stat.st_uid,
                path.display()
            )),
            Self::Owner if stat.st_mode & OTHERS_WRITE != 0 => Some(format!(
                "others than its owner may write to it (mode {:o}): chmod go-w {}",
                stat.st_mode & 0o7777,
                path.display()
            )),
            Self::Owner => None,
        }
    }
}
