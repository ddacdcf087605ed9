//! A disk and the memory before it, as POSIX lets them be: what was synced is on the disk; of what was not,
//! anything may be, and nothing need be. A file's name is durable once its directory was synced, its bytes
//! once the file was. A sync that failed may have lost what it was about for good: a later one, which
//! succeeds, does not bring that back.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::seed::Seed;
use crate::trace::Op;

/// What is not durable of a file.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) turn: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Write { at: u64, bytes: Arc<[u8]> },
    SetLength(u64),
}

/// A file: what is durable, and what came over it since.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) durable: Vec<u8>,
    pub(crate) pending: Vec<Change>,
}

impl File {
    pub(crate) fn apply(bytes: &mut Vec<u8>, what: &What) {
        match what {
            What::SetLength(length) => bytes.resize(*length as usize, 0),
            What::Write { at, bytes: new } => {
                let (at, end) = (*at as usize, *at as usize + new.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[at..end].copy_from_slice(new);
            }
        }
    }

    /// All of it as a reader sees it before the cut.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|change| Self::apply(&mut bytes, &change.what));
        bytes
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(File),
    /// Names that are durable.
    Directory(BTreeMap<OsString, usize>),
}

/// A change of names that is not durable.
#[derive(Clone, Debug)]
pub(crate) struct NameChange {
    turn: usize,
    pub(crate) what: NameWhat,
}

#[derive(Clone, Debug)]
pub(crate) enum NameWhat {
    Link { to: Name, node: usize },
    Unlink { from: Name },
    Rename { from: Name, to: Name, node: usize },
}

/// A directory and a name in it.
pub(crate) type Name = (usize, OsString);

#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: Vec<NameChange>,
    of_inode: HashMap<u64, usize>,
    of_path: HashMap<PathBuf, usize>,
    syncs: HashMap<u64, usize>,
    turn: usize,
}

impl Disk {
    /// A directory as it lies there, all of it durable. It is node 0.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let mut disk = Self {
            nodes: Vec::new(),
            names: Vec::new(),
            of_inode: HashMap::new(),
            of_path: HashMap::new(),
            syncs: HashMap::new(),
            turn: 0,
        };
        disk.read(root)?;
        Ok(disk)
    }

    fn read(&mut self, path: &Path) -> Result<usize> {
        let about = fs::metadata(path)?;
        let node = if about.is_dir() { Node::Directory(BTreeMap::new()) } else { Node::File(File::default()) };
        let id = self.add(path, about.ino(), node);
        if about.is_dir() {
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let child = self.read(&entry.path())?;
                let Node::Directory(names) = &mut self.nodes[id] else { continue };
                names.insert(entry.file_name(), child);
            }
        } else {
            self.nodes[id] = Node::File(File { durable: fs::read(path)?, pending: Vec::new() });
        }
        Ok(id)
    }

    fn add(&mut self, path: &Path, inode: u64, node: Node) -> usize {
        self.nodes.push(node);
        let id = self.nodes.len() - 1;
        self.of_inode.insert(inode, id);
        self.of_path.insert(path.to_owned(), id);
        id
    }

    fn name(&self, path: &Path) -> Result<Name> {
        let parent = path.parent().context("a path has a parent")?;
        let dir = self.of_path.get(parent).with_context(|| format!("{} was never made", parent.display()))?;
        Ok((*dir, path.file_name().context("a path has a name")?.to_owned()))
    }

    fn renamed(&mut self, what: NameWhat) {
        self.names.push(NameChange { turn: self.turn, what });
    }

    /// Makes one change more. What a failed sync lost is by chance.
    pub(crate) fn make(&mut self, op: &Op, seed: &mut Seed) -> Result<()> {
        self.turn += 1;
        match op {
            Op::Create { path, inode } => {
                let to = self.name(path)?;
                let node = self.add(path, *inode, Node::File(File::default()));
                self.renamed(NameWhat::Link { to, node });
            }
            Op::MakeDirectory { path, inode } => {
                let to = self.name(path)?;
                let node = self.add(path, *inode, Node::Directory(BTreeMap::new()));
                self.renamed(NameWhat::Link { to, node });
            }
            Op::Unlink { path } | Op::RemoveDirectory { path } => {
                let from = self.name(path)?;
                self.of_path.remove(path);
                self.renamed(NameWhat::Unlink { from });
            }
            Op::Rename { from, to } => self.rename(from, to)?,
            Op::Write { inode, at, bytes } => self.change(*inode, What::Write { at: *at, bytes: Arc::clone(bytes) }),
            Op::SetLength { inode, bytes } => self.change(*inode, What::SetLength(*bytes)),
            Op::SyncBegins { number } => drop(self.syncs.insert(*number, self.turn)),
            Op::SyncEnds { inode, number, done } => self.synced(*inode, *number, *done, seed),
            Op::Ack(_) => {}
        }
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<()> {
        let (from_name, to_name) = (self.name(from)?, self.name(to)?);
        let node = *self.of_path.get(from).with_context(|| format!("{} was never made", from.display()))?;
        let moved: Vec<_> = self.of_path.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let Some(id) = self.of_path.remove(&path) else { continue };
            let rest = path.strip_prefix(from)?;
            self.of_path.insert(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) }, id);
        }
        self.renamed(NameWhat::Rename { from: from_name, to: to_name, node });
        Ok(())
    }

    fn change(&mut self, inode: u64, what: What) {
        let turn = self.turn;
        if let Some(Node::File(file)) = self.of_inode.get(&inode).map(|id| &mut self.nodes[*id]) {
            file.pending.push(Change { turn, what });
        }
    }

    fn synced(&mut self, inode: u64, number: u64, done: bool, seed: &mut Seed) {
        let (Some(id), Some(began)) = (self.of_inode.get(&inode).copied(), self.syncs.remove(&number)) else { return };
        match &mut self.nodes[id] {
            Node::File(file) if done => {
                let (before, later) = std::mem::take(&mut file.pending).into_iter().partition(|it| it.turn < began);
                let before: Vec<Change> = before;
                before.iter().for_each(|change| File::apply(&mut file.durable, &change.what));
                file.pending = later;
            }
            Node::File(file) => file.pending.retain(|change| change.turn > began || seed.percent(50)),
            Node::Directory(_) if done => self.names_synced(id, began),
            Node::Directory(_) => {}
        }
    }

    fn names_synced(&mut self, dir: usize, began: usize) {
        let touches = |what: &NameWhat| match what {
            NameWhat::Link { to, .. } => to.0 == dir,
            NameWhat::Unlink { from } => from.0 == dir,
            NameWhat::Rename { from, to, .. } => from.0 == dir || to.0 == dir,
        };
        let all = std::mem::take(&mut self.names);
        for change in all {
            if change.turn < began && touches(&change.what) {
                self.apply_name(&change.what);
            } else {
                self.names.push(change);
            }
        }
    }

    /// Does it to the names that are durable, unless what it needs is not there.
    pub(crate) fn apply_name(&mut self, what: &NameWhat) {
        match what {
            NameWhat::Link { to, node } => drop(self.names_of(to.0).insert(to.1.clone(), *node)),
            NameWhat::Unlink { from } => drop(self.names_of(from.0).remove(&from.1)),
            NameWhat::Rename { from, to, node } => {
                if self.names_of(from.0).get(&from.1) == Some(node) {
                    self.names_of(from.0).remove(&from.1);
                    self.names_of(to.0).insert(to.1.clone(), *node);
                }
            }
        }
    }

    fn names_of(&mut self, dir: usize) -> &mut BTreeMap<OsString, usize> {
        match &mut self.nodes[dir] {
            Node::Directory(names) => names,
            Node::File(_) => panic!("a file has no names in it"),
        }
    }

    /// Everything that was changed is durable: what a reader sees now.
    pub(crate) fn settle(&mut self) {
        let all = std::mem::take(&mut self.names);
        all.iter().for_each(|change| self.apply_name(&change.what));
        for node in &mut self.nodes {
            if let Node::File(file) = node {
                file.durable = file.whole();
                file.pending.clear();
            }
        }
    }

    /// Every file and directory that is durable, by its path below the root.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Option<&[u8]>> {
        let mut found = BTreeMap::new();
        let mut left = vec![(0, PathBuf::new())];
        while let Some((id, path)) = left.pop() {
            match &self.nodes[id] {
                Node::File(file) => drop(found.insert(path, Some(file.durable.as_slice()))),
                Node::Directory(names) => {
                    left.extend(names.iter().map(|(name, id)| (*id, path.join(name))));
                    found.insert(path, None);
                }
            }
        }
        found
    }

    /// Puts it into a directory.
    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        for (path, bytes) in self.tree() {
            let path = root.join(path);
            match bytes {
                Some(bytes) => fs::write(&path, bytes)?,
                None => fs::create_dir_all(&path)?,
            }
        }
        Ok(())
    }
}
