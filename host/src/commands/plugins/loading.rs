//! `stepwell plugins load`: a component on its way to a running host.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stepwell_runtime::limits::{COMPONENT_BYTES_MAX, SIGNATURE_BYTES_MAX};

use super::signing::with_end;
use super::{describe, path};
use crate::cli::PluginLoad;
use crate::client::Client;
use crate::commands::Failure;
use crate::print::{one, say};

pub(super) async fn load(load: &PluginLoad) -> Result<(), Failure> {
    let name = match &load.name {
        Some(name) => name.clone(),
        None => load.file.file_stem().and_then(OsStr::to_str).unwrap_or_default().replace('_', "-"),
    };
    let path = path(&name)?;
    let component = component(&load.file)?;
    let signature = signature(&load.file)?;
    let signed = if signature.is_some() { "with its signature" } else { "without a signature" };
    say(&format!("sending {} {signed}, {} bytes", load.file.display(), component.len()));
    let plugin = Client::new(&load.remote)?.load(&path, component, signature).await?;
    say(&format!("{name} is in service: new runs begin on it, those that are under way stay on what they began with"));
    Ok(one(&plugin, load.remote.output.output, describe)?)
}

fn component(file: &Path) -> Result<Vec<u8>> {
    let at = || format!("{} cannot be read", file.display());
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .with_context(at)?;
    ensure!(
        bytes.len() <= COMPONENT_BYTES_MAX,
        "{} is larger than a component may be, {COMPONENT_BYTES_MAX} bytes (COMPONENT_BYTES_MAX)",
        file.display()
    );
    Ok(bytes)
}

/// What lies beside the file as its signature, in base64.
fn signature(file: &Path) -> Result<Option<String>> {
    let beside = with_end(file, ".sig");
    let bytes = match fs::read(&beside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("{} cannot be read", beside.display()))?,
    };
    if bytes.len() == 64 {
        return Ok(Some(STANDARD.encode(bytes)));
    }
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= SIGNATURE_BYTES_MAX);
    let text = text.with_context(|| format!("{} is no signature: 64 bytes, or base64 of them", beside.display()))?;
    Ok(Some(text.split_ascii_whitespace().collect()))
}
