//! What the intake needs of the engine: a port, so that its tests need no store. Adds nothing.

use std::fmt::Debug;

use async_trait::async_trait;
use stepwell_engine::{Draft, Handle, IngestError, Ingested, Unavailable};

/// Where verified events go.
#[async_trait]
pub(crate) trait Intake: Debug + Send + Sync + 'static {
    /// Whether anything can be taken in now.
    fn accepting(&self) -> Result<(), Unavailable>;

    /// Whether there is a place for one more now.
    fn has_room(&self) -> Result<(), Unavailable>;

    /// Takes an event in. Answers once all of it is durable.
    async fn ingest(&self, draft: Draft) -> Result<Ingested, IngestError>;
}

#[async_trait]
impl Intake for Handle {
    fn accepting(&self) -> Result<(), Unavailable> {
        Self::accepting(self)
    }

    fn has_room(&self) -> Result<(), Unavailable> {
        Self::has_room(self)
    }

    async fn ingest(&self, draft: Draft) -> Result<Ingested, IngestError> {
        Self::ingest(self, draft).await
    }
}
