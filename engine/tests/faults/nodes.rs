//! The faulty disk's table of files: the kernel's numbers, and where each is in the real folder.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fuser::{Errno, FileAttr, FileHandle, FileType, INodeNo};

/// Numbers by path. A removed file's number is never given again, so that the kernel cannot mistake one file
/// for another. There are no links.
#[derive(Debug)]
pub struct Nodes {
    root: PathBuf,
    paths: HashMap<u64, PathBuf>,
    numbers: HashMap<PathBuf, u64>,
    next: u64,
}

impl Nodes {
    pub fn new(root: &Path) -> Self {
        let root = root.to_owned();
        let (paths, numbers) = ([(1, root.clone())].into(), [(root.clone(), 1)].into());
        Self { root, paths, numbers, next: 2 }
    }

    /// Where a node is; one that was removed is nowhere.
    pub fn path(&self, node: INodeNo) -> Result<PathBuf, Errno> {
        self.paths.get(&node.0).cloned().ok_or(Errno::ENOENT)
    }

    pub fn child(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    /// The number of what is at this path.
    pub fn number(&mut self, path: &Path) -> u64 {
        let (paths, next) = (&mut self.paths, &mut self.next);
        *self.numbers.entry(path.to_owned()).or_insert_with(|| {
            paths.insert(*next, path.to_owned());
            *next += 1;
            *next - 1
        })
    }

    pub fn forget(&mut self, path: &Path) {
        assert_ne!(path, self.root, "nobody removes a mounted folder");
        if let Some(number) = self.numbers.remove(path) {
            self.paths.remove(&number);
        }
    }

    pub fn rename(&mut self, from: &Path, to: &Path) {
        self.forget(to);
        if let Some(number) = self.numbers.remove(from) {
            self.paths.insert(number, to.to_owned());
            self.numbers.insert(to.to_owned(), number);
        }
    }
}

/// Open files by the kernel's handle.
#[derive(Debug, Default)]
pub struct Handles {
    files: HashMap<u64, Arc<(String, File)>>,
    next: AtomicU64,
}

impl Handles {
    pub fn add(&mut self, path: &Path, file: File) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.files.insert(handle, Arc::new((name_of(path), file)));
        FileHandle(handle)
    }

    /// The file and the name it was opened by.
    pub fn file(&self, handle: FileHandle) -> Result<Arc<(String, File)>, Errno> {
        self.files.get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    pub fn remove(&mut self, handle: FileHandle) {
        self.files.remove(&handle.0);
    }
}

/// Its name without folders.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the real file system says of a file, under our number.
pub fn attributes(number: u64, metadata: &Metadata) -> FileAttr {
    let time = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    FileAttr {
        ino: INodeNo(number),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime()),
        mtime: time(metadata.mtime()),
        ctime: time(metadata.ctime()),
        crtime: SystemTime::UNIX_EPOCH,
        kind: FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
