//! The shim's record, read back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

/// One change, as it was made.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create { path: PathBuf, inode: u64 },
    Write { inode: u64, at: u64, bytes: Arc<[u8]> },
    SetLength { inode: u64, bytes: u64 },
    SyncBegins { number: u64 },
    SyncEnds { inode: u64, number: u64, done: bool },
    Rename { from: PathBuf, to: PathBuf },
    Unlink { path: PathBuf },
    MakeDirectory { path: PathBuf, inode: u64 },
    RemoveDirectory { path: PathBuf },
    Ack(Arc<[u8]>),
}

/// Reads all of it. What a kill cut off at the end was never made.
pub(crate) fn read(path: &Path) -> Result<Vec<Op>> {
    let bytes = std::fs::read(path).with_context(|| format!("no record in {}", path.display()))?;
    let (mut rest, mut ops) = (bytes.as_slice(), Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let Some((line, behind)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        ops.push(op(line)?);
        rest = behind;
    }
    Ok(ops)
}

fn op(line: &[u8]) -> Result<Op> {
    let number = |at: usize| u64::from_le_bytes(line[at..at + 8].try_into().unwrap());
    let (inode, second, bytes) = (number(1), number(9), &line[17..]);
    let path = || PathBuf::from(OsStr::from_bytes(bytes));
    Ok(match line[0] {
        1 => Op::Create { path: path(), inode },
        2 => Op::Write { inode, at: second, bytes: bytes.into() },
        3 => Op::SetLength { inode, bytes: second },
        4 => Op::SyncBegins { number: second },
        5 => Op::SyncEnds { inode, number: second, done: bytes == [1] },
        6 => {
            let (from, to) = bytes.split_at(inode as usize);
            Op::Rename { from: OsStr::from_bytes(from).into(), to: OsStr::from_bytes(to).into() }
        }
        7 => Op::Unlink { path: path() },
        8 => Op::MakeDirectory { path: path(), inode },
        9 => Op::RemoveDirectory { path: path() },
        10 => Op::Ack(bytes.into()),
        other => bail!("the record has a change of the unknown kind {other}"),
    })
}

/// The acknowledgements among these.
pub(crate) fn acks(ops: &[Op]) -> String {
    let lines = ops.iter().filter_map(|op| if let Op::Ack(line) = op { Some(line.as_ref()) } else { None });
    String::from_utf8_lossy(&lines.collect::<Vec<_>>().concat()).into_owned()
}
