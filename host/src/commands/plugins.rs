//! `stepwell plugins`: what is loaded.

use crate::cli::Plugins;
use crate::client::Client;
use crate::commands::Failure;
use crate::print::{Column, list};

const COLUMNS: &[Column] = &[("PLUGIN", "/name"), ("STATE", "/state"), ("DIGEST", "/digest"), ("REASON", "/reason")];

pub(crate) async fn run(verb: Plugins) -> Result<(), Failure> {
    let Plugins::List(flags) = verb;
    let page = Client::new(&flags.remote)?.get("/api/v1/plugins", &flags.query()).await?;
    Ok(list(&page, COLUMNS, flags.remote.output.output)?)
}
