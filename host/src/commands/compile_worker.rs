//! `stepwell compile-worker`, which only hosts call: compiles one component within bounds, and ends.

use std::process::ExitCode;

use stepwell_runtime::CompilerProcess;

/// This very program as the compiler's process.
pub(crate) fn process() -> CompilerProcess {
    CompilerProcess::new("/proc/self/exe", ["compile-worker"])
}

/// Takes its order from standard input; what is wrong goes to standard error.
pub(crate) fn run() -> ExitCode {
    match stepwell_runtime::compile_to_order(std::io::stdin().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            eprintln!("{reason}");
            u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}
