//! `stepwell dev`: builds workflows, runs them on a local host with emulated providers, rebuilds on
//! change.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use secrecy::SecretString;
use stepwell_api::{ApiState, NavEntry};
use stepwell_dev::builder::Builder;
use stepwell_dev::emulators::{Emulators, Options, Service as EmulatorService, outbox_router};
use stepwell_dev::watcher::{Rebuild, Timing, rebuild_on_change};
use stepwell_runtime::{GrantAll, Grants, Rules, Writers};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::cli::{Dev, URL_DEFAULT};
use crate::clock::{SystemClock, fill};
use crate::commands::build::{builder, find, report, warn_of};
use crate::commands::config::layers;
use crate::commands::emulators::true_now;
use crate::config::{self, Config, Origin};
use crate::print::{coloured, say};
use crate::service::{
    FolderSettings, Plan, Service, from_config, look_at_addresses, no_more, stop_signal, with_secret,
};

/// Where `dev` keeps what it makes, below the folder of the sources.
const DEV_DIR: &str = ".stepwell";

pub(crate) async fn run(flags: Dev) -> Result<()> {
    let loaded = config::load(&layers(&flags.host), std::env::vars())?;
    let mut config = loaded.config;
    let is_default = |key: &str| loaded.values.get(key).is_none_or(|(_, origin)| *origin == Origin::Default);
    let dev_dir = flags.dir.join(DEV_DIR);
    if is_default("host.data_dir") {
        config.host.data_dir = dev_dir.join("data");
    }
    if is_default("plugins.dir") {
        config.plugins.dir = dev_dir.join("plugins");
    }
    start_log();
    let builder = builder(&config.plugins.dir);
    // What cannot go well is said before anything is made or built.
    find(&builder, &flags.dir).await?;
    look_at_addresses(&config).await?;
    make(&dev_dir)?;
    make(&config.plugins.dir)?;
    let (built, first_build) = oneshot::channel();
    let rebuilding = tokio::spawn(rebuild(builder, flags.dir.clone(), built));
    let result = tokio::select! {
        _ = first_build => host(&flags, config, &dev_dir).await,
        () = stop_signal() => Ok(()),
    };
    rebuilding.abort();
    result
}

fn make(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))
}

/// Builds everything, says so once it is done, and builds what changes from then on.
async fn rebuild(builder: Builder, root: PathBuf, built: oneshot::Sender<()>) {
    let built = Mutex::new(Some(built));
    let tell = |rebuild: Rebuild<'_>| {
        let over = matches!(rebuild, Rebuild::Built(_));
        told(rebuild);
        let first = over.then(|| built.lock().unwrap_or_else(PoisonError::into_inner).take()).flatten();
        if let Some(first) = first {
            // Nobody waits any more where a signal came first.
            let _ = first.send(());
        }
    };
    let Err(error) = rebuild_on_change(&builder, &root, Timing::default(), &tell).await;
    say(&format!("error: sources are not watched: {error}"));
}

fn told(rebuild: Rebuild<'_>) {
    match rebuild {
        Rebuild::Found(found) => {
            let names: Vec<&str> = found.sources.iter().map(|source| source.package.as_str()).collect();
            say(&format!("building {}", names.join(", ")));
            found.broken.iter().for_each(warn_of);
        }
        Rebuild::NotFound(error) => say(&format!("warning: {error}")),
        Rebuild::Changed { sources: [], .. } | Rebuild::Built(_) => {}
        Rebuild::Changed { sources, .. } => {
            let names: Vec<&str> = sources.iter().map(|source| source.package.as_str()).collect();
            say(&format!("changed: building {}", names.join(", ")));
        }
        Rebuild::Building(progress) => report(progress),
    }
}

/// Warnings and errors only: the talk of `dev` is its own.
fn start_log() {
    let filter = EnvFilter::try_from_env("STEPWELL_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,guest=info,stepwell::service::plugins=info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured());
    log.compact().with_target(false).init();
}

async fn host(flags: &Dev, config: Config, dev_dir: &Path) -> Result<()> {
    let (sources, secret) = webhook_sources(&config, dev_dir)?;
    let emulated = if flags.live { None } else { Some(emulate(dev_dir).await?) };
    let grants = match &emulated {
        Some(emulated) => emulated_grants(emulated),
        None => live_grants(),
    };
    let emulators = emulated.as_ref().map(EmulatorService::emulators);
    let plan = Plan {
        folder: folder(&config)?,
        config,
        grants,
        sources,
        reloads: false,
        reenters: true,
        timers: Arc::new(SystemClock),
        more: if flags.live { no_more } else { outbox },
        nav: if flags.live {
            Vec::new()
        } else {
            vec![NavEntry { title: "Outbox".to_owned(), path: "/outbox".to_owned() }]
        },
        emulators,
    };
    let service = Service::start(plan).await?;
    greet(&service, secret.as_deref(), flags);
    let emulators = emulated.map(|emulated| tokio::spawn(emulated.run()));
    let result = service.run().await;
    if let Some(emulators) = emulators {
        emulators.abort();
    }
    result
}

/// A folder of this very person's: what others could write to is taken with a warning, and a file that goes was
/// meant to go.
fn folder(config: &Config) -> Result<FolderSettings> {
    let dir = config.plugins.dir.clone();
    let mode = std::fs::metadata(&dir).map(|metadata| metadata.permissions().mode()).unwrap_or_default();
    if mode & 0o022 != 0 {
        say(&format!(
            "warning: others may write to {}, and so have code executed here; `serve` would refuse it",
            dir.display()
        ));
    }
    let rules = Rules {
        writers: Writers::Anybody,
        removal_grace: Duration::from_secs(1),
        all_may_go: true,
        ..config.plugins.rules()?
    };
    Ok(FolderSettings { dir, rules })
}

/// The emulators, on the port that they had before: a run keeps the address that it once read for good.
async fn emulate(dev_dir: &Path) -> Result<EmulatorService> {
    let path = dev_dir.join("emulators-port");
    let before = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    // Another host of this folder may have it.
    if let Some(port) = before
        && let Ok(service) = bind_emulators(port).await
    {
        return Ok(service);
    }
    let service = bind_emulators(0).await.context("the emulators cannot listen")?;
    if before.is_none() {
        let port = service.local_addr().port().to_string();
        write_for_owner(&path, &port).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(service)
}

async fn bind_emulators(port: u16) -> Result<EmulatorService, stepwell_http::BindError> {
    EmulatorService::bind(([127, 0, 0, 1], port).into(), Options::new(true_now())).await
}

/// What the plugins ask for, with the emulators in the place of the providers, and keys that only
/// those take.
fn emulated_grants(emulated: &EmulatorService) -> Grants {
    let secrets = [("RESEND_API_KEY", "re_emulated"), ("STRIPE_API_KEY", "sk_test_emulated")];
    let vars = [("RESEND_BASE_URL", emulated.resend_base_url()), ("STRIPE_BASE_URL", emulated.stripe_base_url())];
    Grants::All(GrantAll {
        secrets: secrets.map(|(name, key)| (name.to_owned(), SecretString::from(key))).into(),
        vars: vars.map(|(name, value)| (name.to_owned(), value)).into(),
        rate: None,
        allow_private: true,
    })
}

/// What the plugins ask for, from the environment: secrets and config values by their names.
fn live_grants() -> Grants {
    let secrets = std::env::vars().filter(|(name, _)| name.ends_with("_API_KEY"));
    let names = ["RESEND_BASE_URL", "STRIPE_BASE_URL", "STRIPE_PRICE_ID", "MAIL_FROM"];
    let vars = names.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    Grants::All(GrantAll {
        secrets: secrets.map(|(name, key)| (name, SecretString::from(key))).collect(),
        vars: vars.collect(),
        rate: None,
        allow_private: false,
    })
}

fn outbox(api: &ApiState, emulators: Option<&Emulators>) -> Router {
    let layout = api.layout();
    match emulators {
        Some(emulators) => {
            outbox_router(emulators.clone(), Arc::new(move |title: &str, main| layout.page_in("Outbox", title, main)))
        }
        None => Router::new(),
    }
}

/// The configured sources; without any, `clerk` with a secret of this folder's own, which is shown.
fn webhook_sources(config: &Config, dev_dir: &Path) -> Result<(Vec<stepwell_ingress::Source>, Option<String>)> {
    let sources = from_config(config)?;
    if !sources.is_empty() {
        return Ok((sources, None));
    }
    let path = dev_dir.join("webhook-secret");
    let secret = match std::fs::read_to_string(&path) {
        Ok(secret) => secret.trim().to_owned(),
        Err(_) => {
            let secret = new_secret();
            write_for_owner(&path, &secret).with_context(|| format!("{} cannot be written", path.display()))?;
            secret
        }
    };
    Ok((vec![with_secret(SecretString::from(secret.clone()))], Some(secret)))
}

fn write_for_owner(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn new_secret() -> String {
    use base64::Engine as _;
    let mut bytes = [0; 24];
    fill(&mut bytes);
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

fn greet(service: &Service, secret: Option<&str>, flags: &Dev) {
    let (admin, intake) = (service.admin, service.intake);
    let workflows: Vec<String> =
        service.handle.registry().workflows().map(|declared| declared.workflow.id.to_string()).collect();
    let workflows = if workflows.is_empty() { "none yet".to_owned() } else { workflows.join(", ") };
    let providers = if flags.live { "the real ones" } else { "emulated; every plugin is granted what it asks for" };
    // As it was called itself, which need not be in the PATH.
    let bin = std::env::args().next().unwrap_or_else(|| "stepwell".to_owned());
    let url = format!("http://{admin}");
    let url = if url == URL_DEFAULT { String::new() } else { format!(" --url {url}") };
    say(&format!(
        "\n\
         Stepwell is up.\n\n  \
           dashboard   http://{admin}/\n  \
           webhooks    http://{intake}/webhooks/clerk\n  \
           workflows   {workflows}\n  \
           providers   {providers}\n\n\
         Try it in another terminal:\n\n  \
           {bin} events send clerk/user.created --sample{url}\n  \
           {bin} runs list{url}\n  \
           {bin} runs wake-now RUN{url}        ends a sleep now",
    ));
    if let Some(secret) = secret {
        say(&format!("  {bin} webhooks test --url http://{intake}/webhooks/clerk --secret {secret}"));
    }
    if !flags.live {
        say(&format!("\nMails and Stripe objects: http://{admin}/outbox"));
    }
    say("\nSources are watched: save a file and its workflow is rebuilt and reloaded. Ctrl-C stops.");
}
