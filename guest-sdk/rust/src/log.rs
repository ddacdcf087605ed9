//! Log records of a run: a fixed message and fields. What a replay repeats is not logged again.
//!
//! ```no_run
//! # let user = "user_1";
//! stepwell_sdk::info!(user = user, seats = 3, "team created");
//! ```
//! A message has at most 8 KiB, a record at most 32 fields. Log no secrets and no payloads.

use std::fmt::Display;

use crate::bindings::stepwell::workflow::log::Level as WireLevel;
use crate::imports;

/// How important a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For following every detail.
    Trace,
    /// For finding a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, but the run goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes one record. The macros [`info!`](crate::info), [`warn!`](crate::warn), … read better.
pub fn record(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let wire = match level {
        Level::Trace => WireLevel::Trace,
        Level::Debug => WireLevel::Debug,
        Level::Info => WireLevel::Info,
        Level::Warn => WireLevel::Warn,
        Level::Error => WireLevel::Error,
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    imports::log::log(wire, message, &fields);
}

/// A record of any level: `log!(Level::Info, user = id, "message")`. Values are anything with `Display`.
#[macro_export]
macro_rules! log {
    ($level:expr, $($field:ident = $value:expr,)* $message:literal $(,)?) => {
        $crate::log::record($level, $message, &[$((stringify!($field), &$value as &dyn ::core::fmt::Display)),*])
    };
}

/// A record of level trace; see [`log!`](crate::log!).
#[macro_export]
macro_rules! trace {
    ($($record:tt)+) => { $crate::log!($crate::log::Level::Trace, $($record)+) };
}

/// A record of level debug; see [`log!`](crate::log!).
#[macro_export]
macro_rules! debug {
    ($($record:tt)+) => { $crate::log!($crate::log::Level::Debug, $($record)+) };
}

/// A record of level info; see [`log!`](crate::log!).
#[macro_export]
macro_rules! info {
    ($($record:tt)+) => { $crate::log!($crate::log::Level::Info, $($record)+) };
}

/// A record of level warn; see [`log!`](crate::log!).
#[macro_export]
macro_rules! warn {
    ($($record:tt)+) => { $crate::log!($crate::log::Level::Warn, $($record)+) };
}

/// A record of level error; see [`log!`](crate::log!).
#[macro_export]
macro_rules! error {
    ($($record:tt)+) => { $crate::log!($crate::log::Level::Error, $($record)+) };
}

#[cfg(test)]
mod tests {
    use crate::testing::Host;

    #[test]
    fn fields_stand_apart_from_the_message() {
        let outcome = Host::new().run(|| {
            crate::info!(user = "user_1", seats = 3, "team created");
            crate::warn!("plain");
            Ok(())
        });
        assert_eq!(outcome.logs, ["info team created user=user_1 seats=3", "warn plain"]);
    }
}
