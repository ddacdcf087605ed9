//! A delivery's body, counted while it streams. Must not hold more than its bounds, whatever
//! `Content-Length` says.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cause::Cause;
use crate::limits::{BODIES_BYTES_MAX, BODIES_ORDINARY_BYTES_MAX, BODY_BYTES_MAX, BODY_ORDINARY_BYTES};

/// How many bytes of bodies may still be held: of what is ordinary in a body, and of what goes
/// beyond. Whoever has no secret may use up the second, by bodies that do not end.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    ordinary: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// A whole body. Gives its shares of the budget back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    bytes: BytesMut,
    ordinary: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self::of(BODIES_ORDINARY_BYTES_MAX, BODIES_BYTES_MAX)
    }

    fn of(ordinary: usize, beyond: usize) -> Self {
        Self { ordinary: Arc::new(Semaphore::new(ordinary)), beyond: Arc::new(Semaphore::new(beyond)) }
    }

    /// Reads a body to its end. What arrives is counted, not what was announced, so that slow
    /// senders of nothing keep nobody out.
    pub(crate) async fn read(&self, mut body: Body) -> Result<Whole, Cause> {
        let mut whole = Whole::default();
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
        let ordinary = data.len().min(BODY_ORDINARY_BYTES.saturating_sub(self.bytes.len()));
        take(&budget.ordinary, &mut self.ordinary, ordinary)?;
        take(&budget.beyond, &mut self.beyond, data.len().saturating_sub(ordinary))?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// Adds so many bytes to a share.
fn take(budget: &Arc<Semaphore>, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Cause> {
    let bytes = u32::try_from(bytes).map_err(|_| Cause::BodyTooLarge)?;
    let permit = Arc::clone(budget).try_acquire_many_owned(bytes).map_err(|_| Cause::BodiesTooMany)?;
    match share {
        Some(share) => share.merge(permit),
        share @ None => *share = Some(permit),
    }
    Ok(())
}

/// Refuses by the head alone: a body that is announced too large, or compressed.
pub(crate) fn check_head(headers: &HeaderMap, body: &Body) -> Result<(), Cause> {
    if !codings(headers, &CONTENT_ENCODING).all(|coding| coding.eq_ignore_ascii_case(b"identity"))
        || !codings(headers, &TRANSFER_ENCODING).all(|coding| coding.eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Cause::BodyCompressed);
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > BODY_BYTES_MAX {
        return Err(Cause::BodyTooLarge);
    }
    Ok(())
}

/// The entries of a header that is a list.
fn codings<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let budget = Budget::of(2 * BODY_ORDINARY_BYTES, 10);
        let beyond = |bytes| Body::from(vec![b'x'; BODY_ORDINARY_BYTES + bytes]);
        let first = budget.read(beyond(8)).await.unwrap();
        assert_eq!(first.as_bytes().len(), BODY_ORDINARY_BYTES + 8);
        assert_eq!(budget.read(beyond(3)).await.unwrap_err(), Cause::BodiesTooMany);
        let second = budget.read(beyond(2)).await.unwrap();
        assert_eq!(budget.read(Body::from("1")).await.unwrap_err(), Cause::BodiesTooMany);
        drop((first, second));
        assert!(budget.read(beyond(10)).await.is_ok());
    }

    #[tokio::test]
    async fn large_bodies_that_stall_keep_no_ordinary_one_out() {
        let budget = Budget::new();
        let large = || vec![b'x'; BODY_BYTES_MAX];
        let mut stalled: Vec<_> = (0..100).map(|_| Box::pin(budget.read(stalling(large())))).collect();
        for read in &mut stalled {
            let _waits_or_is_refused = futures::poll!(read);
        }
        assert_eq!(budget.read(Body::from(large())).await.unwrap_err(), Cause::BodiesTooMany);
        assert!(budget.read(Body::from(vec![b'x'; 20_000])).await.is_ok());
        drop(stalled);
        assert!(budget.read(Body::from(large())).await.is_ok());
    }

    /// A body of which this much comes, and then nothing more.
    fn stalling(bytes: Vec<u8>) -> Body {
        use futures::StreamExt;
        let first = futures::stream::once(async { Ok::<_, std::io::Error>(bytes) });
        Body::from_stream(first.chain(futures::stream::pending()))
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let parts = [Ok("{}".to_owned()), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(futures::stream::iter(parts));
        assert_eq!(Budget::new().read(body).await.unwrap_err(), Cause::BodyUnfinished);
    }
}
