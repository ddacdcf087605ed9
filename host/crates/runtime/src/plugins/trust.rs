//! Whom the operator trusts: keys that plugins are signed with, and digests that a plugin is pinned to. Judges
//! bytes; must not know where they come from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use stepwell_core::{Digest, PluginName};

use crate::limits::SIGNATURE_BYTES_MAX;

/// What stands before the 32 bytes of an ed25519 public key in DER (RFC 8410, `SubjectPublicKeyInfo`).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the 32 bytes of an ed25519 private key in DER (RFC 8410, PKCS #8 version 1).
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Whom the operator trusts. The default trusts whoever can write to the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Whether a plugin without a signature is refused.
    pub require_signature: bool,
    /// By the names that people know them by. With any, a signature that is there must be by one of them.
    pub keys: BTreeMap<String, PublicKey>,
    /// The digests that a plugin may have; one that is not named may have any.
    pub pins: BTreeMap<PluginName, Vec<Digest>>,
}

/// An ed25519 public key, as text the base64 of its 32 bytes. Read from that, from the base64 of its DER, or from
/// PEM, as `openssl pkey -pubout` writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// An ed25519 key that signs. Never shown.
pub struct SigningKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// The text is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    #[error("not an ed25519 public key: it must be PEM (-----BEGIN PUBLIC KEY-----), or base64 of 32 bytes or of DER")]
    Public,
    #[error(
        "not an ed25519 private key in PEM (-----BEGIN PRIVATE KEY-----), as `openssl genpkey -algorithm ed25519` makes it"
    )]
    Private,
}

/// Why a component is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("its digest is {found}, but {plugin} is pinned to {}: pin the new one, or put the old file back", listed(.pinned))]
    Pinned { plugin: PluginName, found: Digest, pinned: Vec<Digest> },
    #[error(
        "it is not signed, but signatures are required (plugins.require_signature): put its signature beside it as NAME.wasm.sig"
    )]
    Unsigned,
    #[error("signatures are required (plugins.require_signature), but no key is trusted (plugins.trusted_keys)")]
    NoKeys,
    #[error("its signature is none: {0} bytes, where 64 bytes, or base64 of them, are expected")]
    NotASignature(usize),
    #[error(
        "its signature does not verify with any trusted key ({}): it is by another key, or of other bytes than these, whose digest is {found}",
        keys.join(", ")
    )]
    Mismatch { found: Digest, keys: Vec<String> },
}

fn listed(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

impl Trust {
    /// Judges a component's bytes with what lies beside them as their signature. Answers the name of the key that
    /// it is signed with, if it was looked at.
    pub fn check(
        &self,
        plugin: &PluginName,
        bytes: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<&str>, Untrusted> {
        self.check_pin(plugin, Digest::of(bytes))?;
        self.check_signature(bytes, signature)
    }

    /// Whether the plugin may have this digest.
    pub fn check_pin(&self, plugin: &PluginName, found: Digest) -> Result<(), Untrusted> {
        match self.pins.get(plugin) {
            Some(pinned) if !pinned.contains(&found) => {
                Err(Untrusted::Pinned { plugin: plugin.clone(), found, pinned: pinned.clone() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// As [`Trust::check`], of the signature alone.
    pub fn check_signature(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<Option<&str>, Untrusted> {
        if self.keys.is_empty() {
            return if self.require_signature { Err(Untrusted::NoKeys) } else { Ok(None) };
        }
        let Some(signature) = signature else {
            return if self.require_signature { Err(Untrusted::Unsigned) } else { Ok(None) };
        };
        let signature = signature_of(signature).ok_or(Untrusted::NotASignature(signature.len()))?;
        let signer = self.keys.iter().find(|(_, key)| key.verifies(bytes, &signature));
        let signer = signer.map(|(name, _)| Some(name.as_str()));
        signer
            .ok_or_else(|| Untrusted::Mismatch { found: Digest::of(bytes), keys: self.keys.keys().cloned().collect() })
    }
}

/// A signature's file: its 64 bytes as `openssl pkeyutl -sign -rawin` writes them, or base64 of them.
fn signature_of(file: &[u8]) -> Option<[u8; 64]> {
    if let Ok(raw) = file.try_into() {
        return Some(raw);
    }
    if file.len() > SIGNATURE_BYTES_MAX {
        return None;
    }
    decoded(std::str::from_utf8(file).ok()?)?.try_into().ok()
}

/// Base64 in lines or in one.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// What stands between the lines `-----BEGIN what-----` and `-----END what-----`.
fn pem(text: &str, what: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {what}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {what}-----"))?;
    decoded(body)
}

/// DER as PEM.
fn to_pem(prefix: &[u8], key: &[u8], what: &str) -> String {
    let der = [prefix, key].concat();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

impl PublicKey {
    fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }

    /// The key as `openssl` reads it.
    pub fn to_pem(&self) -> String {
        to_pem(&PUBLIC_PREFIX, &self.0, "PUBLIC KEY")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = if text.contains("-----BEGIN") { pem(text, "PUBLIC KEY") } else { decoded(text) };
        let bytes = bytes.ok_or(NotAKey::Public)?;
        let key = bytes.strip_prefix(&PUBLIC_PREFIX).unwrap_or(&bytes);
        key.try_into().map(Self).map_err(|_| NotAKey::Public)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The key of these 32 random bytes.
    pub fn of_seed(seed: [u8; 32]) -> Result<Self, NotAKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NotAKey::Private)?;
        Ok(Self { seed, pair })
    }

    /// The key in PEM, as `openssl genpkey -algorithm ed25519` or [`SigningKey::to_pem`] wrote it.
    pub fn from_pem(text: &str) -> Result<Self, NotAKey> {
        let der = pem(text, "PRIVATE KEY").ok_or(NotAKey::Private)?;
        let seed = der.strip_prefix(&PRIVATE_PREFIX).ok_or(NotAKey::Private)?;
        Self::of_seed(seed.try_into().map_err(|_| NotAKey::Private)?)
    }

    /// The key as `openssl` reads it. To be kept where nobody else reads.
    pub fn to_pem(&self) -> String {
        to_pem(&PRIVATE_PREFIX, &self.seed, "PRIVATE KEY")
    }

    /// What signatures of this key are verified with.
    pub fn public(&self) -> Result<PublicKey, NotAKey> {
        use ring::signature::KeyPair;
        self.pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| NotAKey::Private)
    }

    /// The signature of these bytes.
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL 3.0: `genpkey -algorithm ed25519`, `pkey -pubout`, `pkeyutl -sign -rawin` of "component".
    const OPENSSL_PRIVATE: &str = include_str!("trust/openssl.pem");
    const OPENSSL_PUBLIC: &str = include_str!("trust/openssl.pub.pem");
    const OPENSSL_SIGNATURE: &[u8] = include_bytes!("trust/openssl.sig");

    fn key(n: u8) -> SigningKey {
        SigningKey::of_seed([n; 32]).unwrap()
    }

    fn trust(require_signature: bool, keys: &[u8]) -> Trust {
        let keys = keys.iter().map(|n| (format!("key-{n}"), key(*n).public().unwrap())).collect();
        Trust { require_signature, keys, pins: BTreeMap::new() }
    }

    #[test]
    fn a_signature_is_taken_by_a_trusted_key_of_these_bytes_alone() {
        type Case<'a> = (bool, &'a [u8], Option<Vec<u8>>, &'a str);
        let sign = |n: u8, bytes: &[u8]| Some(key(n).sign(bytes));
        let base64 = |bytes: Vec<u8>| Some(format!("{}\n", STANDARD.encode(bytes)).into_bytes());
        let broken = || key(1).sign(b"new").iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
        let cases: [Case<'_>; 12] = [
            (false, &[], None, "taken"),
            (false, &[], sign(9, b"new"), "taken"),
            (true, &[], sign(1, b"new"), "no key is trusted"),
            (false, &[1], None, "taken"),
            (true, &[1], None, "it is not signed"),
            (true, &[1], sign(1, b"new"), "signed with key-1"),
            (true, &[1], base64(key(1).sign(b"new")), "signed with key-1"),
            (true, &[1, 2], sign(2, b"new"), "signed with key-2"),
            (true, &[1, 2], sign(9, b"new"), "any trusted key (key-1, key-2)"),
            (false, &[1], sign(1, b"old"), "does not verify"),
            (true, &[1], Some(broken()), "does not verify"),
            (true, &[1], Some(vec![b'A'; 5000]), "5000 bytes"),
        ];
        for (require, keys, signature, expected) in cases {
            let told = match trust(require, keys).check_signature(b"new", signature.as_deref()) {
                Ok(None) => "taken".to_owned(),
                Ok(Some(name)) => format!("signed with {name}"),
                Err(reason) => reason.to_string(),
            };
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_pinned_plugin_has_one_of_its_digests_and_no_older_one() {
        let name: PluginName = "mail".parse().unwrap();
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let pins = BTreeMap::from([(name.clone(), vec![new])]);
        let trust = Trust { pins, ..trust(true, &[1]) };
        assert_eq!(trust.check(&name, b"new", Some(&key(1).sign(b"new"))), Ok(Some("key-1")));
        let told = trust.check(&name, b"old", Some(&key(1).sign(b"old"))).unwrap_err().to_string();
        assert!(told.contains(&old.to_string()) && told.contains(&new.to_string()), "{told}");
        assert!(trust.check(&"other".parse().unwrap(), b"old", Some(&key(1).sign(b"old"))).is_ok());
    }

    #[test]
    fn what_openssl_makes_is_read_and_what_we_make_is_the_same() {
        let private = SigningKey::from_pem(OPENSSL_PRIVATE).unwrap();
        let public: PublicKey = OPENSSL_PUBLIC.parse().unwrap();
        assert_eq!(private.public().unwrap(), public);
        assert_eq!(private.to_pem(), OPENSSL_PRIVATE);
        assert_eq!(public.to_pem(), OPENSSL_PUBLIC);
        assert_eq!(private.sign(b"component"), OPENSSL_SIGNATURE);
        let keys = BTreeMap::from([("ci".to_owned(), public)]);
        let trust = Trust { require_signature: true, keys, ..Trust::default() };
        assert_eq!(trust.check_signature(b"component", Some(OPENSSL_SIGNATURE)), Ok(Some("ci")));
    }

    #[test]
    fn a_public_key_is_read_in_three_forms_and_nothing_else_is() {
        let public = key(1).public().unwrap();
        let der = STANDARD.encode([&PUBLIC_PREFIX[..], &public.0].concat());
        for text in [public.to_string(), der, public.to_pem()] {
            assert_eq!(text.parse(), Ok(public), "{text}");
        }
        for text in ["", "AAAA", "-----BEGIN PUBLIC KEY-----", &key(1).to_pem(), "ssh-ed25519 AAAA"] {
            assert_eq!(text.parse::<PublicKey>(), Err(NotAKey::Public), "{text}");
        }
        assert!(SigningKey::from_pem(&public.to_pem()).is_err());
        assert!(!format!("{:?}", key(1)).contains("seed"));
    }
}
