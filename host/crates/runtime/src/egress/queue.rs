//! Requests under way at once take their turns in the order in which they were called for.

use tokio::sync::oneshot;

/// Gives out places, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    last: Option<Before>,
}

/// A place. It is given up by dropping it.
#[derive(Debug, Default)]
pub(crate) struct Place {
    before: Option<Before>,
    mine: Option<oneshot::Sender<Option<Before>>>,
}

/// The place before, which answers once it is given up: by what it was still waiting for itself.
#[derive(Debug)]
struct Before(oneshot::Receiver<Option<Before>>);

impl Queue {
    pub(crate) fn place(&mut self) -> Place {
        let (mine, next) = oneshot::channel();
        Place { before: self.last.replace(Before(next)), mine: Some(mine) }
    }
}

impl Place {
    /// Returns once all places before have been given up.
    pub(crate) async fn comes(&mut self) {
        while let Some(Before(place)) = &mut self.before {
            self.before = place.await.ok().flatten();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mine) = self.mine.take() {
            // Nobody may be next.
            let _ = mine.send(self.before.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn places_come_in_their_order_also_where_one_between_is_given_up() {
        let mut queue = Queue::default();
        let (mut first, mut second, mut third) = (queue.place(), queue.place(), queue.place());
        assert!(first.comes().now_or_never().is_some());
        assert!(second.comes().now_or_never().is_none());
        let mut comes = pin!(third.comes());
        assert!(comes.as_mut().now_or_never().is_none());
        drop(second);
        assert!(comes.as_mut().now_or_never().is_none(), "the first has not been given up");
        drop(first);
        assert!(comes.as_mut().now_or_never().is_some());
        assert!(Place::default().comes().now_or_never().is_some());
    }
}
