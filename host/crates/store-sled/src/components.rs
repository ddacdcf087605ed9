//! Components: one file each, named by the digest of its bytes, durable before anybody is told.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stepwell_core::Digest;

use crate::dir::write_durably;
use crate::error::Trouble;

fn path(dir: &Path, digest: Digest) -> PathBuf {
    dir.join(format!("{digest}.wasm"))
}

/// Keeps these bytes, unless the file is there and right. One at a time.
pub(crate) fn put(dir: &Path, digest: Digest, bytes: &[u8]) -> Result<(), Trouble> {
    check(digest, bytes)?;
    if matches!(get(dir, digest), Ok(Some(_))) {
        return Ok(());
    }
    write_durably(&path(dir, digest), bytes).map_err(|error| Trouble::io(&format!("component {digest}"), &error))
}

/// The bytes, if there are any and they are right.
pub(crate) fn get(dir: &Path, digest: Digest) -> Result<Option<Vec<u8>>, Trouble> {
    let bytes = match fs::read(path(dir, digest)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Trouble::Damaged { what: format!("component {digest}"), reason: error.to_string() }),
    };
    check(digest, &bytes)?;
    Ok(Some(bytes))
}

/// The components that are there, with their sizes.
pub(crate) fn list(dir: &Path) -> Result<BTreeMap<Digest, u64>, Trouble> {
    let failed = |error: io::Error| Trouble::io("the components", &error);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let digest = name.to_str().and_then(|name| name.strip_suffix(".wasm")?.parse().ok());
        let Some(digest) = digest else { continue };
        match entry.metadata() {
            Ok(metadata) => found.insert(digest, metadata.len()),
            // It was let go of since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
    }
    Ok(found)
}

/// Lets go of a component. Answers whether it was there. Need not be durable: it may come back, and goes again.
pub(crate) fn remove(dir: &Path, digest: Digest) -> Result<bool, Trouble> {
    match fs::remove_file(path(dir, digest)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Trouble::io(&format!("component {digest}"), &error)),
    }
}

fn check(digest: Digest, bytes: &[u8]) -> Result<(), Trouble> {
    match Digest::of(bytes) {
        found if found == digest => Ok(()),
        found => {
            Err(Trouble::Damaged { what: format!("component {digest}"), reason: format!("its digest is {found}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_while_it_is_listed_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let digests: Vec<Digest> = (0..64_u8).map(|n| Digest::of(&[n])).collect();
        std::thread::scope(|scope| {
            let comes_and_goes = scope.spawn(|| {
                for _ in 0..200 {
                    digests.iter().for_each(|digest| fs::write(path(dir.path(), *digest), b"x").unwrap());
                    digests.iter().for_each(|digest| assert!(remove(dir.path(), *digest).unwrap()));
                }
            });
            while !comes_and_goes.is_finished() {
                list(dir.path()).unwrap();
            }
        });
        assert!(list(dir.path()).unwrap().is_empty());
    }
}
