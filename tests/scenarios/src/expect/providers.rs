//! What the providers are expected to have done.

use anyhow::{Context, Result, ensure};
use stepwell_harness::limits::CONDITION_MAX;
use stepwell_harness::{Mail, Seen, until};

use crate::line::Line;
use crate::stage::Stage;

/// `mail to=ADDRESS count=N [subject=TEXT]`
pub(super) async fn mail(stage: &Stage, line: &mut Line) -> Result<()> {
    let to = line.needed("to")?;
    let count: usize = line.number("count")?.context("count= is missing")?;
    let subject = line.option("subject");
    let is = |mail: &&Mail| mail.to.contains(&to) && subject.as_ref().is_none_or(|text| mail.subject.contains(text));
    until(&format!("{count} mails to {to}"), CONDITION_MAX, async || {
        let mails = stage.emulators.outbox().await?.mails;
        let found = mails.iter().filter(is).count();
        ensure!(found <= count, "{found} mails to {to}, expected {count}: {mails:?}");
        Ok(if found == count { Seen::This(()) } else { Seen::NotYet(format!("{mails:?}")) })
    })
    .await
}

/// `stripe customers=N subscriptions=N`
pub(super) async fn stripe(stage: &Stage, line: &mut Line) -> Result<()> {
    let needed = "customers= or subscriptions= is missing";
    let customers: usize = line.number("customers")?.context(needed)?;
    let subscriptions: usize = line.number("subscriptions")?.context(needed)?;
    until("Stripe's objects", CONDITION_MAX, async || {
        let outbox = stage.emulators.outbox().await?;
        let (found, also) = (outbox.customers.len(), outbox.subscriptions.len());
        let told = format!("{found} customers, {also} subscriptions");
        ensure!(found <= customers && also <= subscriptions, told);
        Ok(if (found, also) == (customers, subscriptions) { Seen::This(()) } else { Seen::NotYet(told) })
    })
    .await
}

/// `requests PROVIDER [path=] count=N`, or `least=N`
pub(super) async fn requests(stage: &Stage, line: &mut Line) -> Result<()> {
    let provider = line.word("a provider")?;
    let path = line.option("path").unwrap_or_default();
    let (count, least): (Option<usize>, Option<usize>) = (line.number("count")?, line.number("least")?);
    let requests = stage.emulators.requests(0).await?;
    let found = requests.iter().filter(|row| row.provider == provider && row.path.starts_with(&path)).count();
    ensure!(count.is_none_or(|count| found == count), "{found} requests came");
    ensure!(least.is_none_or(|least| found >= least), "only {found} requests came");
    Ok(())
}
