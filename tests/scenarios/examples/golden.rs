//! Makes the golden data directories of a new format with the host as it is: one that was closed, one whose host
//! was killed. `cargo run --release -p stepwell-scenarios --example golden -- FORMAT`, with components built. It never
//! changes a directory that is there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Api, Config, Host, Request, Seen, guest, once, until};

const DAY_MS: i64 = 86_400_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let format = std::env::args().nth(1).context("give a format that has no directories yet")?;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    for (ending, is_killed) in [("closed", false), ("killed", true)] {
        let to = golden.join(format!("{format}-{ending}"));
        ensure!(!to.exists(), "{} is there", to.display());
        let mut host = Host::new(Config::new())?;
        play(&mut host).await?;
        if is_killed {
            host.crash()?;
        } else {
            host.stop().await?;
        }
        copy(&host.data_dir(), &to)?;
    }
    Ok(())
}

/// Runs that are over, one that failed, and one that sleeps for a day.
async fn play(host: &mut Host) -> Result<()> {
    for (name, component) in [("versioned", "versioned_first"), ("catches", "catches")] {
        host.home.put_plugin(name, &guest(component)?)?;
    }
    host.start().await?;
    let api = host.api()?;
    api.send("test/versioned", &json!({ "who": "ada" }), Some("first")).await?;
    api.send("test/catches", &json!({}), Some("caught")).await?;
    rest(&api, "sleeping", 1).await?;
    host.advance(DAY_MS).await?;
    rest(&api, "completed", 2).await?;
    // About a person: its rows, and the run's, are encrypted, and the key file goes with the directory.
    let second = json!({ "name": "test/versioned", "data": { "who": "bob" }, "id": "second", "subject": "user_bob" });
    let answer = once(api.0, &Request::json("POST", "/api/v1/events", &second)).await?;
    ensure!(answer.status == 202, "{}", answer.text());
    rest(&api, "sleeping", 1).await
}

async fn rest(api: &Api, status: &str, count: usize) -> Result<()> {
    until(&format!("{count} runs to be {status}"), CONDITION_MAX, async || {
        let runs = api.runs(&format!("status={status}")).await?;
        Ok(if runs.len() == count { Seen::This(()) } else { Seen::NotYet(format!("{} are", runs.len())) })
    })
    .await
}

/// All but compiled code, which each host makes anew, and the lock.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().context("it has a name")?;
        if name == "compiled" || name == "LOCK" {
            continue;
        }
        if path.is_dir() { copy(&path, &to.join(name))? } else { fs::copy(&path, to.join(name)).map(drop)? }
    }
    Ok(())
}
