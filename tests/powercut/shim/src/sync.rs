//! Syncs: what was written before one began is durable once it has ended. `sync_file_range` is let through
//! and counts for nothing: it promises nothing.

use libc::c_int;

use crate::fault::{Instead, Kind};
use crate::real::{about, real, set_errno};
use crate::record::{Of, What, lock, of};

fn sync(fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    let about = about(fd).filter(|_| of(fd) == Of::Below);
    let Some((inode, ..)) = about else { return sync() };
    let Some(mut record) = lock() else { return sync() };
    let instead = record.instead(Kind::Sync);
    let number = record.next_sync();
    record.put(What::SyncBegins, (inode, number), &[]);
    // Others may write meanwhile, and nobody knows whether that is in it.
    drop(record);
    let done = match instead {
        Some(Instead::Fail(_)) => -1,
        Some(Instead::Kill) | None => sync(),
    };
    if let Some(mut record) = lock() {
        record.put(What::SyncEnds, (inode, number), &[u8::from(done == 0)]);
    }
    if let Some(Instead::Fail(errno)) = instead {
        set_errno(errno);
    }
    done
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, || real!(c"fsync", (fd), fn(c_int) -> c_int))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, || real!(c"fdatasync", (fd), fn(c_int) -> c_int))
}
