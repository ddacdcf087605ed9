//! The waterfall's axis of time. A run of three calls and a sleep of a week has a second of work in
//! it: idle time is folded, so that work stays visible and order stays true.

/// Maps time in milliseconds to a place from 0 to 100, rising.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Times with their places, in order; straight between them.
    knots: Vec<(i64, f64)>,
}

/// The share of the work that one idle gap may take up, and all of them together.
const GAP_SHARE_MAX: f64 = 0.35;
const GAPS_SHARE_MAX: f64 = 1.5;

impl Axis {
    /// Over `from` to `to`, with `busy` the times at which something was done.
    pub(super) fn over(busy: &[(i64, i64)], from: i64, to: i64) -> Self {
        let to = to.max(from.saturating_add(1));
        let busy = merged(busy, from, to);
        let work: f64 = busy.iter().map(|(start, end)| length(*start, *end)).sum();
        let spans = spans(&busy, from, to);
        let gaps = spans.iter().filter(|span| !span.is_work).count().max(1);
        #[expect(clippy::cast_precision_loss, reason = "a page's step count")]
        let gap_max = (work * GAP_SHARE_MAX.min(GAPS_SHARE_MAX / gaps as f64)).max(1.0);
        let mut knots = vec![(from, 0.0)];
        let mut place = 0.0;
        for span in spans {
            let length = length(span.start, span.end);
            place += if span.is_work { length } else { length.min(gap_max) };
            knots.push((span.end, place));
        }
        if place > 0.0 {
            knots.iter_mut().for_each(|(_, at)| *at = *at * 100.0 / place);
        }
        Self { knots }
    }

    /// The place of a time; of one outside, the nearest end.
    pub(super) fn at(&self, time: i64) -> f64 {
        let after = self.knots.partition_point(|(knot, _)| *knot < time);
        let right = self.knots.get(after);
        let left = after.checked_sub(1).and_then(|before| self.knots.get(before));
        match (left, right) {
            (Some((start, low)), Some((end, high))) => {
                low + (high - low) * length(*start, time) / length(*start, *end).max(1.0)
            }
            (Some((_, place)), None) | (None, Some((_, place))) => *place,
            (None, None) => 0.0,
        }
    }
}

struct Span {
    start: i64,
    end: i64,
    is_work: bool,
}

/// Work and gaps in turn, without a hole.
fn spans(busy: &[(i64, i64)], from: i64, to: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut at = from;
    for (start, end) in busy {
        if *start > at {
            spans.push(Span { start: at, end: *start, is_work: false });
        }
        spans.push(Span { start: *start, end: *end, is_work: true });
        at = *end;
    }
    if to > at {
        spans.push(Span { start: at, end: to, is_work: false });
    }
    spans
}

/// In order, within bounds, those that touch as one; none is empty.
fn merged(busy: &[(i64, i64)], from: i64, to: i64) -> Vec<(i64, i64)> {
    let clamped = busy.iter().map(|(start, end)| {
        let start = (*start).clamp(from, to - 1);
        (start, (*end).clamp(start + 1, to))
    });
    let mut sorted: Vec<_> = clamped.collect();
    sorted.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(sorted.len());
    for (start, end) in sorted {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            Some(_) | None => merged.push((start, end)),
        }
    }
    merged
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of ten thousand years are below 2^53")]
fn length(start: i64, end: i64) -> f64 {
    end.saturating_sub(start).max(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: i64 = 7 * 24 * 3_600_000;

    #[test]
    fn a_week_asleep_leaves_room_for_a_second_of_work() {
        let axis = Axis::over(&[(0, 500), (500 + WEEK, 1_000 + WEEK)], 0, 1_000 + WEEK);
        let places = [0, 500, 500 + WEEK, 1_000 + WEEK].map(|time| axis.at(time));
        assert!(places.is_sorted() && places[0] == 0.0 && (places[3] - 100.0).abs() < 1e-9);
        assert!(places[1] > 30.0 && places[2] - places[1] < 30.0, "{places:?}");
        let half = axis.at(500 + WEEK / 2);
        assert!((half - f64::midpoint(places[1], places[2])).abs() < 1e-6);
    }

    #[test]
    fn short_gaps_keep_their_length() {
        let axis = Axis::over(&[(0, 400), (500, 1_000)], 0, 1_000);
        assert!((axis.at(450) - 45.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_done_yet_is_a_straight_line() {
        let axis = Axis::over(&[], 10, 10);
        assert_eq!((axis.at(0), axis.at(10), axis.at(99)), (0.0, 0.0, 100.0));
    }

    #[test]
    fn many_gaps_share_their_room() {
        let busy: Vec<_> = (0..50).map(|n| (n * 10_000, n * 10_000 + 10)).collect();
        let axis = Axis::over(&busy, 0, 500_000);
        let work: f64 = busy.iter().map(|(start, end)| axis.at(*end) - axis.at(*start)).sum();
        assert!(work > 35.0, "{work}");
    }

    #[test]
    fn times_outside_and_reversed_do_no_harm() {
        let axis = Axis::over(&[(50, 40), (-10, 500), (20, 20)], 0, 100);
        for time in [-5, 0, 30, 100, 1_000] {
            assert!((0.0..=100.0).contains(&axis.at(time)));
        }
    }
}
