//! A component that a person hands over: judged as one in the folder is, then put there, durably and whole. Must not
//! put anything there that the folder would refuse.

use std::fs::File;
use std::io::{self, Write};

use bytes::Bytes;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use stepwell_core::PluginName;

use super::folder::PluginFolder;
use super::known::Known;
use super::scan::{Folder, signature_file};
use super::{Arrival, PluginState};
use crate::limits::{COMPONENT_BYTES_MAX, PLUGIN_FILES_MAX, REASON_BYTES_MAX};
use crate::text::harmless;

/// A component, and what is to lie beside it as its signature.
#[derive(Clone, Debug)]
pub struct Upload {
    pub bytes: Bytes,
    pub signature: Option<Bytes>,
}

/// Why a component that was handed over is not in service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// As the folder says it. Nothing was written.
    #[error("{0}")]
    Refused(String),
    /// The folder does not take it.
    #[error("it cannot be put into the plugins folder: {0}")]
    Unwritable(String),
    #[error("the host is stopping")]
    Stopping,
}

/// What an unfinished file is called: hidden, so that nobody takes it for a component.
const PART: &str = ".upload.part";

impl PluginFolder {
    pub(super) async fn upload(&mut self, name: &PluginName, upload: Upload) -> Result<(), UploadError> {
        // As the folder is now.
        self.turn().await;
        self.judge(name, &upload).await.map_err(|reason| UploadError::Refused(harmless(&reason, REASON_BYTES_MAX)))?;
        let file = self.file_of(name);
        self.put(file.clone(), upload).await.map_err(UploadError::Unwritable)?;
        // Read, and in service or refused: nothing of it is half-written.
        self.turn().await;
        match self.plugins.of_file(&file).map(|status| status.state) {
            Some(PluginState::Ready) => Ok(()),
            Some(PluginState::Failed { reason }) => Err(UploadError::Refused(reason)),
            Some(PluginState::Loading | PluginState::Missing { .. }) | None => {
                let trouble =
                    self.plugins.trouble().unwrap_or_else(|| "it is there, and not in service yet".to_owned());
                Err(UploadError::Unwritable(trouble))
            }
        }
    }

    /// Why the folder would refuse it.
    async fn judge(&self, name: &PluginName, upload: &Upload) -> Result<(), String> {
        let size = upload.bytes.len();
        if size > COMPONENT_BYTES_MAX {
            return Err(format!("it has {size} bytes, the limit COMPONENT_BYTES_MAX is {COMPONENT_BYTES_MAX}"));
        }
        if self.known.len() >= PLUGIN_FILES_MAX && !self.known.contains_key(&self.file_of(name)) {
            return Err(format!("the folder has {PLUGIN_FILES_MAX} plugins (PLUGIN_FILES_MAX)"));
        }
        let trusted = self.rules.trust.check(name, &upload.bytes, upload.signature.as_deref());
        trusted.map_err(|untrusted| untrusted.to_string())?;
        let loaded = self.ports.runtime.load(upload.bytes.clone()).await;
        let (digest, manifest) = loaded.map_err(|error| error.to_string())?;
        let arrival = Arrival { name, digest, bytes: Bytes::new(), manifest: &manifest, leaving: &self.leaving };
        self.ports.sink.would_refuse(&arrival).map_or(Ok(()), Err)
    }

    /// The file that makes this plugin's name, or would.
    fn file_of(&self, name: &PluginName) -> String {
        let of_name = |(_, known): &(&String, &Known)| known.name.as_ref() == Some(name);
        self.known.iter().find(of_name).map_or_else(|| format!("{name}.wasm"), |(file, _)| file.clone())
    }

    async fn put(&self, file: String, upload: Upload) -> Result<(), String> {
        let (path, writers) = (self.path.clone(), self.rules.writers);
        let put = tokio::task::spawn_blocking(move || Folder::open(&path, writers)?.put(&file, &upload)).await;
        put.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

impl Folder {
    /// Puts a component and its signature there, each written aside, synced and renamed. The component first: where
    /// the host dies in between, its file is another one than the signature is of and waits for it, and what is in
    /// service stays.
    fn put(&self, file: &str, upload: &Upload) -> io::Result<()> {
        let signature = signature_file(file);
        self.replace(file, &upload.bytes)?;
        match &upload.signature {
            Some(bytes) => self.replace(&signature, bytes)?,
            None => match unlinkat(self.fd(), signature.as_str(), AtFlags::empty()) {
                Err(Errno::NOENT) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            },
        }
        rustix::fs::fsync(self.fd()).map_err(io::Error::from)
    }

    fn replace(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        // One that an earlier host has left.
        let _none = unlinkat(self.fd(), PART, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut part = File::from(openat(self.fd(), PART, flags, Mode::from_raw_mode(0o644))?);
        let written = part.write_all(bytes).and_then(|()| part.sync_all());
        let renamed = written.and_then(|()| Ok(renameat(self.fd(), PART, self.fd(), file)?));
        renamed.inspect_err(|_| {
            // It is hidden, and the next one takes it away.
            let _ = unlinkat(self.fd(), PART, AtFlags::empty());
        })
    }
}
