//! Backups: a snapshot of one moment with the components, in one file. Made of a running host too, while
//! commits go on; restored into an empty data directory.

use std::fs;
use std::path::Path;

use stepwell_core::Digest;

use crate::components;
use crate::snapshot::{Error, Summary, VERSION, VERSION_1, Writer, rows, write_durably};
use crate::view::View;

/// Writes all rows of a view and all components.
pub(crate) fn write(path: &Path, view: &View<'_>, frame: u64, of_components: &Path) -> Result<Summary, Error> {
    write_as((path, VERSION), view, frame, of_components)
}

/// The same of rows that have nothing which the hosts before this format do not know.
pub(crate) fn write_before_upgrade(
    path: &Path,
    view: &View<'_>,
    frame: u64,
    of_components: &Path,
) -> Result<Summary, Error> {
    write_as((path, VERSION_1), view, frame, of_components)
}

fn write_as(
    (path, version): (&Path, u32),
    view: &View<'_>,
    frame: u64,
    of_components: &Path,
) -> Result<Summary, Error> {
    write_durably(path, |file| {
        let mut writer = Writer::of_version(version, file, frame)?;
        rows(view, &mut writer)?;
        put_components(of_components, &mut writer)?;
        writer.finish()
    })
}

fn put_components<W: std::io::Write>(dir: &Path, writer: &mut Writer<W>) -> Result<(), Error> {
    let failed = |error| Error::io(dir, &error);
    let mut digests: Vec<Digest> = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_component = path.extension().is_some_and(|ending| ending == "wasm");
        digests.extend(stem.filter(|_| is_component).and_then(|stem| stem.parse::<Digest>().ok()));
    }
    digests.sort_unstable();
    for digest in digests {
        let bytes = components::get(dir, digest).map_err(|trouble| Error::Rows(trouble.to_string()))?;
        if let Some(bytes) = bytes {
            writer.component(*digest.as_bytes(), &bytes)?;
        }
    }
    Ok(())
}
