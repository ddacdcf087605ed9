//! The error of workflows and steps: a message, and what the host shall do about it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::bindings::stepwell::workflow::types::{Failure, StepError};

/// A result whose error is the SDK's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest `detail` that is handed over, in bytes of JSON text; a longer one is left out.
pub const DETAIL_BYTES_MAX: usize = 64 * 1024;

/// Why a step or a workflow failed.
///
/// Every `std::error::Error` becomes one by `?`, with the messages of its causes joined by `: `. Such an
/// error may be tried again. What an error means depends on where it is returned:
///
/// | returned from | plain | [`permanent`] | [`retry_after`] |
/// |---|---|---|---|
/// | a step's body | the step is tried again by its retry policy | the step fails at once | tried again after that delay |
/// | the workflow | the run fails | the run fails | the whole run is tried again after that delay |
///
/// ```
/// use stepwell_sdk::{Result, permanent};
///
/// fn seats(text: &str) -> Result<u32> {
///     let seats: u32 = text.parse()?;
///     if seats == 0 {
///         return Err(permanent("a team needs at least one seat"));
///     }
///     Ok(seats)
/// }
/// assert!(!seats("many").unwrap_err().is_permanent());
/// assert!(seats("0").unwrap_err().is_permanent());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    message: String,
    permanent: bool,
    retry_after: Option<Duration>,
    detail: Option<Value>,
    step: Option<String>,
}

/// An error that trying again cannot mend.
pub fn permanent(message: impl fmt::Display) -> Error {
    Error::new(message).permanent()
}

/// An error that asks for the next attempt after `delay` (counted in milliseconds) in place of the retry
/// policy's own delay.
pub fn retry_after(delay: Duration, message: impl fmt::Display) -> Error {
    Error::new(message).retry_in(delay)
}

impl Error {
    /// An error that may be tried again. The host cuts a message at 8 KiB.
    pub fn new(message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self(Box::new(Inner { message, permanent: false, retry_after: None, detail: None, step: None }))
    }

    /// Marks it as one that trying again cannot mend.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.permanent = true;
        self.0.retry_after = None;
        self
    }

    /// Asks for the next attempt after `delay`.
    #[must_use]
    pub fn retry_in(mut self, delay: Duration) -> Self {
        self.0.permanent = false;
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds further facts, such as a provider's answer: kept with the attempt and shown in the dashboard.
    /// More than [`DETAIL_BYTES_MAX`] are left out.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// What went wrong, for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying again cannot help. True too of what a step returns once it has failed for good.
    pub fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    /// The delay that it asks for before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Further facts.
    pub fn detail(&self) -> Option<&Value> {
        self.0.detail.as_ref()
    }

    /// The step that failed for good, if that is what happened.
    pub fn step(&self) -> Option<&str> {
        self.0.step.as_deref()
    }

    /// What the host says of a step that has failed for good. Trying the run again would only answer the
    /// same, so neither a delay nor a retry is left over.
    pub(crate) fn of_failed_step(step: &str, error: StepError) -> Self {
        let detail = error.detail.and_then(|text| serde_json::from_str(&text).ok());
        Self(Box::new(Inner {
            message: error.message,
            permanent: true,
            retry_after: None,
            detail,
            step: Some(step.to_owned()),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, permanent, retry_after, detail, step } = &*self.0;
        let mut text = f.debug_struct("Error");
        text.field("message", message).field("permanent", permanent).field("retry_after", retry_after);
        text.field("detail", detail).field("step", step).finish()
    }
}

/// So that `?` takes any library's error. As in other crates that do this, [`Error`] itself is therefore
/// no `std::error::Error`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::new(message)
    }
}

/// Whole milliseconds, rounded up, so that nothing is early.
pub(crate) fn millis(duration: Duration) -> u64 {
    let up = duration.as_nanos().div_ceil(1_000_000);
    u64::try_from(up).unwrap_or(u64::MAX)
}

impl From<&Error> for StepError {
    fn from(error: &Error) -> Self {
        let Inner { message, permanent, retry_after, detail, .. } = &*error.0;
        let detail = detail.as_ref().map(Value::to_string).filter(|text| text.len() <= DETAIL_BYTES_MAX);
        Self { message: message.clone(), permanent: *permanent, retry_after_ms: retry_after.map(millis), detail }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let StepError { message, permanent, retry_after_ms, detail } = error.into();
        Self { message, permanent, retry_after_ms, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no seats")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_library_error_brings_its_causes_and_may_be_retried() {
        let error = Error::from(Outer("x".parse::<u32>().unwrap_err()));
        assert_eq!(error.message(), "no seats: invalid digit found in string");
        assert!(!error.is_permanent());
    }

    #[test]
    fn a_step_that_failed_for_good_asks_for_no_retry() {
        let wire = StepError {
            message: "busy".into(),
            permanent: false,
            retry_after_ms: Some(5),
            detail: Some(r#"{"a":1}"#.into()),
        };
        let error = Error::of_failed_step("send", wire);
        assert!(error.is_permanent());
        assert_eq!((error.step(), error.retry_after()), (Some("send"), None));
        assert_eq!(Failure::from(&error).detail.as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn delays_round_up_and_large_details_stay_behind() {
        let error = retry_after(Duration::from_micros(1500), "later").with_detail("x".repeat(DETAIL_BYTES_MAX).into());
        let wire = StepError::from(&error);
        assert_eq!((wire.retry_after_ms, wire.detail), (Some(2), None));
    }
}
