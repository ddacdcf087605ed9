//! A library that is loaded before all others into a process (`LD_PRELOAD`): it stands between the process
//! and the C library, writes down every change to files below one directory, in order and with its bytes,
//! and fails or kills at the n-th change if it is told to. What is asked of raw system calls it does not
//! see; whoever reads its record compares it with the directory.
//!
//! | variable | |
//! |---|---|
//! | `POWERCUT_DIR` | the directory, as an absolute path; without it nothing is done |
//! | `POWERCUT_TRACE` | where the record is appended to |
//! | `POWERCUT_ACKS` | a file whose lines are acknowledgements, put into the record in their place; the line `kill` ends the process by SIGKILL, `closing` is counted from |
//! | `POWERCUT_FAULT` | `kill:N`, `closing:N`, `write:N:ERRNO:once`, `sync:N:ERRNO:on`, …: see `fault` |
//!
//! Must not use `std::fs`, which would come here again, and holds no logic beyond that.

#![expect(unsafe_code, reason = "the C library's own functions are replaced, and called")]

mod fault;
mod files;
mod real;
mod record;
mod sync;
mod tree;
