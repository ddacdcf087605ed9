//! Compiled code on disk: code that this host compiled itself, in a directory that is its alone, each file
//! sealed with a key that never leaves it. What does not fit is compiled anew.
//!
//! A file is named by the component's digest and the engine's settings. `<name>.cwasm` is the code,
//! `<name>.seal` its HMAC.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use stepwell_core::Digest;
use tracing::{debug, warn};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::StartError;
use super::hmac::seal;
use crate::limits::CODE_BYTES_MAX;

const KEY_FILE: &str = "key";

/// The directory of compiled code.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
    /// Of the engine's settings and version.
    engine: String,
    bytes_max: u64,
}

impl Cache {
    /// Opens the directory, makes it where missing, and refuses one that others can write to.
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Result<Self, StartError> {
        let failed = |reason: String| StartError::Cache { path: dir.display().to_string(), reason };
        let io = |error: io::Error| failed(error.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let dir = fs::canonicalize(dir).map_err(io)?;
        check_private(&dir).map_err(failed)?;
        let key = key(&dir.join(KEY_FILE)).map_err(io)?;
        Ok(Self { dir, key, engine: fingerprint(engine), bytes_max: CODE_BYTES_MAX })
    }

    /// The component's code, if it is here, whole and of this engine.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let name = self.name(digest);
        let path = self.path(&name, "cwasm");
        match self.verified(&name, &path) {
            Ok(true) => {}
            Ok(false) => {
                warn!(%digest, "the compiled code in the cache is not what this host wrote: it is compiled anew");
                return None;
            }
            Err(error) => {
                debug!(%digest, %error, "no compiled code in the cache");
                return None;
            }
        }
        #[expect(unsafe_code, reason = "code that this host compiled, by its seal, in a directory of its own")]
        // SAFETY: `deserialize_file` wants unchanged output of `Component::serialize`. The seal says that this
        // host wrote the file; the directory's owner and mode, that nobody else can change it meanwhile.
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        loaded
            .inspect_err(|error| warn!(%digest, %error, "the compiled code cannot be loaded: it is compiled anew"))
            .ok()
    }

    /// Keeps a component's code: written aside, then renamed, the seal last.
    pub(crate) fn keep(&self, digest: Digest, component: &Component) -> io::Result<()> {
        self.keep_code(digest, &component.serialize().map_err(|error| io::Error::other(error.to_string()))?)
    }

    /// Keeps code that a process of this host has compiled to [`Cache::aside`].
    pub(super) fn keep_compiled(&self, digest: Digest) -> io::Result<()> {
        let mut code = Vec::new();
        File::open(self.aside(digest))?.take(CODE_BYTES_MAX).read_to_end(&mut code)?;
        remove(&self.aside(digest))?;
        self.keep_code(digest, &code)
    }

    /// Where a component's code may be written before it is kept.
    pub(super) fn aside(&self, digest: Digest) -> PathBuf {
        self.path(&self.name(digest), &format!("{}.out", std::process::id()))
    }

    /// Of the engine that the code is for.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    fn keep_code(&self, digest: Digest, code: &[u8]) -> io::Result<()> {
        let name = self.name(digest);
        let sealed = seal(&self.key, &[name.as_bytes(), code]);
        // An old seal must not outlive the code that it was for.
        remove(&self.path(&name, "seal"))?;
        self.put(&self.path(&name, "cwasm"), code)?;
        self.put(&self.path(&name, "seal"), &sealed)?;
        self.prune(&name)
    }

    /// Lets go of a component's code.
    pub(crate) fn forget(&self, digest: Digest) -> io::Result<()> {
        let name = self.name(digest);
        remove(&self.path(&name, "seal"))?;
        remove(&self.path(&name, "cwasm"))
    }

    /// The components whose code for this engine is here.
    pub(crate) fn digests(&self) -> io::Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".cwasm"));
            let digest = name.and_then(|name| name.split_once('-')?.0.parse().ok());
            digests.extend(digest.filter(|digest| name == Some(self.name(*digest).as_str())));
        }
        Ok(digests)
    }

    /// Drops the oldest code, other than `newest`, until the rest is within its bound. Code of other engines
    /// and what a crash left half-written grows old like the rest.
    fn prune(&self, newest: &str) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if stem != newest && stem != KEY_FILE {
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.bytes_max {
                break;
            }
            // A seal without its code, or code without its seal, is no code.
            remove(&path)?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }

    fn verified(&self, name: &str, path: &Path) -> io::Result<bool> {
        let kept = fs::read(self.path(name, "seal"))?;
        let mut code = Vec::new();
        File::open(path)?.take(CODE_BYTES_MAX).read_to_end(&mut code)?;
        Ok(kept == seal(&self.key, &[name.as_bytes(), &code]))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&aside, path)
    }

    fn name(&self, digest: Digest) -> String {
        format!("{digest}-{}", self.engine)
    }

    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.dir.join(format!("{name}.{extension}"))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directory must be this user's, and nobody else may write or look.
fn check_private(dir: &Path) -> Result<(), String> {
    let metadata = fs::metadata(dir).map_err(|error| error.to_string())?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(format!("belongs to user {}, not to user {user}, as whom the host runs", metadata.uid()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let mode = metadata.permissions().mode() & 0o777;
        return Err(format!("has mode {mode:o}, it must have 700: compiled code is executed as it is (chmod 700)"));
    }
    Ok(())
}

/// The key in `path`, drawn where there is none. Two hosts that begin at once agree on one.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut drawn = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut drawn)?;
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&drawn)?;
    file.sync_all()?;
    let linked = fs::hard_link(&aside, path);
    fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read_key(path)?.ok_or_else(|| io::Error::other("the key is gone")),
    }
}

/// A key of another length is none: it is drawn anew, and with it all code.
fn read_key(path: &Path) -> io::Result<Option<[u8; 32]>> {
    match fs::read(path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes) {
            Ok(key) => Ok(Some(key)),
            Err(_) => fs::remove_file(path).map(|()| None),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What compiled code depends on, as sixteen hexadecimal characters.
pub(super) fn fingerprint(engine: &Engine) -> String {
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let digest = hasher.0.finalize();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A hasher that is the same in every process.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_code_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let engine = crate::engine::build(&crate::Settings { activations_max: 1, ..crate::Settings::new("") }).unwrap();
        let mut cache = Cache::open(&dir.path().join("code"), &engine).unwrap();
        let components = ["(component)", "(component (core module))"].map(|text| wat::parse_str(text).unwrap());
        let kept: Vec<_> =
            components.iter().map(|bytes| (Digest::of(bytes), Component::new(&engine, bytes).unwrap())).collect();
        cache.keep(kept[0].0, &kept[0].1).unwrap();
        cache.keep(kept[1].0, &kept[1].1).unwrap();
        assert!(cache.load(&engine, kept[0].0).is_some() && cache.load(&engine, kept[1].0).is_some());
        cache.bytes_max = 0;
        cache.keep(kept[1].0, &kept[1].1).unwrap();
        assert!(cache.load(&engine, kept[0].0).is_none() && cache.load(&engine, kept[1].0).is_some());
    }
}
