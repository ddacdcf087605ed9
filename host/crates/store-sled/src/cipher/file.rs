//! The bytes of a key file, and how they get to disk. Numbers are little-endian:
//!
//! `magic "SWKEYS\0\0":8  version:4  reserved:4  id:32  key of hashes:32  seeds:4  erasures:4`, then for each
//! seed `first leaf:8  levels below it:1  seed:32`, for each erasure `person:16  generation:4  at:8`, and at last
//! `crc32c:4` of all before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use stepwell_core::{Digest, Timestamp};
use tracing::warn;

use super::tree::Tree;
use super::{Erasure, Keys, Person};
use crate::payload::take;

const MAGIC: [u8; 8] = *b"SWKEYS\0\0";
const VERSION: u32 = 1;
/// For the host's own user alone.
const MODE: u32 = 0o600;

pub(super) fn encode(keys: &Keys) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &[0; 4], keys.id.as_bytes(), &keys.hashes].concat();
    bytes.extend(number(keys.tree.seeds().len()));
    bytes.extend(number(keys.erasures.len()));
    for (first, levels, seed) in keys.tree.seeds() {
        bytes.extend(first.to_le_bytes());
        bytes.push(levels);
        bytes.extend(seed);
    }
    for (erasure, at) in &keys.erasures {
        bytes.extend(erasure.person.0);
        bytes.extend(erasure.generation.to_le_bytes());
        bytes.extend(at.as_millis_unsigned().to_le_bytes());
    }
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

/// The keys that these bytes hold, or why they are none.
pub(super) fn decode(bytes: &[u8]) -> Result<Keys, String> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or("it is cut off")?;
    let mut rest = body;
    if take(&mut rest, 8)? != MAGIC {
        return Err("it is no key file of Stepwell".to_owned());
    }
    let version = number_32(&mut rest)?;
    if version != VERSION {
        return Err(format!("its format version is {version}, this host reads {VERSION}"));
    }
    if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return Err("its checksum does not match".to_owned());
    }
    take(&mut rest, 4)?;
    let (id, hashes) = (Digest::from_bytes(array(&mut rest)?), array(&mut rest)?);
    let (seeds, erasures) = (number_32(&mut rest)?, number_32(&mut rest)?);
    let mut seed = || Ok((number_64(&mut rest)?, array::<1>(&mut rest)?[0], array(&mut rest)?));
    let seeds = (0..seeds).map(|_| seed()).collect::<Result<Vec<_>, String>>()?;
    let tree = Tree::of(seeds).ok_or("its seeds do not belong to one tree")?;
    let mut erasure = || {
        let erasure = Erasure { person: Person(array(&mut rest)?), generation: number_32(&mut rest)? };
        let at = i64::try_from(number_64(&mut rest)?).unwrap_or(i64::MAX);
        Ok((erasure, Timestamp::from_millis(at)))
    };
    let erasures = (0..erasures).map(|_| erasure()).collect::<Result<_, String>>()?;
    if !rest.is_empty() {
        return Err("something comes behind its end".to_owned());
    }
    Ok(Keys { id, hashes, tree, erasures })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    Ok(take(rest, N)?.try_into().unwrap_or([0; N]))
}

fn number_32(rest: &mut &[u8]) -> Result<u32, String> {
    array(rest).map(u32::from_le_bytes)
}

fn number_64(rest: &mut &[u8]) -> Result<u64, String> {
    array(rest).map(u64::from_le_bytes)
}

/// None where there is no such file.
pub(super) fn read(path: &Path) -> io::Result<Option<Result<Keys, String>>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        warn!(file = %path.display(), mode = format!("{:o}", mode & 0o777), "others may read the key file: make it 0600");
    }
    Ok(Some(decode(&bytes)))
}

/// Puts a file in the place of the one there, whole or not at all, for the host's user alone. The bytes of the old
/// one are written over once the new one is durable: the best that can be done about them.
pub(super) fn write(path: &Path, keys: &Keys) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_dir(parent)?;
    let old = match OpenOptions::new().write(true).open(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let temporary = path.with_extension("tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary)?;
    file.write_all(&encode(keys))?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(parent)?.sync_all()?;
    old.map_or(Ok(()), |old| write_over(&old))
}

/// The directory, durably, if it is not there: for the host's user alone.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(above)?.sync_all()
}

fn write_over(mut old: &File) -> io::Result<()> {
    let mut left = old.metadata()?.len();
    old.seek(SeekFrom::Start(0))?;
    let nothing = [0; 8192];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(nothing.len());
        old.write_all(nothing.get(..length).unwrap_or_default())?;
        left -= length as u64;
    }
    old.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let mut keys = Keys { id: Digest::of(b"id"), hashes: [3; 32], tree: Tree::new([4; 32]), erasures: [].into() };
        for generation in 0..3 {
            let erasure = Erasure { person: Person([7; 16]), generation };
            keys.erase(erasure, Timestamp::from_millis(1_000));
        }
        keys
    }

    #[test]
    fn what_was_written_is_read_and_every_cut_and_flip_is_seen() {
        let bytes = encode(&keys());
        assert_eq!(decode(&bytes).unwrap(), keys());
        (0..bytes.len()).for_each(|end| assert!(decode(&bytes[..end]).is_err(), "cut at {end}"));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_bytes_of_version_1_stay_readable() {
        let mut keys = Keys { id: Digest::of(b"id"), hashes: [3; 32], tree: Tree::new([4; 32]), erasures: [].into() };
        let expected = [
            b"SWKEYS\0\0".as_slice(),
            &[1, 0, 0, 0, 0, 0, 0, 0],
            Digest::of(b"id").as_bytes(),
            &[3; 32],
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[0; 8],
            &[64],
            &[4; 32],
        ]
        .concat();
        let bytes = encode(&keys);
        assert_eq!(bytes[..bytes.len() - 4], expected);
        keys.erasures.insert(Erasure { person: Person([7; 16]), generation: 2 }, Timestamp::from_millis(0x0102));
        let bytes = encode(&keys);
        let erasure = [[7; 16].as_slice(), &[2, 0, 0, 0], &[2, 1, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(bytes[expected.len()..bytes.len() - 4], erasure);
    }

    #[test]
    fn a_file_is_replaced_for_its_user_alone_and_the_old_bytes_are_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/privacy.key");
        assert!(read(&path).unwrap().is_none());
        let first = Keys { tree: Tree::new([5; 32]), ..keys() };
        write(&path, &first).unwrap();
        let still_open = File::open(&path).unwrap();
        write(&path, &keys()).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().unwrap(), keys());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut old = Vec::new();
        io::Read::read_to_end(&mut { still_open }, &mut old).unwrap();
        assert!(!old.is_empty() && old.iter().all(|byte| *byte == 0));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
