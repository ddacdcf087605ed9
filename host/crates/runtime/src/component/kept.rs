//! Components kept in memory by digest, the least recently used dropped first. Runs that wait for one
//! component share its making.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use stepwell_core::Digest;
use tokio::sync::OnceCell;

pub(super) struct Kept<T> {
    max: usize,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    /// Counts uses: the clock of "least recently".
    uses: u64,
    slots: HashMap<Digest, Slot<T>>,
}

struct Slot<T> {
    used: u64,
    cell: Arc<OnceCell<Arc<T>>>,
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("max", &self.max).finish_non_exhaustive()
    }
}

impl<T> Kept<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), inner: Mutex::new(Inner { uses: 0, slots: HashMap::new() }) }
    }

    /// What is kept for `digest`, or what `make` makes. A failure is not kept.
    pub(super) async fn get_or_make<E, F>(&self, digest: Digest, make: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let cell = self.cell(digest);
        let made = cell.get_or_try_init(|| async { make().await.map(Arc::new) }).await;
        made.cloned()
    }

    fn cell(&self, digest: Digest) -> Arc<OnceCell<Arc<T>>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let used = inner.uses;
        if !inner.slots.contains_key(&digest) && inner.slots.len() >= self.max {
            inner.drop_oldest();
        }
        let slot = inner.slots.entry(digest).or_insert_with(|| Slot { used, cell: Arc::default() });
        slot.used = used;
        slot.cell.clone()
    }
}

impl<T> Inner<T> {
    fn drop_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.used).map(|(digest, _)| *digest);
        if let Some(digest) = oldest {
            self.slots.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_least_recently_used_goes_and_failures_are_not_kept() {
        let kept = Kept::new(2);
        let digests = [b"a", b"b", b"c"].map(|text| Digest::of(text));
        let get = async |digest: Digest, value: Result<u32, ()>| kept.get_or_make(digest, || async { value }).await;
        assert!(get(digests[0], Err(())).await.is_err());
        assert_eq!(*get(digests[0], Ok(1)).await.unwrap(), 1);
        assert_eq!(*get(digests[1], Ok(2)).await.unwrap(), 2);
        assert_eq!(*get(digests[0], Ok(9)).await.unwrap(), 1);
        assert_eq!(*get(digests[2], Ok(3)).await.unwrap(), 3);
        assert_eq!(*get(digests[1], Ok(9)).await.unwrap(), 9);
    }
}
