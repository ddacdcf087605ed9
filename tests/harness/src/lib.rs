//! Tests from outside: the real binary and the emulators as processes of their own, killed, frozen and
//! started again, and spoken to as senders, operators and providers do.
//!
//! Must not reach into the host: what is not seen through its sockets, its log or its exit is not seen.
//! Must not sleep for a fixed time: it waits for conditions, each within a bound, and says what it saw
//! last where the time runs out.

mod api;
mod clock;
mod command;
mod config;
mod disk;
mod emulators;
mod files;
mod home;
mod host;
pub mod limits;
mod noise;
mod poll;
mod process;
mod seed;
mod webhook;
mod wire;

pub use api::{Api, Attempt, Reply, Run, Sent, Step};
pub use clock::now_ms;
pub use command::{Reader, Told, command, nobody};
pub use config::{Config, SECRET};
pub use disk::Disk;
pub use emulators::{Emulators, Mail, Outbox, Received};
pub use files::{binary, guest, root};
pub use home::Home;
pub use host::{Host, Refusal};
pub use noise::noise;
pub use poll::{Seen, pause, until};
pub use process::{Killer, Process};
pub use seed::Seed;
pub use webhook::Delivery;
pub use wire::{Answer, Connection, Request, once};
