//! A file system of this process that passes everything on to a real folder, and fails where it is told to.
//!
//! What arrives here is what the kernel makes of the server's calls: a journal write with `O_DIRECT|O_DSYNC`
//! comes as a write and a sync. What a sync has not confirmed is in the real folder all the same: this is about
//! errors; the simulator is about power loss.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime},
};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::{
    harm::{Harm, Harms, Operation},
    nodes::{Handles, Nodes, attributes, name_of},
};

/// Requests answered at once: a slow one must not make the others wait.
const THREADS: usize = 4;
/// The kernel asks again each time, so that it sees what happens in the real folder.
const NEVER: Duration = Duration::ZERO;
const FIRST: Generation = Generation(0);

/// A mounted one. Dropping it takes it away; the real folder stays.
pub struct FaultyDisk {
    folder: tempfile::TempDir,
    pub harms: Arc<Harms>,
    _session: BackgroundSession,
}

impl FaultyDisk {
    /// Nothing where this machine cannot have one: says so, and the test is to end.
    pub fn mount(real: &Path) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            eprintln!("SKIPPED: this machine has no /dev/fuse, so no disk could be made to fail");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder to mount on");
        let harms = Arc::new(Harms::default());
        let through = PassThrough {
            nodes: Mutex::new(Nodes::new(real)),
            handles: Mutex::default(),
            harms: Arc::clone(&harms),
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("faulty".to_owned())];
        config.n_threads = Some(THREADS);
        match fuser::spawn_mount(through, folder.path(), &config) {
            Ok(session) => Some(Self { folder, harms, _session: session }),
            Err(error) if std::env::var_os("CI").is_some() => panic!("cannot mount: {error}"),
            Err(error) => {
                eprintln!("SKIPPED: cannot mount a file system of our own: {error}; run the test as root");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

struct PassThrough {
    nodes: Mutex<Nodes>,
    handles: Mutex<Handles>,
    harms: Arc<Harms>,
}

impl PassThrough {
    fn nodes(&self) -> std::sync::MutexGuard<'_, Nodes> {
        self.nodes.lock().expect("nobody panics with it")
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, Handles> {
        self.handles.lock().expect("nobody panics with it")
    }

    fn attributes_at(&self, path: &Path) -> Result<fuser::FileAttr, Errno> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(attributes(self.nodes().number(path), &metadata))
    }

    /// Whether the operation is to go on; a slow one goes on later.
    fn suffer(&self, name: &str, operation: Operation) -> Result<Option<Harm>, Errno> {
        match self.harms.strike(name, operation) {
            Some(Harm::Fail(errno)) => Err(errno),
            Some(Harm::Slow(delay)) => {
                thread::sleep(delay);
                Ok(None)
            }
            harm => Ok(harm),
        }
    }

    fn do_create(
        &self,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> Result<(fuser::FileAttr, FileHandle), Errno> {
        let path = self.nodes().child(parent, name)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(mode);
        options.create_new(flags & libc::O_EXCL != 0).truncate(flags & libc::O_TRUNC != 0);
        let file = options.open(&path)?;
        Ok((self.attributes_at(&path)?, self.handles().add(&path, file)))
    }

    fn do_open(&self, node: INodeNo, flags: OpenFlags) -> Result<FileHandle, Errno> {
        let path = self.nodes().path(node)?;
        // Through the page cache, whatever was asked for: the kernel's buffers are not aligned for more.
        let is_read_only = flags.0 & libc::O_ACCMODE == libc::O_RDONLY;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(!is_read_only).truncate(flags.0 & libc::O_TRUNC != 0);
        let file = file.open(&path)?;
        Ok(self.handles().add(&path, file))
    }

    fn do_write(&self, handle: FileHandle, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let open = self.handles().file(handle)?;
        let (name, file) = &*open;
        let short = matches!(self.suffer(name, Operation::Write)?, Some(Harm::Short));
        let data = if short { &data[..data.len() / 2] } else { data };
        file.write_all_at(data, offset)?;
        Ok(data.len() as u32)
    }

    fn do_sync(&self, handle: FileHandle, is_data_only: bool) -> Result<(), Errno> {
        let open = self.handles().file(handle)?;
        let (name, file) = &*open;
        self.suffer(name, Operation::Sync)?;
        Ok(if is_data_only { file.sync_data() } else { file.sync_all() }?)
    }

    fn do_read(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let open = self.handles().file(handle)?;
        let mut bytes = vec![0; size as usize];
        let mut done = 0;
        while done < bytes.len() {
            match open.1.read_at(&mut bytes[done..], offset + done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn do_list(&self, node: INodeNo) -> Result<Vec<(u64, FileType, String)>, Errno> {
        let path = self.nodes().path(node)?;
        let mut list =
            vec![(node.0, FileType::Directory, ".".to_owned()), (1, FileType::Directory, "..".to_owned())];
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let kind = FileType::from_std(entry.file_type()?).unwrap_or(FileType::RegularFile);
            list.push((self.nodes().number(&entry.path()), kind, name_of(&entry.path())));
        }
        Ok(list)
    }

    fn do_rename(&self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr)) -> Result<(), Errno> {
        let mut nodes = self.nodes();
        let (from, to) = (nodes.child(from.0, from.1)?, nodes.child(to.0, to.1)?);
        fs::rename(&from, &to)?;
        nodes.rename(&from, &to);
        Ok(())
    }

    fn do_remove(
        &self,
        parent: INodeNo,
        name: &OsStr,
        remove: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<(), Errno> {
        let mut nodes = self.nodes();
        let path = nodes.child(parent, name)?;
        remove(&path)?;
        nodes.forget(&path);
        Ok(())
    }

    fn do_change(
        &self,
        node: INodeNo,
        mode: Option<u32>,
        size: Option<u64>,
    ) -> Result<fuser::FileAttr, Errno> {
        let path = self.nodes().path(node)?;
        if let Some(size) = size {
            self.suffer(&name_of(&path), Operation::Write)?;
            OpenOptions::new().write(true).open(&path)?.set_len(size)?;
        }
        if let Some(mode) = mode {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
        self.attributes_at(&path)
    }
}

/// Each call answers with what its `do_` sibling says.
impl Filesystem for PassThrough {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let path = self.nodes().child(parent, name);
        match path.and_then(|path| self.attributes_at(&path)) {
            Ok(attributes) => reply.entry(&NEVER, &attributes, FIRST),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        // A removed file that is still open has no path any more.
        let open = handle.and_then(|handle| self.handles().file(handle).ok());
        let attributes_now = match open {
            Some(open) => {
                open.1.metadata().map(|metadata| attributes(node.0, &metadata)).map_err(Errno::from)
            }
            None => self.do_change(node, None, None),
        };
        match attributes_now {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        match self.do_change(node, mode, size) {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let path = self.nodes().child(parent, name);
        let made = path.and_then(|path| {
            fs::create_dir(&path)?;
            self.attributes_at(&path)
        });
        match made {
            Ok(attributes) => reply.entry(&NEVER, &attributes, FIRST),
            Err(errno) => reply.error(errno),
        }
    }

    /// The second name is a node of its own here: secrets are linked to their names, and then lose the first.
    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let linked = || {
            let from = self.nodes().path(node)?;
            let to = self.nodes().child(parent, name)?;
            fs::hard_link(from, &to)?;
            self.attributes_at(&to)
        };
        match linked() {
            Ok(attributes) => reply.entry(&NEVER, &attributes, FIRST),
            Err(errno) => reply.error(errno),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.do_remove(parent, name, |path| fs::remove_file(path)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.do_remove(parent, name, |path| fs::remove_dir(path)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        parent_after: INodeNo,
        name_after: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(reply, self.do_rename((parent, name), (parent_after, name_after)));
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        match self.do_create(parent, name, mode, flags) {
            Ok((attributes, handle)) => {
                reply.created(&NEVER, &attributes, FIRST, handle, FopenFlags::empty())
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.do_open(node, flags) {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.do_read(handle, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.do_write(handle, offset, data) {
            Ok(written) => reply.written(written),
            Err(errno) => reply.error(errno),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, is_data_only: bool, reply: ReplyEmpty) {
        answer(reply, self.do_sync(handle, is_data_only));
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let path = self.nodes().path(node);
        answer(reply, path.and_then(|path| Ok(File::open(path)?.sync_all()?)));
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.handles().remove(handle);
        reply.ok();
    }

    fn readdir(&self, _: &Request, node: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let list = match self.do_list(node) {
            Ok(list) => list,
            Err(errno) => return reply.error(errno),
        };
        for (place, (number, kind, name)) in list.into_iter().enumerate().skip(offset as usize) {
            if reply.add(INodeNo(number), place as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}

fn answer(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}
