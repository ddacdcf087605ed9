//! The key file looked after by people: a copy given out, a copy put back. Erasures that either of two copies knows
//! of are kept.

use std::path::{Path, PathBuf};

use crate::cipher::{Keys, read, write};
use crate::dir::DataDir;
use crate::error::OpenError;
use crate::open::{Options, key_file};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no key file {}: one is made when the first event about a person comes", path.display())]
    NotThere { path: PathBuf },
    #[error(
        "{} has other keys ({found}) than {} ({there}): what is encrypted with those could not be read any more. Move that file away first if you mean it",
        from.display(), to.display()
    )]
    Other { from: PathBuf, found: String, to: PathBuf, there: String },
}

/// What a key file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which keys they are, as messages name them.
    pub id: String,
    pub erasures: usize,
}

impl Told {
    fn of(keys: &Keys) -> Self {
        Self { id: keys.id().short(), erasures: keys.erasures() }
    }
}

fn there(path: &Path) -> Result<Keys, KeyFileError> {
    read(path)?.ok_or_else(|| KeyFileError::NotThere { path: path.to_owned() })
}

/// Writes a copy of the key file, for its user alone. Of a running host too: a key file is replaced as a whole.
pub fn export(dir: &Path, options: &Options, to: &Path) -> Result<Told, KeyFileError> {
    let keys = there(&key_file(dir, options))?;
    write(to, &keys)?;
    Ok(Told::of(&keys))
}

/// Puts a copy in the place of the key file. One that is there must have the same keys; whoever is erased in either
/// is erased then. Answers where it is. The host of that directory, if there is one, must not run.
pub fn import(from: &Path, dir: &Path, options: &Options) -> Result<(PathBuf, Told), KeyFileError> {
    let (to, mut keys) = (key_file(dir, options), there(from)?);
    // A restore comes after its keys.
    let _alone = if dir.join("FORMAT").exists() { Some(DataDir::open(dir)?) } else { None };
    if let Some(there) = read(&to)? {
        if there.id() != keys.id() {
            let (found, there) = (keys.id().short(), there.id().short());
            return Err(KeyFileError::Other { from: from.to_owned(), found, to, there });
        }
        keys.merge(&there);
    }
    write(&to, &keys)?;
    let told = Told::of(&keys);
    Ok((to, told))
}
