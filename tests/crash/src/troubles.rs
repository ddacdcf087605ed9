//! What befalls a plugin's file beside being replaced, each in two halves with load, and perhaps a kill, in between.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use stepwell_harness::{Home, Seed};

use crate::marked::Marked;

/// The names that the plugin goes by in turn.
const NAMES: [&str; 2] = ["marked", "marked-renamed"];

/// What is done to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another version is renamed into its place, as one should.
    Replaced,
    /// It gets another name, and so its plugin.
    Renamed,
    /// It gets another name, and another version is put there.
    RenamedAndReplaced,
    /// Another version is written over it, and for a while half of it is there.
    HalfWritten,
    /// Its whole folder is away for a while.
    FolderAway,
    /// It is away for a while.
    Removed,
}

/// The file as it should stand.
#[derive(Debug)]
pub struct PluginFile {
    marked: Marked,
    /// Of the version that is put, or is being put.
    pub newest: String,
    bytes: Vec<u8>,
    name: usize,
    /// Since when it is away.
    pub away_since: Option<Instant>,
}

impl Trouble {
    /// Half of the swaps are plain ones.
    pub fn any(seed: &mut Seed) -> Self {
        match seed.between(0, 9) {
            0 => Self::Renamed,
            1 => Self::RenamedAndReplaced,
            2 => Self::HalfWritten,
            3 => Self::FolderAway,
            4 => Self::Removed,
            _ => Self::Replaced,
        }
    }
}

impl PluginFile {
    /// The first version, put.
    pub fn put_first(home: &Home) -> Result<Self> {
        let (marked, away_since) = (Marked::new()?, None);
        let mut file = Self { marked, newest: String::new(), bytes: Vec::new(), name: 0, away_since };
        file.next()?;
        file.put(home)?;
        Ok(file)
    }

    /// The versions so far.
    pub const fn marked(&self) -> &Marked {
        &self.marked
    }

    /// The plugin's name as the file makes it.
    pub fn name(&self) -> &'static str {
        NAMES.get(self.name).copied().unwrap_or_default()
    }

    fn path(&self, home: &Home) -> PathBuf {
        home.plugin(self.name())
    }

    fn next(&mut self) -> Result<()> {
        (self.bytes, self.newest) = self.marked.another()?;
        Ok(())
    }

    fn put(&self, home: &Home) -> Result<()> {
        let aside = home.path().join("marked.bytes");
        fs::write(&aside, &self.bytes)?;
        home.put_plugin(self.name(), &aside)
    }

    fn rename(&mut self, home: &Home) -> Result<()> {
        let from = self.path(home);
        self.name = 1 - self.name;
        fs::rename(from, self.path(home)).context("the plugin's file cannot be renamed")
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.bytes.len() / 2)
    }

    /// The first half of it.
    pub fn begin(&mut self, trouble: Trouble, home: &Home) -> Result<()> {
        match trouble {
            Trouble::Renamed => self.rename(home)?,
            Trouble::RenamedAndReplaced => {
                self.rename(home)?;
                self.next()?;
                self.put(home)?;
            }
            Trouble::Replaced => {
                self.next()?;
                self.put(home)?;
            }
            Trouble::HalfWritten => {
                self.next()?;
                fs::write(self.path(home), self.halves().0)?;
            }
            Trouble::FolderAway => fs::rename(home.plugins(), home.path().join("away"))?,
            Trouble::Removed => {
                self.away_since = Some(Instant::now());
                home.remove_plugin(self.name())?;
            }
        }
        Ok(())
    }

    /// The second half: the file is whole, and there.
    pub fn end(&mut self, trouble: Trouble, home: &Home) -> Result<()> {
        match trouble {
            Trouble::Replaced | Trouble::Renamed | Trouble::RenamedAndReplaced => {}
            Trouble::HalfWritten => {
                let mut file = OpenOptions::new().append(true).open(self.path(home))?;
                file.write_all(self.halves().1)?;
            }
            Trouble::FolderAway => fs::rename(home.path().join("away"), home.plugins())?,
            Trouble::Removed => self.put(home)?,
        }
        Ok(())
    }
}
