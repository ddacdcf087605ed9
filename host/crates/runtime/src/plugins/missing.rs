//! Files that are gone: when that takes their plugins out of service, and when a person must say so. A folder that
//! was emptied, unmounted or replaced says nothing about what is wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use stepwell_core::{PluginName, Timestamp};
use tracing::warn;

use super::folder::PluginFolder;
use super::known::Known;
use super::scan::{Found, Identity};
use super::{PluginState, UnloadError};

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
    /// Notes whose files are gone or back, and takes plugins out of service whose time is over. Answers whether
    /// others are to be tried again.
    pub(super) async fn look_for_missing(&mut self, found: &[Found], folder: Identity) -> bool {
        let now = self.ports.clock.now();
        let there: BTreeSet<&str> = found.iter().map(|found| found.file.as_str()).collect();
        let forgotten = self.note_missing(&there, now);
        let doubt = self.doubt(folder);
        let mut gone = Vec::new();
        for (file, known) in self.known.iter().filter(|(_, known)| known.missing_since.is_some()) {
            let (Some(name), Some(since)) = (&known.name, known.missing_since) else { continue };
            let until = since.after(self.rules.removal_grace);
            if doubt == Doubt::None && now >= until && self.first.is_none() {
                gone.push((file.clone(), name.clone()));
            } else {
                self.tell(file, PluginState::Missing { reason: doubt.reason(name, until) });
            }
        }
        let any_gone = !gone.is_empty();
        for (file, name) in gone {
            self.take_out(&file, &name, "its file is gone").await;
        }
        self.may_try_refused(any_gone || forgotten)
    }

    /// Notes whose files are gone or back. Answers whether any was forgotten that was never in service.
    fn note_missing(&mut self, there: &BTreeSet<&str>, now: Timestamp) -> bool {
        let mut forgotten = Vec::new();
        for (file, known) in &mut self.known {
            match (there.contains(file.as_str()), known.missing_since) {
                (true, Some(_)) => (known.missing_since, known.print) = (None, None),
                (false, None) if known.digest.is_none() => forgotten.push(file.clone()),
                (false, None) => {
                    known.missing_since = Some(now);
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

    /// What a person asks for: the plugin whose file is gone goes now.
    pub(super) async fn unload(&mut self, name: &PluginName) -> Result<(), UnloadError> {
        let of_name = self.known.iter().find(|(_, known)| known.name.as_ref() == Some(name));
        let Some((file, known)) = of_name else { return Err(UnloadError::NotLoaded(name.clone())) };
        if known.missing_since.is_none() {
            return Err(UnloadError::FileThere(self.path.join(file)));
        }
        let file = file.clone();
        self.take_out(&file, name, "a person took it out, and its file is gone").await;
        self.may_try_refused(true);
        Ok(())
    }

    async fn take_out(&mut self, file: &str, name: &PluginName, why: &str) {
        self.known.remove(file);
        self.plugins.remove(file);
        self.ports.sink.gone(name, why).await;
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
