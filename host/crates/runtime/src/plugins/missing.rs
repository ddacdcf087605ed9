//! Files that are gone: when that takes their plugins out of service, and when a person must say so. A folder that
//! was emptied, unmounted or replaced says nothing about what is wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use stepwell_core::{PluginName, Timestamp};
use tracing::{info, warn};

use super::folder::PluginFolder;
use super::known::Known;
use super::scan::{Found, Identity};
use super::{PluginState, UnloadError};
use crate::limits::SUCCESSION_MAX;

/// Why a plugin went that a person took out.
const DISMISSED: &str = "a person took it out, and its file is gone";

/// What stands against taking plugins out of service whose files are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Nothing, after the grace.
    None,
    /// No file is left.
    Emptied,
    /// It is another folder than at the start.
    Replaced,
}

impl Doubt {
    fn reason(self, name: &PluginName, until: Timestamp) -> String {
        let stays = format!("put the files back, or take it out of service with `stepwell plugins unload {name}`");
        match self {
            Self::None => format!("its file is gone: it goes out of service at {until} unless the file comes back"),
            Self::Emptied => format!("its file is gone like all others, so that all stay in service: {stays}"),
            Self::Replaced => format!(
                "its file is gone, but the folder is not the one that the host started with, so that it stays in service: {stays}"
            ),
        }
    }
}

impl PluginFolder {
    /// Notes whose files are gone or back, and whose time is over: who was refused because of those is tried again in
    /// this same turn, and takes over from them. Answers whether others are to be tried again.
    pub(super) fn look_for_missing(&mut self, found: &[Found], folder: Identity) -> bool {
        let now = self.ports.clock.now();
        let there: BTreeSet<&str> = found.iter().map(|found| found.file.as_str()).collect();
        let forgotten = self.note_missing(&there, now);
        let doubt = self.doubt(folder);
        let mut leaving = BTreeSet::new();
        for (file, known) in self.known.iter().filter(|(_, known)| known.missing_since.is_some()) {
            let (Some(name), Some(since)) = (&known.name, known.missing_since) else { continue };
            let until = since.after(self.rules.removal_grace);
            if known.is_dismissed || (doubt == Doubt::None && now >= until && self.first.is_none()) {
                leaving.insert(name.clone());
            } else {
                self.tell(file, PluginState::Missing { reason: doubt.reason(name, until) });
            }
        }
        let any = !leaving.is_empty();
        self.leaving = leaving;
        self.may_try_refused(any || forgotten)
    }

    /// Takes those out of service whose time is over and whom nobody has succeeded: not yet while a file is not tried
    /// to its end that may be their successor's, or has not been broken for as long as the grace, unless that takes too
    /// long. Answers whether any went.
    pub(super) async fn let_leave(&mut self, unfinished: bool) -> bool {
        let (now, grace) = (self.ports.clock.now(), self.rules.removal_grace);
        let may_be_written = |known: &Known| known.broken_since.is_some_and(|since| now < since.after(grace));
        let mut any = false;
        for name in self.leaving.clone() {
            let known = self.known.values().find(|known| known.name.as_ref() == Some(&name));
            let Some(Known { missing_since: Some(since), is_dismissed, .. }) = known else { continue };
            let is_dismissed = *is_dismissed;
            let may_wait = !is_dismissed && now < since.after(grace + SUCCESSION_MAX);
            if unfinished && may_wait {
                continue;
            }
            if self.inherits(&name).await {
                any = true;
                continue;
            }
            if may_wait && self.known.values().any(may_be_written) {
                continue;
            }
            self.leave(&name, if is_dismissed { DISMISSED } else { "its file is gone" }).await;
            any = true;
        }
        self.may_try_refused(any)
    }

    /// Puts into service what was refused for the sake of one who leaves now. Its file was whole then; if it were now,
    /// it would have taken over already. Answers whether that one is gone by it.
    async fn inherits(&mut self, name: &PluginName) -> bool {
        let has_heir = |(_, known): &(&String, &Known)| known.heir.is_some() && known.missing_since.is_none();
        let files: Vec<String> = self.known.iter().filter(has_heir).map(|(file, _)| file.clone()).collect();
        for file in files {
            let Some(known) = self.known.get_mut(&file) else { continue };
            let (Some(heir), Some(of)) = (known.heir.take(), known.name.clone()) else { continue };
            match self.ports.sink.arrived(heir.arrival(&of, &self.leaving)).await {
                Ok(succeeded) => {
                    (known.digest, known.signed_by, known.refused) = (Some(heir.digest), heir.signed_by, false);
                    info!(file, digest = %heir.digest, "in service as it last was whole");
                    succeeded.iter().for_each(|gone| self.forget(gone));
                    if succeeded.contains(name) {
                        return true;
                    }
                }
                Err(_) => known.heir = Some(heir),
            }
        }
        false
    }

    async fn leave(&mut self, name: &PluginName, why: &str) {
        self.forget(name);
        self.ports.sink.gone(name, why).await;
    }

    /// Of a plugin that is out of service, and its file gone.
    pub(super) fn forget(&mut self, name: &PluginName) {
        self.leaving.remove(name);
        let is_gone = |known: &Known| known.name.as_ref() == Some(name) && known.missing_since.is_some();
        let files: Vec<String> =
            self.known.iter().filter(|(_, known)| is_gone(known)).map(|(file, _)| file.clone()).collect();
        for file in files {
            self.known.remove(&file);
            self.plugins.remove(&file);
        }
    }

    /// Notes whose files are gone or back. Answers whether any was forgotten that was never in service.
    fn note_missing(&mut self, there: &BTreeSet<&str>, now: Timestamp) -> bool {
        let mut forgotten = Vec::new();
        for (file, known) in &mut self.known {
            match (there.contains(file.as_str()), known.missing_since) {
                (true, Some(_)) => {
                    (known.missing_since, known.print, known.is_dismissed) = (None, None, false);
                }
                (false, None) if known.digest.is_none() => forgotten.push(file.clone()),
                (false, None) => {
                    known.missing_since = Some(now);
                    known.heir = None;
                    warn!(file = %file, "a plugin's file is gone");
                }
                (true, None) | (false, Some(_)) => {}
            }
        }
        for file in &forgotten {
            self.known.remove(file);
            self.plugins.remove(file);
        }
        !forgotten.is_empty()
    }

    fn doubt(&self, folder: Identity) -> Doubt {
        if self.rules.all_may_go {
            Doubt::None
        } else if !self.known.values().any(Known::is_a_sign_of_life) {
            Doubt::Emptied
        } else if folder != self.identity {
            Doubt::Replaced
        } else {
            Doubt::None
        }
    }

    /// Plugins of an earlier start whose files went away meanwhile: as if they had gone now.
    pub(super) fn miss_former(&mut self) {
        let now = self.ports.clock.now();
        for (name, digest) in std::mem::take(&mut self.former) {
            let known =
                Known { name: Some(name.clone()), digest: Some(digest), missing_since: Some(now), ..Known::default() };
            self.known.insert(format!("{name}.wasm"), known);
        }
    }

    /// What a person asks for: the plugin whose file is gone goes now. Whoever has its workflows takes over.
    pub(super) async fn unload(&mut self, name: &PluginName) -> Result<(), UnloadError> {
        let mut of_name = self.known.iter_mut().filter(|(_, known)| known.name.as_ref() == Some(name));
        let Some((_, known)) = of_name.next() else { return Err(UnloadError::NotLoaded(name.clone())) };
        known.is_dismissed = known.missing_since.is_some();
        if known.is_dismissed {
            self.turn().await;
        }
        match self.known.iter().find(|(_, known)| known.name.as_ref() == Some(name)) {
            Some((file, known)) if !known.is_dismissed => Err(UnloadError::FileThere(self.path.join(file))),
            // The folder cannot be read.
            Some(_) => {
                self.leave(name, DISMISSED).await;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// How long until the folder is to be read again for the sake of those that are missing.
    pub(super) fn missing_for(&self, poll: Duration) -> Duration {
        if self.known.values().any(|known| known.missing_since.is_some()) {
            poll.min(self.rules.removal_grace.max(Duration::from_millis(100)))
        } else {
            poll
        }
    }
}
