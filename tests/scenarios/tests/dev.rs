//! `stepwell dev` as a newcomer meets it: the first command of the README, and the loop of saving and seeing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stepwell_harness::limits::{BUILD_MAX, CONDITION_MAX, STOP_MAX};
use stepwell_harness::{Api, Home, Process, Reader, Request, Run, Seen, binary, command, once, root, until};

/// `dev` on free ports, with what it keeps in a home of its own.
struct Dev {
    home: Home,
    process: Process,
    api: Api,
}

impl Dev {
    /// Starts it and waits until it greets.
    async fn start(home: Home, sources: &Path) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.arg("dev").arg(sources).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(home.data()).arg("--plugins").arg(home.plugins()).current_dir(home.path());
        command.env("RESEND_API_KEY", "re_a_real_one").env_remove("CLERK_WEBHOOK_SIGNING_SECRET");
        let mut process = Process::start("dev", &mut command, &home.path().join("dev.log"))?;
        let address = |line: &str| line.trim().strip_prefix("dashboard   http://")?.trim_end_matches('/').parse().ok();
        let api = Api(process.line("it greets", BUILD_MAX, address).await?);
        Ok(Self { home, process, api })
    }

    /// Runs a verb that must succeed; answers what it printed.
    async fn verb(&self, text: &str) -> Result<String> {
        let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let told = command(&args, &format!("http://{}", self.api.0), self.home.path(), Reader::Whole).await?;
        ensure!(told.code == Some(0), "{text}: {told:#?}\n{}", self.process.last_lines());
        Ok(told.stdout)
    }

    async fn page(&self, path: &str) -> Result<String> {
        Ok(once(self.api.0, &Request::get(path)).await?.text().to_string())
    }

    /// The newest run of a workflow, once it has this status and this output.
    async fn newest(&self, workflow: &str, status: &str, output: Option<&Value>) -> Result<Run> {
        until(&format!("a run of {workflow} that is {status}"), CONDITION_MAX, async || {
            let runs = self.api.runs(&format!("workflow={workflow}")).await?;
            let newest = runs.into_iter().next();
            let told =
                newest.as_ref().map_or_else(|| "none".to_owned(), |run| format!("{} {}", run.told(), run.output));
            let is = |run: &Run| run.status == status && output.is_none_or(|output| *output == run.output);
            Ok(newest.filter(is).map_or(Seen::NotYet(told), Seen::This))
        })
        .await
    }

    /// Ctrl-C. Answers the home, for another one.
    async fn stop(mut self) -> Result<Home> {
        self.process.interrupt()?;
        let status = self.process.end(STOP_MAX).await?;
        ensure!(status.success(), "it ended with {status}\n{}", self.process.last_lines());
        ensure!(!self.process.log().contains('\u{1b}'), "its log is coloured, without a terminal");
        Ok(self.home)
    }
}

#[tokio::test]
async fn the_first_command_of_the_readme_leads_to_three_runs_and_their_mails() -> Result<()> {
    let dev = Dev::start(Home::new()?, &root().join("example-workflows")).await?;
    dev.verb("events send clerk/user.created --sample --wait").await?;
    dev.newest("welcome-email", "completed", None).await?;
    dev.newest("create-trial", "completed", None).await?;
    let sleeping = dev.newest("drip-check-in", "sleeping", None).await?;
    let outbox = dev.page("/outbox").await?;
    ensure!(outbox.contains("Mails<span class=\"count\">1<") && outbox.contains("trialing"), "{outbox}");

    dev.verb(&format!("runs wake-now {}", sleeping.id)).await?;
    dev.newest("drip-check-in", "completed", None).await?;
    let outbox = dev.page("/outbox").await?;
    ensure!(outbox.contains("Mails<span class=\"count\">2<"), "{outbox}");

    let log = dev.process.log();
    let typed = log.lines().find_map(|line| line.trim().split_once(" webhooks test ").map(|(_, rest)| rest.to_owned()));
    dev.verb(&format!("webhooks test {}", typed.context("it does not say how to send a webhook")?)).await?;
    let found = dev.api.runs("workflow=welcome-email").await?.len();
    ensure!(found == 2, "the signed sample started no second run: {found}");
    dev.stop().await.map(drop)
}

/// A workspace of one workflow, built into the tests' own folder, which stays. Tests run at once, and
/// components of one name would be one file there: each test has a name of its own.
fn write_source(dir: &Path, name: &str, body: &str) -> Result<()> {
    fs::create_dir_all(dir.join("src"))?;
    let sdk = root().join("guest-sdk/rust");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nstepwell-sdk = {{ path = {sdk:?} }}\n\n[workspace]\n"
    );
    if !dir.join("Cargo.toml").exists() {
        fs::create_dir_all(dir.join(".cargo"))?;
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dev");
        fs::write(dir.join(".cargo/config.toml"), format!("[build]\ntarget-dir = {target:?}\n"))?;
        fs::copy(root().join("example-workflows/Cargo.lock"), dir.join("Cargo.lock"))?;
        fs::write(dir.join("Cargo.toml"), manifest)?;
    }
    let source = format!(
        "use stepwell_sdk::prelude::*;\n\n#[workflow(id = \"{name}\", on = \"test/hello\")]\n\
         fn greeter(_event: Event) -> Result<&'static str> {{\n    {body}\n}}\n\ncomponent!(greeter; asks = stepwell_sdk::resend::asks());\n"
    );
    Ok(fs::write(dir.join("src/lib.rs"), source)?)
}

#[tokio::test]
async fn a_saved_source_is_reloaded_and_a_broken_one_changes_nothing() -> Result<()> {
    let home = Home::new()?;
    let sources = home.path().join("workflows");
    write_source(&sources, "greeter", "Ok(\"one\")")?;
    let mut dev = Dev::start(home, &sources).await?;
    dev.verb("events send test/hello --wait").await?;
    dev.newest("greeter", "completed", Some(&Value::from("one"))).await?;

    write_source(&sources, "greeter", "Ok(nothing)")?;
    let is_refused = |line: &str| line.contains("does not compile").then_some(());
    dev.process.line("the broken source is refused", BUILD_MAX, is_refused).await?;
    let log = dev.process.log();
    ensure!(log.matches("cannot find value `nothing`").count() == 1, "the mistake is not said once: {log}");
    dev.verb("events send test/hello --wait").await?;
    dev.newest("greeter", "completed", Some(&Value::from("one"))).await?;

    write_source(&sources, "greeter", "Ok(\"two\")")?;
    until("the new source to be in service", BUILD_MAX, async || {
        dev.verb("events send test/hello --wait").await?;
        let newest = dev.api.runs("workflow=greeter").await?.into_iter().next().context("no run")?;
        Ok(if newest.output == "two" { Seen::This(()) } else { Seen::NotYet(newest.output.to_string()) })
    })
    .await?;
    dev.stop().await.map(drop)
}

/// A run keeps the configuration that it once read for good: where the providers are is part of that.
#[tokio::test]
async fn the_emulators_are_where_they_were_after_a_restart() -> Result<()> {
    let home = Home::new()?;
    let sources = home.path().join("workflows");
    write_source(&sources, "settler", "Ok(\"here\")")?;
    let dev = Dev::start(home, &sources).await?;
    let before = granted(&dev).await?;
    ensure!(before.starts_with("http://127.0.0.1:"), "{before}");
    let dev = Dev::start(dev.stop().await?, &sources).await?;
    let after = granted(&dev).await?;
    ensure!(after == before, "the emulators were at {before} and are at {after}");
    dev.stop().await.map(drop)
}

async fn granted(dev: &Dev) -> Result<String> {
    let plugins = Value::from(dev.api.plugins().await?);
    let url = plugins.pointer("/0/granted/vars/RESEND_BASE_URL").and_then(Value::as_str);
    url.map(str::to_owned).with_context(|| plugins.to_string())
}

#[tokio::test]
async fn a_folder_without_a_workflow_is_said_and_nothing_is_made() -> Result<()> {
    let home = Home::new()?;
    fs::create_dir(home.path().join("empty"))?;
    for (folder, saying) in [("empty", "no workflow source below"), ("mistyped", "cannot look for workflow sources")] {
        let args = ["dev".to_owned(), folder.to_owned()];
        let told = command(&args, "http://127.0.0.1:1", home.path(), Reader::Whole).await?;
        ensure!(told.code == Some(1) && told.stderr.contains(saying), "{told:#?}");
        ensure!(told.stderr.matches("os error").count() <= 1, "it says the same twice: {told:#?}");
    }
    ensure!(!home.path().join("mistyped").exists(), "it made the folder that was mistyped");
    ensure!(fs::read_dir(home.path().join("empty"))?.next().is_none(), "it left something in an empty folder");
    Ok(())
}
