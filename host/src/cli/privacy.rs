//! The verbs about people's data.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Remote, StoreFlags};

#[derive(Debug, Subcommand)]
pub(crate) enum Privacy {
    /// All that is kept about a person: events, runs and their steps
    Export(PrivacyExport),
    /// End the person's runs and erase all that is kept about them, in every backup too
    Erase(PrivacyErase),
    /// Look after the key file, which is in no backup
    #[command(subcommand)]
    Keys(PrivacyKeys),
}

#[derive(Debug, Args)]
pub(crate) struct PrivacyExport {
    /// Whom: Clerk's id of the user, or what events name as their subject
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct PrivacyErase {
    /// Whom: Clerk's id of the user, or what events name as their subject
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PrivacyKeys {
    /// Write a copy of the key file
    Export(PrivacyKeysExport),
    /// Put a copy in the place of the key file; who is erased in either stays erased
    Import(PrivacyKeysImport),
}

#[derive(Debug, Args)]
pub(crate) struct PrivacyKeysExport {
    /// Where it is written
    pub(crate) file: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

#[derive(Debug, Args)]
pub(crate) struct PrivacyKeysImport {
    /// A copy that an export wrote
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}
