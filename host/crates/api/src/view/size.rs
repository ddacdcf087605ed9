//! How much of a list one answer holds: as many rows as fit, one at least. Nothing is lost, since the next page
//! begins where this one ends.

use stepwell_core::journal::{EntryState, StepError};
use stepwell_core::run::{RunError, State};
use stepwell_core::{Entry, Json};

use crate::limits::{LIST_BYTES_MAX, LISTED_OUTPUT_BYTES_MAX};
use crate::read::Shown;

/// What a remembered request takes in an answer, as a rule.
const REQUEST_BYTES: usize = 400;

/// How many of the first rows fit, by their sizes.
pub(crate) fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0_usize;
    let fits = sizes.take_while(|size| {
        bytes = bytes.saturating_add(*size);
        bytes <= LIST_BYTES_MAX
    });
    fits.count().max(1)
}

/// What varies in the size of a run in a list.
pub(crate) fn of_run(shown: &Shown) -> usize {
    match &shown.run.state {
        State::Completed { output } if output.size() <= LISTED_OUTPUT_BYTES_MAX => output.size(),
        State::Failed { error: RunError { message, detail, .. } } => message.len() + of_detail(detail.as_ref()),
        _ => 0,
    }
}

/// What varies in the size of an entry of a journal.
pub(crate) fn of_entry(entry: &Entry) -> usize {
    let attempts = entry.attempts().iter().filter_map(|attempt| attempt.error.as_ref()).map(of_error);
    let own = match &entry.state {
        EntryState::Done { output, .. } => output.size(),
        EntryState::Failed { error, .. } => of_error(error),
        EntryState::Open { .. } | EntryState::Asleep { .. } | EntryState::Awake { .. } => 0,
    };
    let requests = entry.attempts().iter().map(|attempt| attempt.requests.len() * REQUEST_BYTES).sum::<usize>();
    attempts.sum::<usize>() + own + requests
}

fn of_error(error: &StepError) -> usize {
    error.message.len() + of_detail(error.detail.as_ref())
}

fn of_detail(detail: Option<&Json>) -> usize {
    detail.map_or(0, Json::size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_what_fits_and_one_row_at_least() {
        for (sizes, expected) in [
            (vec![], 1),
            (vec![LIST_BYTES_MAX + 1, 1], 1),
            (vec![LIST_BYTES_MAX, 0, 0, 1], 3),
            (vec![LIST_BYTES_MAX / 2; 5], 2),
            (vec![usize::MAX; 5], 1),
            (vec![0; 200], 200),
        ] {
            assert_eq!(fitting(sizes.iter().copied()), expected, "{:?}", sizes.first());
        }
    }
}
