//! Durable steps and sleeps.
//!
//! A step is a named piece of work whose result the host keeps. A run starts from the top each time it goes
//! on; a finished step then answers with its result and its body does not run again. Therefore
//!
//! - whatever reaches outside (a request, a mail, a charge) belongs into a step;
//! - what a step yields leaves it as its result only: the body is a `Fn`, so it cannot change what it captures;
//! - code between steps must make the same calls on every replay. Clocks and random numbers, `std`'s too, are
//!   made to answer the same; for maps see [`crate::collections`].
//!
//! ```no_run
//! use stepwell_sdk::{Result, days, step};
//!
//! # fn charge(cents: u64) -> Result<String> { Ok(String::new()) }
//! # fn remind(receipt: &str) -> Result<()> { Ok(()) }
//! # fn workflow() -> Result<()> {
//! let receipt = step::run("charge", || charge(1_000))?;
//! step::sleep("a-week", days(7));
//! step::run("remind", || remind(&receipt))
//! # }
//! ```

mod attempt;
mod options;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::stepwell::workflow::types::{Attempt as WireAttempt, Slot};
use crate::failure::millis;
use crate::{Error, Result, Timestamp, imports, permanent};

pub(crate) use attempt::open_token;
pub use attempt::{Attempt, attempt};
pub use options::{OnUnknown, Options};

/// Runs `body` once and keeps its result under `name`; on a replay answers the kept result instead.
///
/// `name` has 1 to 256 bytes of UTF-8 without `#` and control characters. A name met again in one run becomes
/// `name#2`, `name#3`, …, so a step may stand in a loop. The result becomes JSON of at most 1 MiB, and what is
/// returned is read back from that JSON, so that first pass and replay see the same value.
///
/// # Errors
/// An error of the body that may be tried again does not return: the host drops the instance and tries the step
/// again later. What returns is an error for good: the body's error was [`permanent`], the attempts are used up,
/// or the result is no JSON or too large. Return it with `?` and the run fails; or catch it and go on.
///
/// ```no_run
/// use stepwell_sdk::{Result, step};
/// # fn charge() -> Result<String> { Ok(String::new()) }
/// # fn workflow() -> Result<String> {
/// match step::run("charge", charge) {
///     Ok(receipt) => Ok(receipt),
///     Err(error) => step::run("tell-support", || Ok(format!("the charge failed: {error}"))),
/// }
/// # }
/// ```
///
/// A body that changes what it captured does not compile:
/// ```compile_fail
/// let mut count = 0;
/// stepwell_sdk::step::run("count", || { count += 1; Ok(()) });
/// ```
pub fn run<T, F>(name: &str, body: F) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    F: Fn() -> Result<T>,
{
    run_text(name, "", &|| encode(&body()?)).and_then(|text| decode(name, &text))
}

/// As [`run`], with this step's own retries, timeout and rule for an unknown outcome.
///
/// ```no_run
/// use stepwell_sdk::{Result, minutes, step};
/// # fn charge() -> Result<String> { Ok(String::new()) }
/// # fn workflow() -> Result<String> {
/// step::run_with("charge", &step::Options::new().attempts_max(3).timeout(minutes(1)), charge)
/// # }
/// ```
///
/// # Errors
/// As [`run`].
pub fn run_with<T, F>(name: &str, options: &Options, body: F) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    F: Fn() -> Result<T>,
{
    run_text(name, &options.to_json(), &|| encode(&body()?)).and_then(|text| decode(name, &text))
}

/// Lets `length` pass, counted from when the run first came here: 1 ms (anything shorter counts as that) to 10
/// years. Nothing is held meanwhile, and a restart of the host changes nothing. Never wakes early. Not inside a
/// step: the host stops such a run.
pub fn sleep(name: &str, length: Duration) {
    imports::step::sleep(name, millis(length).max(1));
}

/// Waits until the wall clock has reached `time`; at once if it has. Otherwise as [`sleep`].
pub fn sleep_until(name: &str, time: impl Into<Timestamp>) {
    imports::step::sleep_until(name, time.into().as_millis());
}

/// The part of a step that does not depend on its type, so that it is compiled once.
fn run_text(name: &str, options: &str, body: &dyn Fn() -> Result<String>) -> Result<String> {
    if attempt().is_some() {
        return Err(permanent(format!("step {name:?} is inside another step: end that one first")));
    }
    match imports::step::run(name, options) {
        Slot::Execute(attempt) => execute(name, attempt, body),
        Slot::Done(result) => Ok(result),
        Slot::Failed(error) => Err(Error::of_failed_step(name, error)),
        Slot::Elsewhere | Slot::Cancelled => {
            Err(permanent(format!("step {name:?} stands alone, but the host answered as for a parallel group")))
        }
    }
}

fn execute(name: &str, attempt: WireAttempt, body: &dyn Fn() -> Result<String>) -> Result<String> {
    let token = attempt.token;
    let outcome = attempt::within(attempt, body);
    let answer = match &outcome {
        Ok(text) => imports::step::finish(token, Ok(text)),
        Err(error) => imports::step::finish(token, Err(&error.into())),
    };
    answer.map_err(|error| Error::of_failed_step(name, error))?;
    outcome.map_err(Error::permanent)
}

fn encode<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| permanent(format!("the step's result cannot be JSON: {error}")))
}

fn decode<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| permanent(format!("the stored result of step {name:?} does not fit its type: {error}")))
}

#[cfg(test)]
mod tests;
