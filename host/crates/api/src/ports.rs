//! What the API shows of parts that it may not depend on: the host fills these in.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;

use async_trait::async_trait;
use axum::body::Bytes;
use serde::Serialize;
use stepwell_core::{Digest, EventId, Json, PluginName, Timestamp};

/// The plugin folder as the host sees it.
#[async_trait]
pub trait PluginDirectory: Debug + Send + Sync + 'static {
    /// Why the folder cannot be read, if it cannot: everything then stays as it is.
    fn trouble(&self) -> Option<String>;

    /// Takes a plugin out of service whose file is gone.
    async fn unload(&self, name: &PluginName) -> Result<(), Unloading>;

    /// Puts a component into the folder, durably, and into service. Refuses what the folder would refuse.
    async fn load(&self, name: &PluginName, upload: Uploaded) -> Result<(), Loading>;

    /// Every file that is, or was, in the folder.
    fn plugins(&self) -> Vec<PluginView>;
}

/// A component as it was sent here.
#[derive(Clone, Debug)]
pub struct Uploaded {
    pub component: Bytes,
    /// What is to lie beside it.
    pub signature: Option<Bytes>,
}

/// Why a plugin that was sent here is not in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loading {
    /// In the words of whoever reads the folder. The folder is as it was.
    Refused(String),
    /// The folder does not take it, or cannot be read. In words.
    Unwritable(String),
    /// The host is stopping.
    Stopping,
}

/// Why a plugin was not taken out of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloading {
    /// It is not in service.
    NotLoaded,
    /// Its file is in the folder: it would be loaded again. In words.
    FileThere(String),
    /// The host is stopping.
    Stopping,
}

/// One plugin's file and what became of it.
#[derive(Clone, Debug)]
pub struct PluginView {
    /// The file's stem.
    pub name: String,
    pub file: String,
    /// None until its bytes were read.
    pub digest: Option<Digest>,
    /// The trusted key that it is signed with.
    pub signed_by: Option<String>,
    pub state: PluginState,
    /// Since when it is in that state.
    pub since: Timestamp,
    pub granted: Granted,
}

/// What became of a plugin's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// It is being read, compiled and checked.
    Loading,
    /// Its workflows are in service.
    Ready,
    /// It is not in service; an earlier component of its name may be.
    Failed { reason: String },
    /// It is gone; its component is in service until the reason says.
    Missing { reason: String },
}

/// What an operator lets a plugin reach. Names of secrets only, never their values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Granted {
    pub hosts: Vec<String>,
    pub secrets: Vec<String>,
    pub vars: BTreeMap<String, String>,
    /// Such as `5/s`.
    pub rate: Option<String>,
    pub allow_private: bool,
}

/// Backups of the store of this host, while it runs.
pub trait Backups: Debug + Send + Sync + 'static {
    /// Writes a backup of what is durable now, checks it, and opens it; the file is gone once it is closed.
    /// Blocks, in proportion to all that is stored. Answers why where it cannot be had.
    fn write(&self) -> Result<File, String>;
}

/// The secrets of grants and sources, which are replaced where they are kept.
pub trait Secrets: Debug + Send + Sync + 'static {
    /// Reads them all again. Blocks: a program may be asked for one.
    fn reload(&self) -> Reloaded;
}

/// What became of the secrets that were read again. Never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The places of those that are other ones now, such as `grants.welcome-email.secrets.RESEND_API_KEY`.
    pub replaced: Vec<String>,
    /// Those whose new value cannot be had, or is none: the old one goes on.
    pub kept: Vec<KeptSecret>,
    pub unchanged: usize,
}

/// A secret that goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptSecret {
    pub secret: String,
    pub reason: String,
}

/// Deliveries that were refused at the intake.
pub trait RejectionLog: Debug + Send + Sync + 'static {
    /// The latest ones, newest first.
    fn recent(&self, limit: usize) -> Vec<RejectionView>;

    /// How many there were, by source and reason, since the host's start.
    fn counts(&self) -> Vec<RejectionCount>;
}

/// One refused delivery. Nothing of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionView {
    pub at: Timestamp,
    pub source: String,
    /// A stable code, such as `bad_signature`.
    pub reason: String,
    /// The same for people.
    pub detail: String,
    /// The HTTP status that the sender was answered with.
    pub status: u16,
    /// Whether a person should look at it.
    pub alert: bool,
    pub peer: Option<String>,
    /// The sender's id of the delivery.
    pub external_id: Option<String>,
    /// The event that an id in conflict belongs to.
    pub event: Option<EventId>,
}

/// How often a source's deliveries were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionCount {
    /// None for all names that are no source's.
    pub source: Option<String>,
    pub reason: String,
    pub count: u64,
    pub last_at: Timestamp,
}

/// Events to try things out with.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    samples: Vec<Sample>,
    subject_of: Option<SubjectOf>,
}

/// Whom an event of this name with this data would be about, had the sender of the samples sent it.
pub type SubjectOf = fn(&str, &Json) -> Option<String>;

/// One of them.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The event's name, `clerk/user.created`.
    pub name: String,
    /// What the sender's delivery looks like as a whole.
    pub envelope: Json,
    /// The event's data.
    pub data: Json,
}

impl Samples {
    /// These samples, in this order.
    pub const fn new(samples: Vec<Sample>, subject_of: SubjectOf) -> Self {
        Self { samples, subject_of: Some(subject_of) }
    }

    /// Whom such an event is about.
    pub fn subject_of(&self, name: &str, data: &Json) -> Option<String> {
        self.subject_of?(name, data)
    }

    /// The samples in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The first sample of this event name.
    pub fn named(&self, name: &str) -> Option<&Sample> {
        self.samples.iter().find(|sample| sample.name == name)
    }
}
