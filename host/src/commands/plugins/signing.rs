//! Keys and signatures of plugins, as files. Needs no host.

use std::ffi::OsString;
use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use stepwell_runtime::SigningKey;

use crate::cli::Sign;
use crate::clock::fill;
use crate::print::{line, say};

/// A path with more at its end: `a.wasm` becomes `a.wasm.sig`.
pub(crate) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// Makes a key pair. Files that are there stay.
pub(super) fn keygen(name: &Path) -> Result<()> {
    let mut seed = [0; 32];
    fill(&mut seed);
    let key = SigningKey::of_seed(seed)?;
    let public = key.public()?;
    let (private_file, public_file) = (with_end(name, ".pem"), with_end(name, ".pub.pem"));
    write_new(&private_file, &key.to_pem(), 0o600)?;
    write_new(&public_file, &public.to_pem(), 0o644)?;
    say(&format!(
        "{} signs: keep it where nobody else reads it. {} is what hosts trust:\n\n    [plugins]\n    require_signature = true\n    trusted_keys = {{ release = \"{public}\" }}",
        private_file.display(),
        public_file.display()
    ));
    line(&public.to_string())
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("{} cannot be written", path.display()))
}

/// Signs each file; the signature replaces an older one whole.
pub(super) fn sign(sign: &Sign) -> Result<()> {
    let at = || format!("the key {}", sign.key.display());
    let key = SigningKey::from_pem(&std::fs::read_to_string(&sign.key).with_context(at)?).with_context(at)?;
    for file in &sign.files {
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let (signature, aside) = (with_end(file, ".sig"), with_end(file, ".sig.part"));
        let written = std::fs::write(&aside, key.sign(&bytes))
            // Whatever the umask says: a host refuses what a group may write to.
            .and_then(|()| std::fs::set_permissions(&aside, Permissions::from_mode(0o644)))
            .and_then(|()| std::fs::rename(&aside, &signature));
        written.with_context(|| format!("{} cannot be written", signature.display()))?;
        line(&signature.display().to_string())?;
    }
    Ok(())
}
