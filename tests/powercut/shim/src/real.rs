//! The C library's functions that this one stands before, and what is asked of it directly.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The next definition of a function, looked up once.
pub(crate) fn next(cell: &AtomicUsize, name: &CStr) -> usize {
    let known = cell.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: the name ends with a zero byte, and RTLD_NEXT is a handle that is always there.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) } as usize;
    if found == 0 {
        std::process::abort();
    }
    cell.store(found, Ordering::Relaxed);
    found
}

/// Calls the next definition of the function of that name.
macro_rules! real {
    ($name:literal, ($($argument:expr),*), fn($($of:ty),*) -> $result:ty) => {{
        static CELL: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let at = $crate::real::next(&CELL, $name);
        // SAFETY: it is the C library's function of that name, whose signature this is; the arguments are
        // those that its caller vouches for.
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn($($of),*) -> $result>(at)($($argument),*) }
    }};
}
pub(crate) use real;

/// Inode, whether it is a directory, and bytes of an open file.
pub(crate) fn about(fd: i32) -> Option<(u64, bool, i64)> {
    // SAFETY: all zeros are a value of this plain structure, which the call fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a structure of ours.
    let done = unsafe { libc::fstat(fd, &raw mut stat) };
    (done == 0).then_some((stat.st_ino, stat.st_mode & libc::S_IFMT == libc::S_IFDIR, stat.st_size))
}

/// Whether there is something at a path (with its zero byte).
pub(crate) fn exists(dir: i32, path: *const libc::c_char) -> bool {
    // SAFETY: the path is the caller's own argument.
    unsafe { libc::faccessat(dir, path, libc::F_OK, libc::AT_SYMLINK_NOFOLLOW) == 0 }
}

pub(crate) fn set_errno(errno: i32) {
    // SAFETY: the C library's own place for it in this thread.
    unsafe { *libc::__errno_location() = errno };
}
