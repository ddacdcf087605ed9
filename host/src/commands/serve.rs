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

/// Log lines go to standard error. `STEPWELL_LOG` filters them, such as `stepwell=debug,guest=info`.
pub(crate) fn start_log(log: Log) {
    let filter = EnvFilter::try_from_env("STEPWELL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(coloured());
    match log {
        Log::Json => builder.json().flatten_event(true).init(),
        Log::Pretty => builder.compact().with_target(false).init(),
    }
}
