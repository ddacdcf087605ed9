//! Files: opened, written, cut, closed.

use libc::{c_char, c_int, c_void, iovec, mode_t, off_t, size_t, ssize_t};

use crate::fault::{Instead, Kind};
use crate::real::{about, exists, real, set_errno};
use crate::record::{Of, What, below, kill, lock, of, opened, set};

fn open_at(dir: c_int, path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    let name = below(dir, path);
    let Some(name_of) = name.as_ref().filter(|_| flags & (libc::O_CREAT | libc::O_TRUNC) != 0) else {
        let fd = open();
        opened(fd, name.as_ref(), path);
        return fd;
    };
    let Some(mut record) = lock() else { return open() };
    let was_there = exists(dir, path);
    if let Some(Instead::Fail(errno)) = record.instead(Kind::Other) {
        set_errno(errno);
        return -1;
    }
    let fd = open();
    if let Some((inode, ..)) = about(fd) {
        if !was_there {
            record.put(What::Create, (inode, 0), name_of);
        } else if flags & libc::O_TRUNC != 0 {
            record.put(What::SetLength, (inode, 0), &[]);
        }
    }
    drop(record);
    opened(fd, name.as_ref(), path);
    fd
}

/// In the place of the C library's. Its third argument is variable there, and passed in the same way.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(libc::AT_FDCWD, path, flags, || {
        real!(c"open", (path, flags, mode), fn(*const c_char, c_int, mode_t) -> c_int)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(libc::AT_FDCWD, path, flags, || {
        real!(c"open64", (path, flags, mode), fn(*const c_char, c_int, mode_t) -> c_int)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(dir, path, flags, || {
        real!(c"openat", (dir, path, flags, mode), fn(c_int, *const c_char, c_int, mode_t) -> c_int)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(dir, path, flags, || {
        real!(c"openat64", (dir, path, flags, mode), fn(c_int, *const c_char, c_int, mode_t) -> c_int)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    let flags = libc::O_CREAT | libc::O_TRUNC | libc::O_WRONLY;
    open_at(libc::AT_FDCWD, path, flags, || real!(c"creat", (path, mode), fn(*const c_char, mode_t) -> c_int))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(fd: c_int) -> c_int {
    set(fd, Of::Elsewhere);
    real!(c"close", (fd), fn(c_int) -> c_int)
}

/// A write of these bytes: at a place, or where the file stands.
fn write_at(fd: c_int, bytes: &[u8], place: Option<off_t>, put: impl Fn(*const c_void, usize) -> ssize_t) -> ssize_t {
    let kind = of(fd);
    if kind == Of::Elsewhere {
        return put(bytes.as_ptr().cast(), bytes.len());
    }
    let Some(mut record) = lock() else { return put(bytes.as_ptr().cast(), bytes.len()) };
    if kind == Of::Acks {
        if bytes == b"kill\n" {
            // Under the lock, so that the record ends with a whole change.
            kill();
        }
        if bytes == b"closing\n" {
            record.closing();
        }
        record.put(What::Ack, (0, 0), bytes);
        return put(bytes.as_ptr().cast(), bytes.len());
    }
    let instead = record.instead(Kind::Write);
    let wanted = match instead {
        Some(Instead::Fail(libc::ENOSPC) | Instead::Kill) => bytes.len() / 2,
        Some(Instead::Fail(errno)) => {
            set_errno(errno);
            return -1;
        }
        None => bytes.len(),
    };
    if wanted == 0
        && let Some(Instead::Fail(errno)) = instead
    {
        set_errno(errno);
        return -1;
    }
    let done = put(bytes.as_ptr().cast(), wanted);
    if let (Ok(done), Some((inode, ..))) = (usize::try_from(done), about(fd)) {
        // SAFETY: asks where the file stands.
        let place = place.unwrap_or_else(|| unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) } - done as off_t);
        record.put(What::Write, (inode, place.unsigned_abs()), bytes.get(..done).unwrap_or_default());
    }
    if instead == Some(Instead::Kill) {
        kill();
    }
    done
}

/// # Safety
/// As `write(2)`: `from` is of `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(fd: c_int, from: *const c_void, length: size_t) -> ssize_t {
    if of(fd) == Of::Elsewhere {
        return real!(c"write", (fd, from, length), fn(c_int, *const c_void, size_t) -> ssize_t);
    }
    // SAFETY: what the caller vouches for.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
    write_at(fd, bytes, None, |from, length| {
        real!(c"write", (fd, from, length), fn(c_int, *const c_void, size_t) -> ssize_t)
    })
}

/// # Safety
/// As `pwrite(2)`: `from` is of `length` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(fd: c_int, from: *const c_void, length: size_t, place: off_t) -> ssize_t {
    let put = |from, length| {
        real!(c"pwrite64", (fd, from, length, place), fn(c_int, *const c_void, size_t, off_t) -> ssize_t)
    };
    if of(fd) == Of::Elsewhere {
        return put(from, length);
    }
    // SAFETY: what the caller vouches for.
    write_at(fd, unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) }, Some(place), put)
}

/// # Safety
/// As [`pwrite64`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(fd: c_int, from: *const c_void, length: size_t, place: off_t) -> ssize_t {
    // SAFETY: the same.
    unsafe { pwrite64(fd, from, length, place) }
}

/// The pieces as one: a writer may be told that fewer bytes were written, but never in another order.
///
/// # Safety
/// As `writev(2)`: `pieces` are `count`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(fd: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    if of(fd) == Of::Elsewhere {
        return real!(c"writev", (fd, pieces, count), fn(c_int, *const iovec, c_int) -> ssize_t);
    }
    // SAFETY: what the caller vouches for.
    let bytes = unsafe { joined(pieces, count) };
    // SAFETY: the bytes are ours.
    unsafe { write(fd, bytes.as_ptr().cast(), bytes.len()) }
}

/// # Safety
/// As `pwritev(2)`: `pieces` are `count`.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev64(fd: c_int, pieces: *const iovec, count: c_int, place: off_t) -> ssize_t {
    if of(fd) == Of::Elsewhere {
        return real!(c"pwritev64", (fd, pieces, count, place), fn(c_int, *const iovec, c_int, off_t) -> ssize_t);
    }
    // SAFETY: what the caller vouches for.
    let bytes = unsafe { joined(pieces, count) };
    // SAFETY: the bytes are ours.
    unsafe { pwrite64(fd, bytes.as_ptr().cast(), bytes.len(), place) }
}

/// # Safety
/// `pieces` are `count`, each of readable bytes.
unsafe fn joined(pieces: *const iovec, count: c_int) -> Vec<u8> {
    // SAFETY: what the caller vouches for.
    let pieces = unsafe { std::slice::from_raw_parts(pieces, usize::try_from(count).unwrap_or_default()) };
    let of = |piece: &iovec| {
        // SAFETY: what the caller vouches for.
        unsafe { std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) }.to_vec()
    };
    pieces.iter().flat_map(of).collect()
}

fn set_length(fd: c_int, length: off_t, cut: impl FnOnce() -> c_int) -> c_int {
    if of(fd) != Of::Below {
        return cut();
    }
    let Some(mut record) = lock() else { return cut() };
    if let Some(Instead::Fail(errno)) = record.instead(Kind::Other) {
        set_errno(errno);
        return -1;
    }
    let done = cut();
    if let (0, Some((inode, ..))) = (done, about(fd)) {
        record.put(What::SetLength, (inode, length.unsigned_abs()), &[]);
    }
    done
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    set_length(fd, length, || real!(c"ftruncate64", (fd, length), fn(c_int, off_t) -> c_int))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    set_length(fd, length, || real!(c"ftruncate", (fd, length), fn(c_int, off_t) -> c_int))
}

/// Space that is asked for beyond the end makes a file longer.
fn allocate(fd: c_int, end: off_t, ask: impl FnOnce() -> c_int) -> c_int {
    let longer = about(fd).is_some_and(|(_, _, bytes)| end > bytes);
    if longer { set_length(fd, end, ask) } else { ask() }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fallocate64(fd: c_int, mode: c_int, from: off_t, length: off_t) -> c_int {
    allocate(fd, from + length, || {
        real!(c"fallocate64", (fd, mode, from, length), fn(c_int, c_int, off_t, off_t) -> c_int)
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn posix_fallocate64(fd: c_int, from: off_t, length: off_t) -> c_int {
    allocate(fd, from + length, || real!(c"posix_fallocate64", (fd, from, length), fn(c_int, off_t, off_t) -> c_int))
}
