//! Components kept in memory by digest, the least recently used dropped first. Runs that wait for one
//! component share its making.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use stepwell_core::Digest;
use tokio::sync::OnceCell;

/// Values by digest, the least recently used dropped first.
pub(super) struct Recent<T> {
    max: usize,
    /// Counts uses: the clock of "least recently".
    uses: u64,
    slots: HashMap<Digest, (u64, T)>,
}

/// As [`Recent`], for values that take time to make.
pub(super) struct Kept<T>(Mutex<Recent<Cell<T>>>);

type Cell<T> = Arc<OnceCell<Arc<T>>>;

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("max", &self.max).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl<T: Clone> Recent<T> {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), uses: 0, slots: HashMap::new() }
    }

    pub(super) fn get(&mut self, digest: Digest) -> Option<T> {
        self.uses += 1;
        let slot = self.slots.get_mut(&digest)?;
        slot.0 = self.uses;
        Some(slot.1.clone())
    }

    pub(super) fn get_or_insert_with(&mut self, digest: Digest, make: impl FnOnce() -> T) -> T {
        if let Some(value) = self.get(digest) {
            return value;
        }
        if self.slots.len() >= self.max {
            self.drop_oldest();
        }
        let value = make();
        self.slots.insert(digest, (self.uses, value.clone()));
        value
    }

    pub(super) fn forget(&mut self, digest: Digest) {
        self.slots.remove(&digest);
    }

    fn drop_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, (used, _))| *used).map(|(digest, _)| *digest);
        if let Some(digest) = oldest {
            self.slots.remove(&digest);
        }
    }
}

impl<T> Kept<T> {
    pub(super) fn new(max: usize) -> Self {
        Self(Mutex::new(Recent::new(max)))
    }

    /// Lets go of it. Whoever uses it goes on.
    pub(super) fn forget(&self, digest: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).forget(digest);
    }

    /// What is kept for `digest`, or what `make` makes. A failure is not kept.
    pub(super) async fn get_or_make<E, F>(&self, digest: Digest, make: impl FnOnce() -> F) -> Result<Arc<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(digest, Cell::default);
        let made = cell.get_or_try_init(|| async { make().await.map(Arc::new) }).await;
        made.cloned()
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

    #[test]
    fn what_is_used_is_never_the_oldest() {
        let mut recent = Recent::new(2);
        let used = Digest::of(b"used");
        recent.get_or_insert_with(used, || 0);
        for n in 1..100_u32 {
            recent.get_or_insert_with(Digest::of(&n.to_be_bytes()), || n);
            assert_eq!(recent.get(used), Some(0));
        }
        assert_eq!(recent.slots.len(), 2);
    }
}
