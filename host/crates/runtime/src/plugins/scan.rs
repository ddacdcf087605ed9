//! Reads the plugins folder: which files there are, which of them may be opened, and a file's bytes.
//!
//! Everything is opened relative to the open folder and never leaves it, whatever its links say at that moment;
//! what is opened is looked at once more before it is read.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::Errno;
use stepwell_core::PluginName;

use super::Writers;
use crate::limits::{COMPONENT_BYTES_MAX, PLUGIN_FILES_MAX, SIGNATURE_BYTES_MAX};

/// The folder, open.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    writers: Writers,
    pub(super) identity: Identity,
}

/// Which folder it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// A `*.wasm` of the folder.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The file's name in the folder.
    pub(super) file: String,
    /// The plugin's name, or why the file is skipped.
    pub(super) plugin: Result<(PluginName, Print), String>,
}

/// By what a changed file, or its signature, is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print {
    component: Seen,
    signature: Option<Seen>,
}

/// By what one changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// What was read: a component and what lies beside it as its signature.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) signature: Option<Bytes>,
}

impl Seen {
    #[expect(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "a size is never negative; some systems' fields are narrower"
    )]
    const fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }
}

impl Print {
    /// Whether both are of one file, and not of two that had the same name one after the other.
    pub(super) const fn is_of_the_same_file(self, other: Self) -> bool {
        self.component.inode == other.component.inode
    }
}

/// The name of the file with a component's signature.
pub(super) fn signature_file(file: &str) -> String {
    format!("{file}.sig")
}

impl Folder {
    pub(super) fn open(path: &Path, writers: Writers) -> io::Result<Self> {
        let fd = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fstat(&fd)?;
        if let Some(reason) = writers.refuse(&stat, path) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let identity = Identity { device: stat.st_dev, inode: stat.st_ino };
        Ok(Self { fd, path: path.to_owned(), writers, identity })
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The components in the folder, by their file names. Hidden files are somebody's unfinished ones.
    pub(super) fn scan(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Some(file) = component_file(entry.file_name()) else { continue };
            found.push(Found { plugin: self.look(&file), file });
        }
        found.sort_by(|a, b| a.file.cmp(&b.file));
        for extra in found.iter_mut().skip(PLUGIN_FILES_MAX) {
            extra.plugin = Err(format!("the folder has more than {PLUGIN_FILES_MAX} plugins (PLUGIN_FILES_MAX)"));
        }
        Ok(found)
    }

    /// Looks at a file without opening it for reading, which would do something to a pipe or a device.
    fn look(&self, file: &str) -> Result<(PluginName, Print), String> {
        let name = plugin_name(file)?;
        let stat = self.open_beneath(file, OFlags::PATH).and_then(fstat).map_err(why)?;
        self.check(&stat, file)?;
        let signature = self.open_beneath(&signature_file(file), OFlags::PATH).and_then(fstat).ok();
        Ok((name, Print { component: Seen::of(&stat), signature: signature.as_ref().map(Seen::of) }))
    }

    fn check(&self, stat: &Stat, file: &str) -> Result<(), String> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err("no regular file".to_owned());
        }
        let size = Seen::of(stat).size;
        if size > COMPONENT_BYTES_MAX as u64 {
            return Err(format!("it has {size} bytes, the limit COMPONENT_BYTES_MAX is {COMPONENT_BYTES_MAX}"));
        }
        self.writers.refuse(stat, &self.path.join(file)).map_or(Ok(()), Err)
    }

    /// The file's bytes, once, with its signature; none where it was written meanwhile. Never waits for a pipe that
    /// has taken the file's place.
    pub(super) fn read(&self, file: &str) -> Result<Option<Content>, String> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = File::from(self.open_beneath(file, flags).map_err(why)?);
        let stat = fstat(&opened).map_err(why)?;
        self.check(&stat, file)?;
        let before = Seen::of(&stat);
        let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0).min(COMPONENT_BYTES_MAX));
        let read = |error: io::Error| format!("it cannot be read: {error}");
        (&opened).take(COMPONENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
        let after = Seen::of(&fstat(&opened).map_err(why)?);
        if before != after || bytes.len() as u64 != after.size {
            return Ok(None);
        }
        let signature = self.read_signature(&signature_file(file), flags)?;
        Ok(Some(Content { bytes: bytes.into(), signature }))
    }

    fn read_signature(&self, file: &str, flags: OFlags) -> Result<Option<Bytes>, String> {
        let of_it = |reason: String| format!("its signature {file}: {reason}");
        let opened = match self.open_beneath(file, flags) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(of_it(why(error))),
        };
        let stat = fstat(&opened).map_err(|error| of_it(why(error)))?;
        self.check(&stat, file).map_err(of_it)?;
        let mut bytes = Vec::new();
        let read = (&opened).take(SIGNATURE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| of_it(error.to_string()))?;
        Ok(Some(bytes.into()))
    }

    /// Opens a file of the folder. The system itself follows links within the folder and none out of it.
    fn open_beneath(&self, file: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match openat2(&self.fd, file, flags, Mode::empty(), resolve) {
            // A kernel before 5.6, or a sandbox that does not know the call: no links at all.
            Err(Errno::NOSYS | Errno::PERM) => openat(&self.fd, file, flags | OFlags::NOFOLLOW, Mode::empty()),
            other => other,
        }
    }
}

fn component_file(name: &CStr) -> Option<String> {
    let file = name.to_str().ok()?;
    (!file.starts_with('.') && file.ends_with(".wasm")).then(|| file.to_owned())
}

/// Why a file cannot be opened, for a person.
fn why(error: Errno) -> String {
    match error {
        Errno::XDEV | Errno::LOOP => {
            "a symbolic link out of the folder: copy the file, or make the link relative and within the folder"
                .to_owned()
        }
        Errno::NOENT => "a symbolic link to nowhere".to_owned(),
        other => format!("it cannot be opened: {}", io::Error::from(other)),
    }
}

/// The plugin's name that a file's name makes.
pub(super) fn plugin_name(file: &str) -> Result<PluginName, String> {
    let name = stem(file).replace('_', "-");
    name.parse().map_err(|bad| format!("the file's name makes no plugin's name: {bad}"))
}

/// The name without `.wasm`.
pub(super) fn stem(file: &str) -> &str {
    file.strip_suffix(".wasm").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    fn folder(writers: Writers) -> (TempDir, io::Result<Folder>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("plugins")).unwrap();
        mode(&dir.path().join("plugins"), 0o755);
        let opened = Folder::open(&dir.path().join("plugins"), writers);
        (dir, opened)
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn told(folder: &Folder) -> Vec<String> {
        let told = |found: Found| match found.plugin {
            Ok((name, _)) => format!("{} -> {name}", found.file),
            Err(reason) => format!("{}: {}", found.file, reason.split(':').next().unwrap()),
        };
        folder.scan().unwrap().into_iter().map(told).collect()
    }

    #[test]
    fn only_regular_files_within_the_folder_are_taken() {
        let (dir, folder) = folder(Writers::Anybody);
        let folder = folder.unwrap();
        let path = |file: &str| folder.path.join(file);
        fs::write(path("welcome_email.wasm"), "x").unwrap();
        fs::write(path("notes.txt"), "x").unwrap();
        fs::write(path(".half.wasm"), "x").unwrap();
        fs::write(path("Bad Name.wasm"), "x").unwrap();
        fs::write(dir.path().join("outside.wasm"), "x").unwrap();
        fs::create_dir(path("dir.wasm")).unwrap();
        symlink(dir.path().join("outside.wasm"), path("absolute.wasm")).unwrap();
        symlink("../outside.wasm", path("out.wasm")).unwrap();
        symlink("/proc/self/fd/0", path("magic.wasm")).unwrap();
        symlink("/dev/zero", path("device.wasm")).unwrap();
        symlink("welcome_email.wasm", path("within.wasm")).unwrap();
        symlink("loop.wasm", path("loop.wasm")).unwrap();
        symlink("nowhere", path("dangling.wasm")).unwrap();
        rustix::fs::mknodat(CWD, path("pipe.wasm"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let out = "a symbolic link out of the folder";
        assert_eq!(
            told(&folder),
            [
                "Bad Name.wasm: the file's name makes no plugin's name".to_owned(),
                format!("absolute.wasm: {out}"),
                "dangling.wasm: a symbolic link to nowhere".to_owned(),
                format!("device.wasm: {out}"),
                "dir.wasm: no regular file".to_owned(),
                format!("loop.wasm: {out}"),
                format!("magic.wasm: {out}"),
                format!("out.wasm: {out}"),
                "pipe.wasm: no regular file".to_owned(),
                "welcome_email.wasm -> welcome-email".to_owned(),
                "within.wasm -> within".to_owned(),
            ]
        );
        assert_eq!(folder.read("welcome_email.wasm").unwrap().unwrap().bytes, "x".as_bytes());
    }

    /// Between the look and the reading a file may become anything.
    #[test]
    fn what_took_a_files_place_after_the_look_is_not_read() {
        let (dir, folder) = folder(Writers::Anybody);
        let folder = folder.unwrap();
        let path = folder.path.join("a.wasm");
        fs::write(dir.path().join("secret"), "outside").unwrap();
        let swaps: [(&str, &dyn Fn()); 5] = [
            ("a link out", &|| symlink("../secret", &path).unwrap()),
            ("an absolute link", &|| symlink(dir.path().join("secret"), &path).unwrap()),
            ("a pipe", &|| rustix::fs::mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap()),
            ("a folder", &|| fs::create_dir(&path).unwrap()),
            ("nothing", &|| ()),
        ];
        for (what, swap) in swaps {
            let _ = fs::remove_file(&path);
            fs::write(&path, "x").unwrap();
            assert!(folder.scan().unwrap()[0].plugin.is_ok());
            fs::remove_file(&path).unwrap();
            swap();
            assert!(folder.read("a.wasm").is_err(), "{what}");
            let _ = fs::remove_dir(&path);
        }
    }

    #[test]
    fn what_others_may_write_to_is_refused_and_the_command_said() {
        for bad in [0o775, 0o757, 0o777, 0o1777] {
            let (dir, _) = folder(Writers::Anybody);
            let plugins = dir.path().join("plugins");
            mode(&plugins, bad);
            let told = Folder::open(&plugins, Writers::Owner).unwrap_err().to_string();
            assert!(told.contains(&format!("chmod go-w {}", plugins.display())), "{told}");
            assert!(Folder::open(&plugins, Writers::Anybody).is_ok());
        }
        let (_dir, folder) = folder(Writers::Owner);
        let folder = folder.unwrap();
        for (bits, is_taken) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
            let path = folder.path.join("a.wasm");
            fs::write(&path, "x").unwrap();
            mode(&path, bits);
            assert_eq!(folder.scan().unwrap()[0].plugin.is_ok(), is_taken, "{bits:o}");
            assert_eq!(folder.read("a.wasm").is_ok(), is_taken, "{bits:o}");
        }
        mode(&folder.path.join("a.wasm"), 0o644);
        fs::write(folder.path.join("a.wasm.sig"), "x").unwrap();
        mode(&folder.path.join("a.wasm.sig"), 0o666);
        assert!(folder.read("a.wasm").unwrap_err().contains("a.wasm.sig"));
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let stat = fstat(File::open("/proc/self/exe").unwrap()).unwrap();
        let owned = |uid| {
            let mut stat = stat;
            (stat.st_uid, stat.st_mode) = (uid, 0o100_644);
            stat
        };
        let user = rustix::process::geteuid().as_raw();
        for (uid, is_taken) in [(user, true), (0, true), (user + 12_345, false)] {
            let told = Writers::Owner.refuse(&owned(uid), Path::new("a.wasm"));
            assert_eq!(told.is_none(), is_taken, "{told:?}");
            assert!(told.is_none_or(|told| told.contains("chown")));
        }
    }
}
