//! What the routes share: the sources, the engine, true time, and what is counted. Must not know
//! HTTP's routes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use stepwell_core::Timestamp;
use stepwell_engine::{Clock, Handle};

use crate::answer::Accepted;
use crate::body::Budget;
use crate::intake::Intake;
use crate::rejection::Rejections;
use crate::source::{ConfigError, Ready, Source};

/// What was taken from a source since the host started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub events: u64,
    pub duplicates: u64,
    /// When the latest of either came.
    pub last_at: Option<Timestamp>,
}

/// What the routes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Budget,
    pub(crate) rejections: Rejections,
    sources: RwLock<BTreeMap<String, Arc<Ready>>>,
    taken: Mutex<BTreeMap<String, Taken>>,
}

impl State {
    /// Readies the sources. `clock` tells true time, whatever the engine's timers are judged by:
    /// signatures are always judged by it.
    pub fn new(
        engine: Handle,
        clock: Arc<dyn Clock>,
        sources: impl IntoIterator<Item = Source>,
    ) -> Result<Self, ConfigError> {
        Self::over(Arc::new(engine), clock, sources)
    }

    pub(crate) fn over(
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
        sources: impl IntoIterator<Item = Source>,
    ) -> Result<Self, ConfigError> {
        let mut ready = BTreeMap::new();
        for source in sources {
            let source = Ready::new(source)?;
            if let Some(twice) = ready.insert(source.name.clone(), Arc::new(source)) {
                return Err(ConfigError::Duplicate(twice.name.clone()));
            }
        }
        let taken = ready.keys().map(|name| (name.clone(), Taken::default())).collect();
        Ok(Self(Arc::new(Shared {
            intake,
            clock,
            budget: Budget::new(),
            rejections: Rejections::default(),
            sources: RwLock::new(ready),
            taken: Mutex::new(taken),
        })))
    }

    /// Puts a source in the place of the one of its name: the next delivery is verified with its secrets. One that
    /// could not be used is refused, and one that is not known is none.
    pub fn replace(&self, source: Source) -> Result<(), ConfigError> {
        let source = Arc::new(Ready::new(source)?);
        let mut sources = self.0.sources.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get_mut(&source.name) {
            *known = source;
        }
        Ok(())
    }

    /// The records of what was refused.
    pub fn rejections(&self) -> Rejections {
        self.0.rejections.clone()
    }

    /// What was taken, by source; all configured sources are there.
    pub fn taken(&self) -> BTreeMap<String, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    pub(crate) fn source(&self, name: &str) -> Option<Arc<Ready>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn count(&self, source: &str, accepted: &Accepted, at: Timestamp) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(taken) = taken.get_mut(source) else { return };
        match accepted {
            Accepted::Created { .. } => taken.events = taken.events.saturating_add(1),
            Accepted::Duplicate { .. } => taken.duplicates = taken.duplicates.saturating_add(1),
        }
        taken.last_at = Some(at);
    }
}
