//! Lengths of time and their percentiles.

use std::time::Duration;

/// How long each of many took.
#[derive(Debug, Default)]
pub(crate) struct Latency(Vec<Duration>);

impl Latency {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The length that so many of a hundred do not exceed; none of none.
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).copied()
    }

    /// In milliseconds, for a table.
    pub(crate) fn millis(&self, percent: usize) -> String {
        self.percentile(percent).map_or_else(|| "-".to_owned(), |length| format!("{:.2}", length.as_secs_f64() * 1e3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted() {
        let mut latency = Latency::default();
        (1..=200).rev().for_each(|ms| latency.add(Duration::from_millis(ms)));
        assert_eq!(latency.percentile(50), Some(Duration::from_millis(100)));
        assert_eq!(latency.percentile(99), Some(Duration::from_millis(198)));
        assert_eq!(Latency::default().millis(50), "-");
    }
}
