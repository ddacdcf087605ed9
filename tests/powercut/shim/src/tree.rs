//! Names: made, changed, removed.

use libc::{c_char, c_int, mode_t};

use crate::fault::{Instead, Kind};
use crate::real::{real, set_errno};
use crate::record::{What, below, lock};

/// Changes names below the directory, and writes it down if it was done.
fn change(is_below: bool, make: impl FnOnce() -> c_int, line: impl FnOnce() -> (What, u64, Vec<u8>)) -> c_int {
    let Some(mut record) = lock().filter(|_| is_below) else { return make() };
    if let Some(Instead::Fail(errno)) = record.instead(Kind::Other) {
        set_errno(errno);
        return -1;
    }
    let done = make();
    if done == 0 {
        let (what, number, bytes) = line();
        record.put(what, (number, 0), &bytes);
    }
    done
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let both = below(libc::AT_FDCWD, from).zip(below(libc::AT_FDCWD, to));
    let make = || real!(c"rename", (from, to), fn(*const c_char, *const c_char) -> c_int);
    change(both.is_some(), make, || {
        let (from, to) = both.clone().unwrap_or_default();
        (What::Rename, from.len() as u64, [from, to].concat())
    })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let name = below(libc::AT_FDCWD, path);
    let make = || real!(c"unlink", (path), fn(*const c_char) -> c_int);
    change(name.is_some(), make, || (What::Unlink, 0, name.clone().unwrap_or_default()))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    let name = below(dir, path);
    let what = if flags & libc::AT_REMOVEDIR != 0 { What::RemoveDirectory } else { What::Unlink };
    let make = || real!(c"unlinkat", (dir, path, flags), fn(c_int, *const c_char, c_int) -> c_int);
    change(name.is_some(), make, || (what, 0, name.clone().unwrap_or_default()))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let name = below(libc::AT_FDCWD, path);
    let make = || real!(c"rmdir", (path), fn(*const c_char) -> c_int);
    change(name.is_some(), make, || (What::RemoveDirectory, 0, name.clone().unwrap_or_default()))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let name = below(libc::AT_FDCWD, path);
    let make = || real!(c"mkdir", (path, mode), fn(*const c_char, mode_t) -> c_int);
    change(name.is_some(), make, || (What::MakeDirectory, inode(path), name.clone().unwrap_or_default()))
}

fn inode(path: *const c_char) -> u64 {
    // SAFETY: all zeros are a value of this plain structure, which the call fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the path is the caller's own argument, the structure ours.
    if unsafe { libc::stat(path, &raw mut stat) } == 0 { stat.st_ino } else { 0 }
}
