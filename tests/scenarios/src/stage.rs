//! What a script acts on: one host, the providers, and what was sent so far.

use std::collections::BTreeMap;

use anyhow::Result;
use stepwell_harness::{Config, Delivery, Emulators, Host};

/// The stage of one script.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) host: Host,
    pub(crate) emulators: Emulators,
    /// Deliveries by id, so that a repeat sends the same bytes.
    pub(crate) deliveries: BTreeMap<String, Delivery>,
    /// Ids of events that a flood got accepted.
    pub(crate) accepted: Vec<String>,
}

impl Stage {
    /// Running emulators, and a host that is not started yet.
    pub(crate) async fn new() -> Result<Self> {
        let mut host = Host::new(Config::new())?;
        let emulators = Emulators::start(&host.home.path().join("emulators.log")).await?;
        host.config = Config::new().with_emulators(emulators.address());
        Ok(Self { host, emulators, deliveries: BTreeMap::new(), accepted: Vec::new() })
    }
}
