//! `stepwell build`: sources to components.

use std::path::Path;

use anyhow::{Result, bail};
use stepwell_dev::builder::{Broken, BuildError, Builder, Environment, Found, Outcome, Progress};

use crate::cli::Build;
use crate::print::say;

pub(crate) async fn run(flags: Build) -> Result<()> {
    let builder = builder(&flags.out);
    let found = find(&builder, &flags.dir).await?;
    found.broken.iter().for_each(warn_of);
    let outcomes = builder.build(&found.sources, &report).await;
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} workflows could not be built", outcomes.len());
    }
    Ok(())
}

/// A builder that publishes into this folder.
pub(crate) fn builder(out: &Path) -> Builder {
    Builder::new(Environment::clean(std::env::vars_os()), out)
}

/// What lies below a folder. No source at all is an error.
pub(crate) async fn find(builder: &Builder, dir: &Path) -> Result<Found> {
    let found = builder.find(dir).await?;
    if found.sources.is_empty() {
        found.broken.iter().for_each(warn_of);
        bail!(
            "no workflow source below {}: a source is a Rust crate with crate-type [\"cdylib\"] that depends on stepwell-sdk",
            dir.display()
        );
    }
    Ok(found)
}

/// Says that a manifest could not be read.
pub(crate) fn warn_of(broken: &Broken) {
    say(&format!("warning: {} is passed over: {}", broken.manifest.display(), broken.message.trim_end()));
}

/// Says what a build does.
pub(crate) fn report(progress: Progress<'_>) {
    match progress {
        Progress::InstallingTarget { workspace } => {
            say(&format!("installing the target wasm32-wasip2 for {}", workspace.display()));
        }
        Progress::Line { line, .. } => say(&format!("  {line}")),
        Progress::Diagnostic { text, .. } => say(text.trim_end()),
        Progress::Done(outcome) => done(outcome),
    }
}

fn done(outcome: &Outcome) {
    let package = &outcome.source.package;
    match &outcome.result {
        Ok(published) if published.changed => say(&format!("built {package} to {}", published.path.display())),
        Ok(_) => say(&format!("built {package}: nothing has changed")),
        // What the compiler says has been shown as it came.
        Err(BuildError::Compile { .. }) => {
            say(&format!("error: {package} does not compile, see above; an earlier component of it stays"));
        }
        Err(error) => say(&format!("error: {package}: {error}")),
    }
}
