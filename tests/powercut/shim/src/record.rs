//! The record, and which files are in it. One lock is held while a change is made and written down, so the
//! order of the record is the order of the changes.

use std::ffi::CStr;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::fault::{Counted, Fault, Instead, Kind};
use crate::real::real;

/// What a descriptor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Of {
    Elsewhere = 0,
    Below = 1,
    Acks = 2,
}

const FDS: usize = 1 << 16;
static FD: [AtomicU8; FDS] = [const { AtomicU8::new(0) }; FDS];

struct Shim {
    dir: Vec<u8>,
    acks: Vec<u8>,
    fault: Option<Fault>,
    record: Mutex<Record>,
}

/// The file that the record goes to, and what was counted.
pub(crate) struct Record {
    fd: i32,
    counted: Counted,
    syncs: u64,
}

fn shim() -> Option<&'static Shim> {
    static SHIM: OnceLock<Option<Shim>> = OnceLock::new();
    SHIM.get_or_init(|| {
        let of = |name| std::env::var_os(name).map(OsStringExt::into_vec);
        let (dir, mut trace) = (of("POWERCUT_DIR")?, of("POWERCUT_TRACE")?);
        trace.push(0);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let fd = real!(c"open64", (trace.as_ptr().cast(), flags, 0o600), fn(*const libc::c_char, i32, u32) -> i32);
        let fault = std::env::var("POWERCUT_FAULT").ok().and_then(|text| Fault::parse(&text));
        let record = Mutex::new(Record { fd, counted: Counted::default(), syncs: 0 });
        Some(Shim { dir, acks: of("POWERCUT_ACKS").unwrap_or_default(), fault, record })
    })
    .as_ref()
}

/// The path of an argument, made absolute; none where it is elsewhere.
pub(crate) fn below(dir: i32, path: *const libc::c_char) -> Option<Vec<u8>> {
    let shim = shim()?;
    // SAFETY: whoever called hands over a string that ends with a zero byte.
    let given = unsafe { CStr::from_ptr(path) }.to_bytes();
    let path = if given.starts_with(b"/") || dir == libc::AT_FDCWD {
        given.to_vec()
    } else {
        let mut path = of_descriptor(dir)?;
        path.push(b'/');
        path.extend_from_slice(given);
        path
    };
    let rest = path.strip_prefix(shim.dir.as_slice())?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(path)
}

fn of_descriptor(fd: i32) -> Option<Vec<u8>> {
    let link = format!("/proc/self/fd/{fd}\0");
    let mut path = vec![0_u8; 4096];
    // SAFETY: the string ends with a zero byte, the buffer is as long as is said.
    let length = unsafe { libc::readlink(link.as_ptr().cast(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(length).ok()?);
    Some(path)
}

/// Remembers what a new descriptor is of.
pub(crate) fn opened(fd: i32, path: Option<&Vec<u8>>, given: *const libc::c_char) {
    let Some(shim) = shim() else { return };
    // SAFETY: whoever called hands over a string that ends with a zero byte.
    let is_acks = || !shim.acks.is_empty() && unsafe { CStr::from_ptr(given) }.to_bytes() == shim.acks;
    let of = match path {
        Some(_) => Of::Below,
        None if is_acks() => Of::Acks,
        None => Of::Elsewhere,
    };
    set(fd, of);
}

pub(crate) fn set(fd: i32, of: Of) {
    if let Some(cell) = usize::try_from(fd).ok().and_then(|fd| FD.get(fd)) {
        cell.store(of as u8, Ordering::SeqCst);
    }
}

pub(crate) fn of(fd: i32) -> Of {
    match usize::try_from(fd).ok().and_then(|fd| FD.get(fd)).map_or(0, |cell| cell.load(Ordering::SeqCst)) {
        1 => Of::Below,
        2 => Of::Acks,
        _ => Of::Elsewhere,
    }
}

/// Takes the lock under which changes are made. None where nothing is recorded.
pub(crate) fn lock() -> Option<MutexGuard<'static, Record>> {
    shim().map(|shim| shim.record.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One change, as it is written down: `length:4 kind:1 number:8 number:8 bytes`.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum What {
    Create = 1,
    Write = 2,
    SetLength = 3,
    SyncBegins = 4,
    SyncEnds = 5,
    Rename = 6,
    Unlink = 7,
    MakeDirectory = 8,
    RemoveDirectory = 9,
    Ack = 10,
}

impl Record {
    /// What is to be done instead of the change that comes now. A kill is done at once, unless it is a write.
    pub(crate) fn instead(&mut self, kind: Kind) -> Option<Instead> {
        let instead = self.counted.count(kind, shim()?.fault.as_ref());
        if instead == Some(Instead::Kill) && kind != Kind::Write {
            kill();
        }
        instead
    }

    /// Changes from now on are made while it is closed.
    pub(crate) fn closing(&mut self) {
        self.counted.closing();
    }

    /// A number for a sync.
    pub(crate) fn next_sync(&mut self) -> u64 {
        self.syncs += 1;
        self.syncs
    }

    pub(crate) fn put(&mut self, what: What, numbers: (u64, u64), bytes: &[u8]) {
        let length = u32::try_from(17 + bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let mut line = Vec::with_capacity(21 + bytes.len());
        line.extend_from_slice(&length);
        line.push(what as u8);
        line.extend_from_slice(&numbers.0.to_le_bytes());
        line.extend_from_slice(&numbers.1.to_le_bytes());
        line.extend_from_slice(bytes);
        let from = line.as_ptr().cast();
        let put = real!(c"write", (self.fd, from, line.len()), fn(i32, *const libc::c_void, usize) -> isize);
        if put != isize::try_from(line.len()).unwrap_or(-1) {
            // A record with a hole proves nothing.
            std::process::abort();
        }
    }
}

/// As `kill -9` does.
pub(crate) fn kill() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        // SAFETY: waits for the signal.
        unsafe { libc::pause() };
    }
}
