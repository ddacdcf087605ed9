//! Rows about a person, encrypted with a key of that person alone: what a row holds is encrypted before it goes
//! into its envelope, so that log, database, snapshots and backups never have it otherwise. All keys come of one
//! key file (`file`), which is in none of them and can lose the key of one person (`tree`).
//!
//! An encrypted body is `leaf:8  nonce:12  ciphertext  tag:16`: ChaCha20-Poly1305, with the row's key in the tree as
//! what is authenticated beside. The nonce is a keyed hash of the row's key and what it holds, so that no two
//! different bodies have the same one, and nothing is drawn by chance.

mod file;
mod keys;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use stepwell_core::{Digest, Timestamp};

pub(crate) use keys::{Erasure, Keys, Leaf, Person};

use crate::error::{OpenError, Trouble};
use crate::keys::describe;
use tree::{Seed, derive};

const LEAF: usize = 8;
/// Keys that are kept at hand: 256 bytes each.
const AT_HAND_MAX: usize = 1024;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The key of its person is erased.
    Erased,
    /// It is not what was put under this key.
    Damaged,
    /// There is no key file.
    NoKeys,
}

impl Unreadable {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Erased => "the person's key is erased",
            Self::Damaged => "it does not decrypt",
            Self::NoKeys => "it is encrypted, and there is no key file",
        }
    }
}

/// Encrypts and decrypts with the keys of one file.
#[derive(Debug)]
pub(crate) struct Cipher {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None until there is a person to have a key.
    keys: Option<Keys>,
    /// People whose erasure is under way, with the generation that comes behind it.
    begun: BTreeMap<Person, u32>,
    /// The last keys that were asked for, newest last.
    at_hand: Vec<(Leaf, Arc<LeafKey>)>,
}

/// What encrypts the rows of one leaf.
struct LeafKey {
    data: LessSafeKey,
    nonces: hmac::Key,
}

impl std::fmt::Debug for LeafKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl LeafKey {
    fn of(seed: &Seed) -> Option<Self> {
        let data = UnboundKey::new(&CHACHA20_POLY1305, &derive(seed, b"data")).ok()?;
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, &derive(seed, b"nonces"));
        Some(Self { data: LessSafeKey::new(data), nonces })
    }

    fn nonce(&self, key: &[u8], body: &[u8]) -> [u8; NONCE_LEN] {
        let mut of = hmac::Context::with_key(&self.nonces);
        of.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
        of.update(key);
        of.update(body);
        of.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl Cipher {
    /// With the keys of this file, if it is there.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let keys = read(path)?;
        Ok(Self { path: path.to_owned(), state: Mutex::new(State { keys, ..State::default() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which keys these are; none if there are none yet.
    pub(crate) fn id(&self) -> Option<Digest> {
        self.state().keys.as_ref().map(|keys| keys.id)
    }

    /// The id of the keys, which are made, durably, if there are none.
    pub(crate) fn id_or_new(&self) -> Result<Digest, Trouble> {
        let mut state = self.state();
        if let Some(keys) = &state.keys {
            return Ok(keys.id);
        }
        let keys = Keys::new().ok_or_else(|| Trouble::Failed("the system has no random numbers".to_owned()))?;
        let id = keys.id;
        self.write(&keys)?;
        state.keys = Some(keys);
        Ok(id)
    }

    /// Where it cannot be written nobody new has a key, and nobody is erased; everything else goes on.
    fn write(&self, keys: &Keys) -> Result<(), Trouble> {
        let failed = |error: std::io::Error| Trouble::Damaged {
            what: format!("the key file {}", self.path.display()),
            reason: format!("it could not be written ({error}): this user must be able to write it and its directory"),
        };
        file::write(&self.path, keys).map_err(failed)
    }

    /// Finds out whether the key file can be written: better before anything is deleted.
    pub(crate) fn try_to_write(&self) -> Result<(), Trouble> {
        let state = self.state();
        state.keys.as_ref().map_or(Ok(()), |keys| self.write(keys))
    }

    /// The person of this subject; none where nobody has a key.
    pub(crate) fn person(&self, subject: &str) -> Option<Person> {
        self.state().keys.as_ref().map(|keys| keys.person(subject))
    }

    /// Whose generation it is in which a new event of this person is kept, and the leaf of it.
    pub(crate) fn current(&self, person: Person) -> Option<(Erasure, Leaf)> {
        let state = self.state();
        let from = state.begun.get(&person).copied().unwrap_or_default();
        state.keys.as_ref().map(|keys| keys.current(person, from))
    }

    pub(crate) fn leaf_of(&self, erasure: Erasure) -> Option<Leaf> {
        self.state().keys.as_ref().map(|keys| keys.leaf(erasure))
    }

    /// All that the keys know to be erased.
    pub(crate) fn erased(&self) -> Vec<(Erasure, Timestamp)> {
        let state = self.state();
        state.keys.iter().flat_map(|keys| &keys.erasures).map(|(erasure, at)| (*erasure, *at)).collect()
    }

    /// The erasure of this person that is under way.
    pub(crate) fn begun(&self, person: Person) -> Option<Erasure> {
        let next = self.state().begun.get(&person).copied();
        next.map(|next| Erasure { person, generation: next.saturating_sub(1) })
    }

    /// When this person was erased last.
    pub(crate) fn last_erased(&self, person: Person) -> Option<Timestamp> {
        self.state().keys.as_ref().and_then(|keys| keys.last_erased(person))
    }

    /// An erasure is under way: what comes from now on is in the next generation, and survives it.
    pub(crate) fn begin(&self, erasure: Erasure) {
        self.state().begun.insert(erasure.person, erasure.generation.saturating_add(1));
    }

    /// Nobody who has the key file reads from now on what was kept in these generations. Durable once this answers;
    /// says whether anything had to be done.
    pub(crate) fn erase(&self, erasures: &[(Erasure, Timestamp)]) -> Result<bool, Trouble> {
        let mut state = self.state();
        let Some(keys) = &state.keys else { return Ok(false) };
        let mut erased = keys.clone();
        let any = erasures.iter().fold(false, |any, (erasure, at)| erased.erase(*erasure, *at) | any);
        if any {
            self.write(&erased)?;
        }
        state.keys = Some(erased);
        state.begun.retain(|person, _| erasures.iter().all(|(erasure, _)| erasure.person != *person));
        state.at_hand.clear();
        Ok(any)
    }

    fn key(&self, leaf: Leaf) -> Result<Arc<LeafKey>, Unreadable> {
        let mut state = self.state();
        if let Some(place) = state.at_hand.iter().rposition(|(known, _)| *known == leaf) {
            let found = state.at_hand.remove(place);
            let key = Arc::clone(&found.1);
            state.at_hand.push(found);
            return Ok(key);
        }
        let keys = state.keys.as_ref().ok_or(Unreadable::NoKeys)?;
        let seed = keys.tree.leaf(leaf.0).ok_or(Unreadable::Erased)?;
        let key = Arc::new(LeafKey::of(&seed).ok_or(Unreadable::Damaged)?);
        if state.at_hand.len() >= AT_HAND_MAX {
            state.at_hand.drain(..AT_HAND_MAX / 2);
        }
        state.at_hand.push((leaf, Arc::clone(&key)));
        Ok(key)
    }

    /// What is kept of this body under this key.
    pub(crate) fn encrypt(&self, leaf: Leaf, key: &[u8], body: &[u8]) -> Result<Vec<u8>, Trouble> {
        let failed = |reason: &str| Trouble::Damaged { what: describe(key), reason: reason.to_owned() };
        let of = self.key(leaf).map_err(|unreadable| failed(unreadable.reason()))?;
        let nonce = of.nonce(key, body);
        let mut text = Vec::with_capacity(LEAF + NONCE_LEN + body.len() + CHACHA20_POLY1305.tag_len());
        text.extend(leaf.0.to_be_bytes());
        text.extend(nonce);
        let begin = text.len();
        text.extend_from_slice(body);
        let (_, in_out) = text.split_at_mut(begin);
        let tag = of.data.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(key), in_out);
        text.extend_from_slice(tag.map_err(|_| failed("it is too large to be encrypted"))?.as_ref());
        Ok(text)
    }

    /// The body of what is kept under this key.
    pub(crate) fn decrypt(&self, key: &[u8], text: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let (leaf, rest) = text.split_first_chunk::<LEAF>().ok_or(Unreadable::Damaged)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unreadable::Damaged)?;
        let of = self.key(Leaf(u64::from_be_bytes(*leaf)))?;
        let mut body = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = of.data.open_in_place(nonce, Aad::from(key), &mut body).map_err(|_| Unreadable::Damaged)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// Whether this text is one of an erased leaf.
    pub(crate) fn is_erased(&self, text: &[u8]) -> bool {
        let Some((leaf, _)) = text.split_first_chunk::<LEAF>() else { return false };
        self.state().keys.as_ref().is_some_and(|keys| keys.tree.is_punctured(u64::from_be_bytes(*leaf)))
    }
}

/// The keys of a file; none if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Keys>, OpenError> {
    let keys = file::read(path).map_err(|error| OpenError::io(path, error))?.transpose();
    keys.map_err(|reason| OpenError::KeyFile { path: path.to_owned(), reason })
}

pub(crate) fn write(path: &Path, keys: &Keys) -> Result<(), OpenError> {
    file::write(path, keys).map_err(|error| OpenError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(dir: &Path) -> Cipher {
        let cipher = Cipher::open(&dir.join("privacy.key")).unwrap();
        cipher.id_or_new().unwrap();
        cipher
    }

    fn leaf(cipher: &Cipher, subject: &str) -> (Erasure, Leaf) {
        cipher.current(cipher.person(subject).unwrap()).unwrap()
    }

    #[test]
    fn a_body_is_read_under_its_own_key_alone_and_every_flip_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let cipher = cipher(dir.path());
        let (_, of) = leaf(&cipher, "user_1");
        let text = cipher.encrypt(of, b"Rkey", b"hello").unwrap();
        assert_eq!(cipher.decrypt(b"Rkey", &text).unwrap(), b"hello");
        assert_eq!(cipher.encrypt(of, b"Rkey", b"hello").unwrap(), text);
        assert_ne!(cipher.encrypt(of, b"Rkex", b"hello").unwrap()[8..20], text[8..20]);
        assert_eq!(cipher.decrypt(b"Rkex", &text), Err(Unreadable::Damaged));
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cipher.decrypt(b"Rkey", &damaged), Err(Unreadable::Damaged), "bit {bit}");
        }
        (0..text.len()).for_each(|end| assert!(cipher.decrypt(b"Rkey", &text[..end]).is_err()));
    }

    #[test]
    fn an_erased_person_is_read_by_nobody_who_opens_the_file_and_comes_back_in_another_generation() {
        let dir = tempfile::tempdir().unwrap();
        let before = cipher(dir.path());
        let ((erasure, of), (_, other)) = (leaf(&before, "user_1"), leaf(&before, "user_2"));
        let text = before.encrypt(of, b"R", b"hello").unwrap();
        let theirs = before.encrypt(other, b"R", b"theirs").unwrap();
        before.erase(&[(erasure, Timestamp::from_millis(5))]).unwrap();
        let after = Cipher::open(before.path()).unwrap();
        for cipher in [&before, &after] {
            assert_eq!(cipher.decrypt(b"R", &text), Err(Unreadable::Erased));
            assert!(cipher.is_erased(&text) && !cipher.is_erased(&theirs));
            assert_eq!(cipher.decrypt(b"R", &theirs).unwrap(), b"theirs");
            assert_eq!(cipher.erased(), [(erasure, Timestamp::from_millis(5))]);
            let (again, of) = leaf(cipher, "user_1");
            assert_eq!(again.generation, 1);
            let later = cipher.encrypt(of, b"R", b"later").unwrap();
            assert_eq!(cipher.decrypt(b"R", &later).unwrap(), b"later");
        }
    }

    #[test]
    fn more_people_than_are_kept_at_hand_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let cipher = cipher(dir.path());
        let text = |n: usize| cipher.encrypt(leaf(&cipher, &n.to_string()).1, b"R", &n.to_be_bytes()).unwrap();
        let texts: Vec<_> = (0..AT_HAND_MAX + 10).map(text).collect();
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(cipher.decrypt(b"R", text).unwrap(), n.to_be_bytes());
        }
    }

    /// A subject must not be guessed from what is stored, even by its leaf.
    #[test]
    fn two_files_give_one_subject_different_people_and_leaves() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = [0, 1].map(|n: usize| cipher(dirs[n].path()));
        assert_ne!(one.person("user_1"), other.person("user_1"));
        assert_ne!(leaf(&one, "user_1").1, leaf(&other, "user_1").1);
        assert_ne!(one.id(), other.id());
    }
}
