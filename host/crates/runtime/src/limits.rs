//! Every bound of the runtime, with its arithmetic. What exceeds one is refused with its name.

use std::path::PathBuf;
use std::time::Duration;

use crate::component::CompilerProcess;

/// A component's file, bytes: 32 MiB. The largest seen (Python) has 18 to 22 MB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// One function's code, bytes: 1 MiB. The largest seen is Python's interpreter loop with 430 kB. The compiler
/// takes up to 1.3 kB of memory for each byte of a function: 1.3 GiB here, and 10 GB for the 7.6 MB that
/// WebAssembly's validator lets through.
pub const FUNCTION_BYTES_MAX: usize = 1 << 20;
/// Functions of a component with all its modules. The most seen are Python's 13,000; 100,000 take 600 MB to compile.
pub const FUNCTIONS_MAX: usize = 100_000;
/// Components kept ready to instantiate; each holds its mapped code (1 to 36 MiB of address space).
pub const COMPONENTS_MAX: usize = 64;
/// Manifests kept in memory; at most 256 KiB each, a few hundred bytes as a rule.
pub const MANIFESTS_MAX: usize = 1024;
/// Components waiting for the compiler: 32 × [`COMPONENT_BYTES_MAX`] = 1 GiB at the very worst.
pub const COMPILE_QUEUE_MAX: usize = 32;
/// CPU time of a process that compiles one component: nine times what 12 MB of JavaScript take (13 s).
pub const COMPILE_CPU_MAX: Duration = Duration::from_secs(120);
/// Memory of a process that compiles one component, bytes: 2 GiB, for the 1.3 GiB of the largest function
/// ([`FUNCTION_BYTES_MAX`]) and the 370 MB of 12 MB of JavaScript.
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Compiled code kept on disk, bytes: 1 GiB, or 30 of the largest and 1,500 of the smallest components. The
/// oldest goes first.
pub const CODE_BYTES_MAX: u64 = 1 << 30;
/// CPU time that `describe` may take: Python, the slowest, needs 2 ms.
pub const DESCRIBE_CPU_MAX: Duration = Duration::from_secs(2);
/// Components that describe themselves at once. Each holds an instance beyond those of activations.
pub const DESCRIBES_MAX: u32 = 4;
/// How often a running guest looks whether it must give way.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);
/// How long a guest outside any step may wait for something that the host does not know of.
pub const IDLE_MAX: Duration = Duration::from_secs(5);

/// Linear memories of one component: QuickJS has 2 or 3.
pub const MEMORIES_MAX: u32 = 3;
/// Core instances of one component, with the adapters between them.
pub const CORE_INSTANCES_MAX: u32 = 64;
/// Tables of one component.
pub const TABLES_MAX: u32 = 16;
/// Elements of one table: 32,768 × 8 bytes = 256 KiB; C# in debug mode has 10,000.
pub const TABLE_ELEMENTS_MAX: usize = 32_768;
/// Resources (streams, requests, timers) that a guest may hold at once.
pub const RESOURCES_MAX: usize = 4096;
/// Bytes that one call of a guest may hand to the host: a request's body and room for its headers.
pub const CALL_BYTES_MAX: usize = REQUEST_BYTES_MAX + (1 << 20);
/// Random bytes in one call of WASI.
pub const WASI_RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Random bytes in one call of `context.random`, as the contract says.
pub const RANDOM_BYTES_MAX: u32 = 4096;

/// Log records of one activation, with those that a replay repeats: two for each of the 10,000 steps.
pub const LOG_RECORDS_MAX: u64 = 20_000;
/// Bytes of log of one activation.
pub const LOG_BYTES_MAX: u64 = 4 << 20;
/// One log record's message, bytes; a longer one is cut.
pub const LOG_MESSAGE_BYTES_MAX: usize = 8 << 10;
/// Fields of one log record; more are dropped.
pub const LOG_FIELDS_MAX: usize = 32;
/// What is kept of the last lines on stderr, for the message of a trap: a traceback of Python's, as a rule.
pub const LAST_WORDS_BYTES_MAX: usize = 2048;
/// A trap's message with its backtrace, bytes.
pub const TRAP_MESSAGE_BYTES_MAX: usize = 4096;

/// A request's URL, bytes.
pub const URL_BYTES_MAX: usize = 8 << 10;
/// Headers of a request.
pub const REQUEST_HEADERS_MAX: usize = 100;
/// All names and values of a request's headers, bytes.
pub const REQUEST_HEADER_BYTES_MAX: usize = 64 << 10;
/// A request's body, bytes.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;
/// A response's body, bytes, counted as it comes.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;
/// A response's headers, by number (hyper bounds their bytes).
pub const RESPONSE_HEADERS_MAX: usize = 100;
/// How long a request may take unless it says otherwise.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// The longest timeout a request may ask for.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(300);
/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Destinations whose egress rate is kept in mind; those that are free again are forgotten first.
pub const RATE_DESTINATIONS_MAX: usize = 4096;
/// Secrets shorter than this are not masked in answers: the mask would hit innocent text.
pub const SECRET_BYTES_MIN: usize = 6;
/// Values that a secret had before, which are masked on until the next start: who replaces one every day has a week.
pub const RETIRED_SECRETS_MAX: usize = 8;

/// Why a component is refused, bytes; a longer reason is cut.
pub const REASON_BYTES_MAX: usize = 4096;
/// Names of unknown imports that are told; of more, the number.
pub const UNKNOWN_IMPORTS_MAX: usize = 20;

/// Files of the plugins folder that are looked at.
pub const PLUGIN_FILES_MAX: usize = 1000;
/// A signature's file, bytes: 64, or 89 in base64, with room for lines.
pub const SIGNATURE_BYTES_MAX: usize = 1024;
/// People who may wait for the folder to do something.
pub const FOLDER_ASKS_MAX: usize = 16;
/// How often the plugins folder is read even where nothing is reported.
pub const FOLDER_POLL: Duration = Duration::from_secs(2);
/// How long after a report the folder is read: a copy reports many times.
pub const FOLDER_DEBOUNCE: Duration = Duration::from_millis(100);
/// How long a plugin whose time is over waits at most for a file that is not tried to its end and may have its
/// workflows: 50 looks that are [`FILE_STABLE`] apart.
pub const SUCCESSION_MAX: Duration = Duration::from_secs(5);
/// How long a file that was taken before must have kept its size and time before it is read again, and how long
/// after a half-written one the folder is read.
pub const FILE_STABLE: Duration = Duration::from_millis(100);

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where compiled code is kept. Made where missing; must belong to this user alone.
    pub cache_dir: PathBuf,
    /// Activations that hold an instance at once. All guests' memory is bounded by this × `memory_bytes_max`.
    pub activations_max: u32,
    /// Linear memory of one activation, bytes.
    pub memory_bytes_max: usize,
    /// CPU time of one activation.
    pub cpu_max: Duration,
    /// Threads that execute guests. Every core by default: they have a lower priority than the host's own.
    pub threads: usize,
    /// By what process components are compiled; by a thread of this one where there is none.
    pub compiler: Option<CompilerProcess>,
}

impl Settings {
    /// The defaults: 64 activations of 64 MiB (4 GiB at the very worst, 1 to 3 MiB each as a rule), 10 s
    /// of CPU time.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            activations_max: 64,
            memory_bytes_max: 64 << 20,
            cpu_max: Duration::from_secs(10),
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            compiler: None,
        }
    }
}
