//! The plugin folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use stepwell_harness::guest;

use crate::line::Line;
use crate::stage::Stage;

/// `plugin NAME… [from=GUEST] [stamp=TEXT]`
pub(super) fn plugin(stage: &Stage, line: &mut Line) -> Result<()> {
    let (from, stamp) = (line.option("from"), line.option("stamp"));
    for name in line.words() {
        let component = guest(from.as_deref().unwrap_or(&name))?;
        match &stamp {
            None => stage.host.home.put_plugin(&name, &component)?,
            Some(stamp) => {
                let stamped = stage.host.home.path().join("stamped");
                fs::write(&stamped, with_stamp(&fs::read(&component)?, stamp)?)?;
                stage.host.home.put_plugin(&name, &stamped)?;
            }
        }
    }
    Ok(())
}

/// `component GUEST…`: files where commands are run, not in the folder of plugins.
pub(super) fn component(stage: &Stage, line: &mut Line) -> Result<()> {
    for name in line.words() {
        fs::copy(guest(&name)?, stage.host.home.path().join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// The component with one more custom section: another digest, the same behaviour.
pub(crate) fn with_stamp(component: &[u8], stamp: &str) -> Result<Vec<u8>> {
    let name = "stamp";
    // Lengths below 128 are one byte of LEB128.
    let length = u8::try_from(1 + name.len() + stamp.len()).ok().filter(|length| *length < 128);
    let mut bytes = component.to_vec();
    bytes.extend([0, length.context("a stamp is short")?, u8::try_from(name.len())?]);
    bytes.extend(name.bytes().chain(stamp.bytes()));
    Ok(bytes)
}

/// `unplug NAME`
pub(super) fn unplug(stage: &Stage, line: &mut Line) -> Result<()> {
    stage.host.home.remove_plugin(&line.word("a plugin's name")?)
}

/// `plugin-mode NAME|folder OCTAL`: who may write to it.
pub(super) fn mode(stage: &Stage, line: &mut Line) -> Result<()> {
    let (name, mode) = (line.word("a plugin's name, or folder")?, line.word("a mode")?);
    let home = &stage.host.home;
    let path = if name == "folder" { home.plugins() } else { home.plugin(&name) };
    Ok(fs::set_permissions(path, Permissions::from_mode(u32::from_str_radix(&mode, 8)?))?)
}

/// `damaged-plugin NAME`: half of a component.
pub(super) fn damaged(stage: &Stage, line: &mut Line) -> Result<()> {
    let whole = fs::read(guest("three-steps")?)?;
    let half = stage.host.home.path().join("half");
    fs::write(&half, whole.get(..whole.len() / 2).unwrap_or_default())?;
    stage.host.home.put_plugin(&line.word("a plugin's name")?, &half)
}
