//! The verbs of `stepwell plugins`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ListFlags, Remote};

#[derive(Debug, Subcommand)]
pub(crate) enum Plugins {
    /// All plugins with their state
    List(ListFlags),
    /// One plugin
    Get(PluginNamed),
    /// Send a component to the running host, which checks it, puts it into its folder and into service
    Load(PluginLoad),
    /// Take a plugin out of service whose file is gone
    Unload(PluginUnload),
    /// Make a key pair to sign plugins with: NAME.pem, which signs, and NAME.pub.pem, which hosts trust
    Keygen(Keygen),
    /// Sign components: each gets its signature beside it, as FILE.sig
    Sign(Sign),
}

#[derive(Debug, Args)]
pub(crate) struct PluginNamed {
    /// The plugin's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct PluginLoad {
    /// The component; its signature is sent along where FILE.sig is there
    pub(crate) file: PathBuf,
    /// The plugin's name; the file's without its ending, with - for _, unless told
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Args)]
pub(crate) struct PluginUnload {
    #[command(flatten)]
    pub(crate) plugin: PluginNamed,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where the two are written, without an ending
    #[arg(default_value = "stepwell-signing")]
    pub(crate) name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The components
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The private key, in PEM
    #[arg(long, value_name = "FILE", default_value = "stepwell-signing.pem")]
    pub(crate) key: PathBuf,
}
