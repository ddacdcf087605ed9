//! The `stepwell` binary: reads the command line, runs a verb, says how it went.

mod allocator;
mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod data;
mod print;
mod service;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::commands::Failure;

fn main() -> ExitCode {
    allocator::give_back_at_once();
    let cli = Cli::parse();
    if matches!(cli.verb, Verb::CompileWorker) {
        return commands::compile_worker::run();
    }
    // Fails only where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(anyhow::Error::from(error)).report(),
    };
    let result = runtime.block_on(run(cli));
    // A blocking task that hangs, such as a compiler, must not hold the process up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.verb {
        Verb::Dev(dev) => Ok(commands::dev::run(dev).await?),
        Verb::Serve(serve) => Ok(commands::serve::run(serve).await?),
        Verb::Build(build) => Ok(commands::build::run(build).await?),
        Verb::Check(check) => commands::check::run(check).await,
        Verb::Events(events) => commands::events::run(events).await,
        Verb::Runs(runs) => commands::runs::run(runs).await,
        Verb::Plugins(plugins) => commands::plugins::run(plugins).await,
        Verb::Webhooks(webhooks) => commands::webhooks::run(webhooks).await,
        Verb::Privacy(verb) => commands::privacy::run(verb).await,
        Verb::Store(verb) => commands::store::run(verb).await,
        Verb::Tokens(verb) => commands::tokens::run(verb).await,
        Verb::Audit(verb) => commands::audit::run(verb).await,
        Verb::Secrets(verb) => commands::secrets::run(verb).await,
        Verb::Config(verb) => Ok(commands::config::run(verb)?),
        Verb::Emulators(emulators) => Ok(commands::emulators::run(emulators).await?),
        // It needs no tokio.
        Verb::CompileWorker => Ok(()),
    }
}
