//! The directories of one host: plugins, data, configuration, log.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A host's directories, gone when dropped.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// Empty ones.
    pub fn new() -> Result<Self> {
        let home = Self(tempfile::Builder::new().prefix("stepwell-").tempdir().context("no temporary directory")?);
        // Whatever this person's umask lets others do.
        fs::create_dir(home.plugins()).context("the plugin folder")?;
        fs::set_permissions(home.plugins(), Permissions::from_mode(0o755)).context("the plugin folder")?;
        Ok(home)
    }

    /// The whole.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where components are put.
    pub fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    /// What the host keeps; made by the host.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Puts a component into the folder as a plugin of this name: written aside and renamed, so that
    /// nobody sees half of it.
    pub fn put_plugin(&self, name: &str, component: &Path) -> Result<()> {
        let aside = self.path().join(format!("{name}.part"));
        fs::copy(component, &aside).with_context(|| format!("{} cannot be copied", component.display()))?;
        fs::set_permissions(&aside, Permissions::from_mode(0o644)).context("the component's mode")?;
        fs::rename(&aside, self.plugin(name)).with_context(|| format!("plugin {name} cannot be put"))
    }

    /// Takes a plugin's file away.
    pub fn remove_plugin(&self, name: &str) -> Result<()> {
        fs::remove_file(self.plugin(name)).with_context(|| format!("plugin {name} cannot be removed"))
    }

    /// A plugin's file.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.plugins().join(format!("{name}.wasm"))
    }
}
