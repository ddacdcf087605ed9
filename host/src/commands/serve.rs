//! `stepwell serve`: the host in production.

mod test_clock;

use std::sync::Arc;

use anyhow::Result;
use stepwell_engine::Clock;
use tracing::warn;
use tracing_subscriber::EnvFilter;

use crate::cli::Serve;
use crate::clock::SystemClock;
use crate::commands::config::layers;
use crate::config::{self, Log};
use crate::print::coloured;
use crate::service::{FolderSettings, Plan, Service, from_config, listed, no_more};

pub(crate) async fn run(flags: Serve) -> Result<()> {
    let config = config::load(&layers(&flags.host), std::env::vars())?.config;
    start_log(config.host.log);
    let sources = from_config(&config)?;
    if sources.is_empty() {
        warn!(
            "no webhook source: set CLERK_WEBHOOK_SIGNING_SECRET or configure [sources.clerk]; events come in by the API only"
        );
    }
    let timers: Arc<dyn Clock> = match &flags.test_clock {
        Some(socket) => test_clock::open(socket)?,
        None => Arc::new(SystemClock),
    };
    let grants = listed(&config)?;
    let folder = FolderSettings { dir: config.plugins.dir.clone(), rules: config.plugins.rules()? };
    let plan = Plan {
        config,
        grants,
        folder,
        sources,
        reloads: true,
        reenters: false,
        timers,
        more: no_more,
        nav: Vec::new(),
        emulators: None,
    };
    Service::start(plan).await?.run().await
}

/// Log lines go to standard error. `STEPWELL_LOG` filters them, such as `stepwell=debug,guest=info`. What workflows say is
/// not among them unless their target, `guest`, is asked for by name: it is kept with their runs, and what may be about a
/// person would stay here beyond an erasure.
pub(crate) fn start_log(log: Log) {
    let without_guests = "guest=off";
    let asked = std::env::var("STEPWELL_LOG").ok().filter(|asked| !asked.trim().is_empty());
    // Of two that are about the same target the later one holds.
    let filter = asked.and_then(|asked| EnvFilter::try_new(format!("{without_guests},{asked}")).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(format!("info,{without_guests}")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(coloured());
    match log {
        Log::Json => builder.json().flatten_event(true).init(),
        Log::Pretty => builder.compact().with_target(false).init(),
    }
}
