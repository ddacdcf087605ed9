//! Components that nobody would write, through the loader and the engine: made by wasm-smith, damaged, too large,
//! compiled already, or of `.wast` files. A process of its own (the worker) loads each as a host does and executes what
//! it accepts; another watches it, holds its verdict against an independent one, and keeps what went wrong.

pub mod cases;
pub mod chance;
pub mod damage;
pub mod judge;
pub mod large;
pub mod maker;
pub mod scripts;
pub mod shell;
pub mod tally;
pub mod watch;
pub mod work;
