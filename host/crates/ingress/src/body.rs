//! A delivery's body, counted while it streams. Must not hold more than its bounds, whatever
//! `Content-Length` says.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cause::Cause;
use crate::limits::{BODIES_BYTES_MAX, BODY_BYTES_MAX};

/// How many bytes of bodies may still be held.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A whole body. Gives its share of the budget back when dropped.
#[derive(Debug)]
pub(crate) struct Whole {
    bytes: BytesMut,
    share: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self::of(BODIES_BYTES_MAX)
    }

    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Reads a body to its end. What arrives is counted, not what was announced, so that slow
    /// senders of nothing keep nobody out.
    pub(crate) async fn read(&self, mut body: Body) -> Result<Whole, Cause> {
        let mut whole = Whole { bytes: BytesMut::new(), share: None };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Cause::BodyUnfinished)?;
            if let Ok(data) = frame.into_data() {
                whole.push(&data, self)?;
            }
        }
        Ok(whole)
    }
}

impl Whole {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn push(&mut self, data: &Bytes, budget: &Budget) -> Result<(), Cause> {
        if self.bytes.len().saturating_add(data.len()) > BODY_BYTES_MAX {
            return Err(Cause::BodyTooLarge);
        }
        let bytes = u32::try_from(data.len()).map_err(|_| Cause::BodyTooLarge)?;
        let permit = Arc::clone(&budget.0).try_acquire_many_owned(bytes).map_err(|_| Cause::BodiesTooMany)?;
        match &mut self.share {
            Some(share) => share.merge(permit),
            share @ None => *share = Some(permit),
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Refuses by the head alone: a body that is announced too large, or compressed.
pub(crate) fn check_head(headers: &HeaderMap, body: &Body) -> Result<(), Cause> {
    let encodings = headers.get_all(CONTENT_ENCODING);
    if !encodings.iter().all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Cause::BodyCompressed);
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > BODY_BYTES_MAX {
        return Err(Cause::BodyTooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let budget = Budget::of(10);
        let first = budget.read(Body::from("12345678")).await.unwrap();
        assert_eq!(first.as_bytes(), b"12345678");
        assert_eq!(budget.read(Body::from("123")).await.unwrap_err(), Cause::BodiesTooMany);
        assert!(budget.read(Body::from("12")).await.is_ok());
        drop(first);
        assert!(budget.read(Body::from("1234567890")).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let parts = [Ok("{}".to_owned()), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(futures::stream::iter(parts));
        assert_eq!(Budget::new().read(body).await.unwrap_err(), Cause::BodyUnfinished);
    }
}
