//! `stepwell emulators`: Resend and Stripe as a process of their own, which tests need.

use anyhow::{Context, Result};
use stepwell_dev::emulators::{NowMs, Options, Service};
use stepwell_engine::Clock;

use crate::cli::Emulators;
use crate::clock::SystemClock;
use crate::print::say;

pub(crate) async fn run(flags: Emulators) -> Result<()> {
    let service = Service::bind(flags.listen, Options::new(true_now())).await.context("the emulators cannot listen")?;
    say(&format!("Resend  {}", service.resend_base_url()));
    say(&format!("Stripe  {}", service.stripe_base_url()));
    say(&format!("Control http://{}/_control/requests", service.local_addr()));
    let handle = service.handle();
    tokio::spawn(async move {
        crate::service::stop_signal().await;
        handle.drain();
    });
    service.run().await;
    Ok(())
}

/// The machine's clock as the emulators take it.
pub(crate) fn true_now() -> NowMs {
    NowMs::new(|| SystemClock.now().as_millis_unsigned())
}
