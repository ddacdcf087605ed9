//! `stepwell store backup`: of a stopped host from its data directory, of a running one through its API. The file
//! is there whole and checked, or not at all.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use serde_json::json;
use stepwell_store_sled::offline::{Held, OfflineError, check_backup};
use stepwell_store_sled::{OpenError, SledStore};
use tokio::io::AsyncWriteExt;

use super::progress::{mebibytes, size, watched};
use super::{config_of, describe, failure, options, parent, with_held};
use crate::cli::{Output, Remote, StoreBackup};
use crate::client::{Client, innermost};
use crate::commands::Failure;
use crate::config::Config;
use crate::print::{one, say};
use crate::service::stop_signal;

/// Names the host to talk to, as for all verbs that talk to one.
const URL: &str = "STEPWELL_URL";

pub(super) async fn run(flags: &StoreBackup) -> Result<(), Failure> {
    refuse_to_overwrite(flags)?;
    let aside = Aside::of(&flags.file);
    let held = tokio::select! {
        held = written(flags, &aside.0) => held?,
        () = stop_signal() => return Err(Failure::Other(anyhow!("interrupted: no backup was made"))),
    };
    refuse_to_overwrite(flags)?;
    rename(&aside.0, &flags.file).with_context(|| format!("{} cannot be written", flags.file.display()))?;
    let told = json!({ "file": flags.file.display().to_string() });
    Ok(one(&with_held(told, held), flags.store.output.output, describe)?)
}

fn refuse_to_overwrite(flags: &StoreBackup) -> Result<(), Failure> {
    if flags.force || !flags.file.exists() {
        return Ok(());
    }
    Err(Failure::Other(anyhow!("{} is there already: overwrite it with --force", flags.file.display())))
}

/// A file on its way to its name, gone when dropped.
struct Aside(PathBuf);

impl Aside {
    /// Beside the file, so that it can be renamed to it; of this process alone.
    fn of(file: &Path) -> Self {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        Self(file.with_file_name(name))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        for path in [self.0.with_extension("tmp"), self.0.clone()] {
            // It has its name by now, or never came to be.
            let _ = fs::remove_file(path);
        }
    }
}

fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::rename(from, to)?;
    File::open(parent(to))?.sync_all()
}

/// Writes the backup aside and checks it.
async fn written(flags: &StoreBackup, aside: &Path) -> Result<Held, Failure> {
    let config = config_of(&flags.store)?;
    let dir = config.host.data_dir.clone();
    match &flags.url {
        Some(url) => download(flags, url, None, aside).await?,
        None if dir.join("FORMAT").exists() => match stopped(&config, aside).await {
            Ok(()) => say(&format!("of {}, which no host uses", dir.display())),
            Err(OfflineError::Open(OpenError::Locked { pid, .. })) => {
                let url = std::env::var(URL).unwrap_or_else(|_| url_of(config.host.admin_listen));
                download(flags, &url, pid, aside).await?;
            }
            Err(error) => return Err(failure(error, &dir, super::BACKUP_ALONE)),
        },
        None => match std::env::var(URL) {
            Ok(url) => download(flags, &url, None, aside).await?,
            Err(_) => {
                let dir = dir.display();
                return Err(Failure::NotFound(anyhow!(
                    "there is no data directory in {dir}: name it with --data-dir, or a running host with --url"
                )));
            }
        },
    }
    let path = aside.to_owned();
    let checked = watched("checking the backup", String::new, tokio::task::spawn_blocking(move || check_backup(&path)));
    let checked = checked.await.context("the check was cut short")?;
    checked.map_err(|error| Failure::Other(anyhow!("the backup is not kept: {error}")))
}

/// Where the API of a host that listens there is reached from this machine.
fn url_of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

async fn stopped(config: &Config, aside: &Path) -> Result<(), OfflineError> {
    let (dir, options, to) = (config.host.data_dir.clone(), options(config), aside.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        let store = SledStore::open(&dir, options)?;
        let written = store.backup(&to);
        store.end().map_err(OfflineError::Close)?;
        written.map(drop).map_err(OfflineError::File)
    });
    let growing = aside.with_extension("tmp");
    let done = watched("writing the backup", || size(&growing), work).await;
    done.unwrap_or(Err(OfflineError::Close(stepwell_store::Error::Closed)))
}

/// Of a running host; where it is known which process it is, of that one alone.
async fn download(flags: &StoreBackup, url: &str, process: Option<u32>, aside: &Path) -> Result<(), Failure> {
    let url = url.trim_end_matches('/').to_owned();
    let remote =
        Remote { url: url.clone(), token: flags.token.clone(), output: Output { output: flags.store.output.output } };
    let client = Client::new(&remote)?;
    let asked = watched("the host writes the backup", String::new, client.backup(process)).await;
    let response = asked.map_err(|failure| match (failure, process) {
        (Failure::Other(error), Some(process)) if error.to_string().contains("(another_process,") => {
            Failure::Other(anyhow!(
                "the data directory is in use by process {process}, and {url} is another host: name its API with --url"
            ))
        }
        (failure, _) => failure,
    })?;
    let (total, come) = (response.content_length(), Arc::new(AtomicU64::new(0)));
    let measure = || {
        let come = mebibytes(come.load(Ordering::Relaxed));
        total.map_or_else(|| come.clone(), |total| format!("{come} of {}", mebibytes(total)))
    };
    watched("fetching the backup", measure, save(response, aside, &come)).await?;
    say(&format!("of the running host at {url}"));
    Ok(())
}

async fn save(mut response: reqwest::Response, to: &Path, come: &AtomicU64) -> Result<(), Failure> {
    let failed = || format!("{} cannot be written", to.display());
    let mut file = tokio::fs::File::create(to).await.with_context(failed)?;
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| anyhow!("the backup broke off: {}", innermost(&error)))?;
        let Some(chunk) = chunk else { break };
        file.write_all(&chunk).await.with_context(failed)?;
        come.fetch_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
    file.flush().await.with_context(failed)?;
    Ok(file.sync_all().await.with_context(failed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_listens_everywhere_is_reached_on_loopback() {
        for (listen, url) in [
            ("127.0.0.1:8401", "http://127.0.0.1:8401"),
            ("0.0.0.0:1", "http://127.0.0.1:1"),
            ("[::]:1", "http://[::1]:1"),
            ("10.0.0.1:1", "http://10.0.0.1:1"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()), url);
        }
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.backup");
        let aside = Aside::of(&file);
        assert_eq!(parent(&aside.0), dir.path());
        fs::write(&aside.0, "half").unwrap();
        fs::write(aside.0.with_extension("tmp"), "less").unwrap();
        drop(aside);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let aside = Aside::of(&file);
        fs::write(&aside.0, "whole").unwrap();
        rename(&aside.0, &file).unwrap();
        drop(aside);
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
    }
}
