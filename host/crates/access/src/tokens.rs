//! The tokens of one host: kept as hashes in `tokens.json`, looked up in constant time, refused from the moment
//! that they are revoked or have expired.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell_core::{Digest, Timestamp};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::file::{self, FileError};
use crate::limits::{EXPIRES_MAX, LAST_USED_EVERY, TOKEN_BYTES_MAX, TOKENS_MAX};
use crate::token::{PREFIX, secret};
use crate::{Scope, Token, TokenName};

const FILE: &str = "tokens.json";
/// Where versions before kept the one token there was.
const FILE_BEFORE: &str = "admin-token.sha256";
/// What the token is called that is made at the first start.
const FIRST: &str = "first";
/// The file's format.
const VERSION: u32 = 1;

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    tokens: Vec<Token>,
}

/// The tokens of one host.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    /// Fills a slice with random bytes.
    random: fn(&mut [u8]),
    inner: Mutex<Inner>,
    /// Held while the file is written, so that nobody who only looks a token up waits for the disk.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: Vec<Token>,
    /// Whether there ever was one.
    is_known: bool,
    /// Since when times of use wait to be written.
    unwritten: Option<Timestamp>,
}

/// A token that was just made: its text is in here and nowhere else.
#[derive(Debug)]
pub struct Made {
    pub token: Token,
    pub secret: String,
}

/// Why a token that was brought is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such token is known: it never was one, or it is revoked.
    Unknown,
    /// It was one, until then.
    Expired(TokenName, Timestamp),
}

/// Why tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("there is a token {0} already: revoke it first, or take another name")]
    Taken(TokenName),
    #[error("there is no token {0:?}")]
    NotThere(String),
    #[error("there are {TOKENS_MAX} tokens (TOKENS_MAX): revoke one first")]
    TooMany,
    #[error("a token is valid for a second to ten years, or has no end")]
    Lifetime,
    #[error("{path} is damaged ({reason}): delete it, and make new tokens with `stepwell tokens create --data-dir`")]
    Damaged { path: String, reason: String },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Tokens {
    /// Reads the tokens of this data directory. `random` fills a slice with random bytes.
    pub fn open(data_dir: &Path, random: fn(&mut [u8])) -> Result<Self, TokensError> {
        let path = data_dir.join(FILE);
        let kept = file::read(&path)?.map(|text| parse(&path, &text)).transpose()?;
        let mut inner = Inner { is_known: kept.is_some(), tokens: kept.unwrap_or_default(), unwritten: None };
        let before = data_dir.join(FILE_BEFORE);
        if let Some(text) = file::read(&before)? {
            inner.take_over(&before, &text)?;
        }
        Ok(Self { path, random, inner: Mutex::new(inner), writing: Mutex::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token; `lifetime` is how long it is valid, for ever if none.
    pub fn create(
        &self,
        name: TokenName,
        scope: Scope,
        lifetime: Option<Duration>,
        now: Timestamp,
    ) -> Result<Made, TokensError> {
        if lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1) || lifetime > EXPIRES_MAX) {
            return Err(TokensError::Lifetime);
        }
        let mut random = [0; 32];
        (self.random)(&mut random);
        let secret = secret(random);
        let sha256 = Digest::of(secret.as_bytes());
        let expires_at = lifetime.map(|lifetime| now.after(lifetime));
        let token = Token { name, scope, sha256, made_at: now, expires_at, last_used_at: None };
        self.change(|tokens| {
            if tokens.iter().any(|known| known.name == token.name) {
                return Err(TokensError::Taken(token.name.clone()));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(TokensError::TooMany);
            }
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok(Made { token, secret })
    }

    /// The token that is made at the first start of a host that demands one; none where there ever was one.
    pub fn create_first(&self, now: Timestamp) -> Result<Option<Made>, TokensError> {
        if self.lock().is_known {
            return Ok(None);
        }
        let name = FIRST.parse().map_err(|_| TokensError::NotThere(FIRST.to_owned()))?;
        self.create(name, Scope::Admin, None, now).map(Some)
    }

    /// Ends a token for good: from now on it is refused, and so are the sessions that it began.
    pub fn revoke(&self, name: &str) -> Result<Token, TokensError> {
        let mut revoked = None;
        self.change(|tokens| {
            let at = tokens.iter().position(|token| token.name.as_str() == name);
            revoked = at.map(|at| tokens.remove(at));
            revoked.as_ref().map(|_| ()).ok_or_else(|| TokensError::NotThere(name.chars().take(64).collect()))
        })?;
        revoked.ok_or_else(|| TokensError::NotThere(name.to_owned()))
    }

    /// All tokens, by name.
    pub fn list(&self) -> Vec<Token> {
        let mut tokens = self.lock().tokens.clone();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        tokens
    }

    /// Whether somebody holds a token that is valid and may do everything.
    pub fn has_admin(&self, now: Timestamp) -> bool {
        self.lock().tokens.iter().any(|token| token.scope == Scope::Admin && !token.has_expired(now))
    }

    /// Whose token this is. All hashes are compared, so that the time it takes tells nothing.
    pub fn identify(&self, presented: &str, now: Timestamp) -> Result<Token, Refused> {
        if presented.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Unknown);
        }
        let sha256 = Digest::of(presented.as_bytes());
        let mut inner = self.lock();
        let (mut found, mut place) = (Choice::from(0), u64::MAX);
        for (at, token) in (0_u64..).zip(&inner.tokens) {
            let same = token.sha256.as_bytes().ct_eq(sha256.as_bytes());
            place.conditional_assign(&at, same);
            found |= same;
        }
        let at = usize::try_from(place).ok().filter(|_| bool::from(found)).ok_or(Refused::Unknown)?;
        inner.used(at, now)
    }

    /// The token of this name, as it is now.
    pub fn named(&self, name: &str, now: Timestamp) -> Result<Token, Refused> {
        let mut inner = self.lock();
        let at = inner.tokens.iter().position(|token| token.name.as_str() == name).ok_or(Refused::Unknown)?;
        inner.used(at, now)
    }

    /// Whether times of use have waited for long enough to be written down.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.lock().unwritten.is_some_and(|since| now.since(since) >= LAST_USED_EVERY)
    }

    /// Writes times of use down, if there are any.
    pub fn flush(&self) -> Result<(), TokensError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = {
            let mut inner = self.lock();
            inner.unwritten.take().map(|_| inner.tokens.clone())
        };
        tokens.map_or(Ok(()), |tokens| self.write(&tokens))
    }

    /// Changes the tokens, on disk before in memory.
    fn change(&self, change: impl FnOnce(&mut Vec<Token>) -> Result<(), TokensError>) -> Result<(), TokensError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = self.lock().tokens.clone();
        change(&mut tokens)?;
        self.write(&tokens)?;
        *self.lock() = Inner { tokens, is_known: true, unwritten: None };
        Ok(())
    }

    fn write(&self, tokens: &[Token]) -> Result<(), TokensError> {
        let kept = Kept { version: VERSION, tokens: tokens.to_vec() };
        let damaged = |error: serde_json::Error| TokensError::Damaged {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        };
        let text = serde_json::to_string_pretty(&kept).map_err(damaged)?;
        Ok(file::replace(&self.path, &format!("{text}\n"))?)
    }
}

impl Inner {
    /// The token at this place was brought.
    fn used(&mut self, at: usize, now: Timestamp) -> Result<Token, Refused> {
        let token = self.tokens.get_mut(at).ok_or(Refused::Unknown)?;
        if let Some(end) = token.expires_at.filter(|end| now >= *end) {
            return Err(Refused::Expired(token.name.clone(), end));
        }
        if token.last_used_at.is_none_or(|last| now.since(last) >= LAST_USED_EVERY) {
            token.last_used_at = Some(now);
            self.unwritten.get_or_insert(now);
        }
        Ok(token.clone())
    }

    /// The one token of earlier versions is an admin's. Its file stays, so that an older version still starts; it
    /// counts only as long as there is no other file.
    fn take_over(&mut self, path: &Path, text: &str) -> Result<(), TokensError> {
        if self.is_known {
            return Ok(());
        }
        let damaged = |reason: String| TokensError::Damaged { path: path.display().to_string(), reason };
        let sha256 = text.trim().parse::<Digest>().map_err(|error| damaged(error.to_string()))?;
        let name = FIRST.parse().map_err(damaged)?;
        let made_at = Timestamp::ZERO;
        self.tokens.push(Token { name, scope: Scope::Admin, sha256, made_at, expires_at: None, last_used_at: None });
        self.is_known = true;
        Ok(())
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Token>, TokensError> {
    let damaged = |reason: String| TokensError::Damaged { path: path.display().to_string(), reason };
    let kept: Kept = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if kept.version != VERSION {
        return Err(damaged(format!("it is of version {}, this host knows {VERSION}", kept.version)));
    }
    if kept.tokens.len() > TOKENS_MAX {
        return Err(TokensError::TooMany);
    }
    Ok(kept.tokens)
}

/// Whether a text has something in it that looks like a token of ours.
pub fn has_token(text: &str) -> bool {
    text.contains(PREFIX)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn random(bytes: &mut [u8]) {
        use std::sync::atomic::{AtomicU8, Ordering};
        static NEXT: AtomicU8 = AtomicU8::new(1);
        bytes.fill(NEXT.fetch_add(1, Ordering::Relaxed));
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn open(dir: &Path) -> Tokens {
        Tokens::open(dir, random).unwrap()
    }

    fn name(text: &str) -> TokenName {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_known_until_it_is_revoked_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let made = open(dir.path()).create(name("ci"), Scope::Operate, None, at(0)).unwrap();
        let tokens = open(dir.path());
        assert_eq!(tokens.identify(&made.secret, at(1)).unwrap().scope, Scope::Operate);
        for wrong in ["", "stepwell_", &made.secret[1..], &format!("{}0", made.secret), &"x".repeat(100_000)] {
            assert_eq!(tokens.identify(wrong, at(1)), Err(Refused::Unknown), "{wrong:.80}");
        }
        assert_eq!(tokens.revoke("ci").unwrap().name, name("ci"));
        assert_eq!(tokens.identify(&made.secret, at(1)), Err(Refused::Unknown));
        assert_eq!(open(dir.path()).identify(&made.secret, at(1)), Err(Refused::Unknown));
        assert!(matches!(tokens.revoke("ci"), Err(TokensError::NotThere(_))));
    }

    #[test]
    fn a_token_ends_at_its_time_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = open(dir.path());
        let day = Duration::from_secs(86_400);
        let made = tokens.create(name("ci"), Scope::Read, Some(day), at(0)).unwrap();
        assert!(tokens.identify(&made.secret, at(86_399)).is_ok());
        for late in [86_400, 86_401, 900_000_000] {
            assert_eq!(tokens.identify(&made.secret, at(late)), Err(Refused::Expired(name("ci"), at(86_400))));
            assert!(tokens.named("ci", at(late)).is_err());
        }
        for lifetime in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
            assert!(matches!(tokens.create(name("b"), Scope::Read, Some(lifetime), at(0)), Err(TokensError::Lifetime)));
        }
    }

    #[test]
    fn the_file_has_hashes_alone_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = open(dir.path());
        let secrets = ["a", "b"].map(|of| tokens.create(name(of), Scope::Admin, None, at(0)).unwrap().secret);
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(&secret[PREFIX.len()..])), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(tokens.create(name("a"), Scope::Read, None, at(0)), Err(TokensError::Taken(_))));
    }

    #[test]
    fn the_first_token_is_made_once_and_stays_an_admins() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = open(dir.path());
        let made = tokens.create_first(at(0)).unwrap().unwrap();
        assert_eq!((made.token.name.as_str(), made.token.scope), ("first", Scope::Admin));
        assert!(open(dir.path()).create_first(at(1)).unwrap().is_none());
        tokens.revoke("first").unwrap();
        assert!(open(dir.path()).create_first(at(1)).unwrap().is_none(), "whoever revoked it wants it gone");
        assert!(!tokens.has_admin(at(1)));
    }

    #[test]
    fn the_one_token_of_earlier_versions_is_an_admins() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_BEFORE), format!("{}\n", Digest::of(b"stepwell_old"))).unwrap();
        let tokens = open(dir.path());
        assert_eq!(tokens.identify("stepwell_old", at(0)).unwrap().scope, Scope::Admin);
        assert!(tokens.create_first(at(0)).unwrap().is_none());
        tokens.revoke("first").unwrap();
        assert_eq!(open(dir.path()).identify("stepwell_old", at(0)), Err(Refused::Unknown), "revoked for good");
    }

    #[test]
    fn damaged_files_are_said_and_left_alone() {
        for text in ["", "{", r#"{"version":2,"tokens":[]}"#, r#"{"version":1,"tokens":[],"more":1}"#] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = Tokens::open(dir.path(), random).unwrap_err().to_string();
            assert!(error.contains("tokens.json") && error.contains("stepwell tokens create"), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
        }
    }

    #[test]
    fn the_time_of_last_use_is_written_now_and_then() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = open(dir.path());
        let made = tokens.create(name("ci"), Scope::Read, None, at(0)).unwrap();
        for (second, is_due) in [(0, false), (59, false), (60, true)] {
            tokens.identify(&made.secret, at(second)).unwrap();
            assert_eq!(tokens.is_due(at(second)), is_due, "{second}");
        }
        tokens.flush().unwrap();
        assert!(!tokens.is_due(at(600)));
        assert_eq!(open(dir.path()).list()[0].last_used_at, Some(at(60)));
    }
}
