//! `stepwell webhooks`: try the intake as a sender would.

use std::time::Duration;

use anyhow::{Context, anyhow};
use secrecy::SecretString;
use stepwell_engine::{Chance, Clock};
use stepwell_ingress::{samples, sign};

use crate::cli::{Webhooks, WebhooksTest};
use crate::client::{Client, innermost};
use crate::clock::{SystemChance, SystemClock};
use crate::commands::Failure;
use crate::print::{Column, line, list, say};

const COLUMNS: &[Column] = &[
    ("AT", "/at"),
    ("SOURCE", "/source"),
    ("STATUS", "/status"),
    ("CAUSE", "/reason"),
    ("ID", "/external_id"),
    ("WHY", "/detail"),
];

/// Twice what a sender waits.
const ANSWER_MAX: Duration = Duration::from_secs(60);

pub(crate) async fn run(verb: Webhooks) -> Result<(), Failure> {
    match verb {
        Webhooks::Test(test) => send(&test).await,
        Webhooks::Rejected(remote) => {
            let page = Client::new(&remote)?.get("/api/v1/webhooks/rejections", &[]).await?;
            Ok(list(&page, COLUMNS, remote.output.output)?)
        }
    }
}

async fn send(test: &WebhooksTest) -> Result<(), Failure> {
    let name = if test.kind.contains('/') { test.kind.clone() } else { format!("clerk/{}", test.kind) };
    let known = || samples::names().collect::<Vec<_>>().join(", ");
    let missing = || Failure::Usage(anyhow!("there is no sample of {name}; there are: {}", known()));
    let sample = samples::get(&name).ok_or_else(missing)?;
    let body = sample.envelope().to_owned();
    let id = test.id.clone().unwrap_or_else(new_id);
    let secret = SecretString::from(test.secret.clone());
    let headers = sign(&secret, &id, SystemClock.now(), body.as_bytes());
    let headers = headers.map_err(|error| Failure::Usage(anyhow!("--secret: {error}")))?;
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build();
    let http = http.context("the HTTP client cannot be made")?;
    let mut request = http.post(&test.url).header("content-type", "application/json").body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request
        .send()
        .await
        .map_err(|error| Failure::Unreachable(anyhow!("no host answers at {}: {}", test.url, innermost(&error))))?;
    let status = response.status();
    let text = response.text().await.context("the answer cannot be read")?;
    say(&format!("{name} as {id}: HTTP {}", status.as_u16()));
    line(&text)?;
    match status.is_success() {
        true => Ok(()),
        false => Err(Failure::Other(anyhow!("the host refused it: `stepwell webhooks rejected` tells why"))),
    }
}

fn new_id() -> String {
    let random: String = SystemChance.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("msg_test_{random}")
}
