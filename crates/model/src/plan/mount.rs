//! What is mounted: an entry of the OCI configuration's `mounts`, understood.

use std::ffi::CString;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxIdMapping, Mount as OciMount};

use super::options::{Attributes, Options, Spread};
use super::process::c_string;
use crate::error::{Error, Result};
use crate::ids::{IdMaps, IdRange};
use crate::mount::Propagation;
use crate::size;

/// Option of a bind mount: make its source, a directory, when it is missing. As in fstab(5), words that begin
/// with `x-` are for the program that mounts; the kernel never sees them.
pub const MAKE_SOURCE: &str = "x-make-source";
/// Option of a bind mount: an empty source begins with a copy of what the target holds.
pub const COPY_UP: &str = "x-copy-up";
/// Option of a bind mount: files keep their owners in a container whose ids root has remapped, where that can be.
pub const KEEP_OWNERS: &str = "x-keep-owners";

/// A file system that the runtime knows how to mount. `at` is absolute and without `..`, as seen from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// The processes of the container's PID namespace.
    Proc(PathBuf),
    /// The message queues of the container's IPC namespace.
    Mqueue(PathBuf),
    /// A directory in memory, with the device nodes that every program expects.
    Dev(PathBuf),
    /// The terminals of the container's own.
    Pts(PathBuf),
    /// A directory in memory.
    Tmpfs(Tmpfs),
    /// A place of the host.
    Bind(Bind),
    /// The container's control groups.
    Cgroup(Fs),
    /// Any other file system, or one of these with other options.
    Fs(Fs),
    /// Other options for what is mounted there by then.
    Change(Change),
}

/// An empty directory in memory: nosuid, nodev, noexec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where.
    pub at: PathBuf,
    /// How much it holds; `None` for the kernel's own limit, half of the memory.
    pub size_bytes: Option<u64>,
    /// The permissions of its root directory.
    pub mode: u32,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// A file or directory of the host that is seen inside too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// On the host, absolute.
    pub source: PathBuf,
    /// Where.
    pub at: PathBuf,
    /// Whether what is mounted below the source comes along.
    pub recursive: bool,
    /// What may be written.
    pub access: Access,
    /// What else is changed of the mount.
    pub top: Attributes,
    /// What else is changed of the mount and those below it.
    pub tree: Attributes,
    /// What it does with later mounts, one after the other.
    pub spread: Vec<Spread>,
    /// Whether a missing source is made, as a directory.
    pub make_source: bool,
    /// Whether an empty source begins with a copy of what is at `at`.
    pub copy_up: bool,
    /// Whether files keep their owners in a container whose ids root has remapped.
    pub keep_owners: bool,
    /// Who the owners of the files are seen as, and whether also on the mounts below.
    pub mapping: Option<(IdMaps, bool)>,
}

/// What may be written through a bind mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything that the host lets the container write.
    ReadWrite,
    /// Only what is mounted below it.
    ReadOnlyTop,
    /// Nothing.
    ReadOnlyTree,
}

/// A file system by the words of mount(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fs {
    /// `sysfs`, `overlay`.
    pub kind: CString,
    /// A device, or a name for `mount(8)` to show.
    pub source: CString,
    /// Where.
    pub at: PathBuf,
    /// `MS_…`.
    pub flags: u64,
    /// The file system's own options.
    pub data: CString,
    /// What is changed of the mount and those below it.
    pub tree: Attributes,
    /// What it does with later mounts, one after the other.
    pub spread: Vec<Spread>,
    /// Whether it begins with a copy of what is at `at`.
    pub copy_up: bool,
}

/// What is changed of a mount that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub at: PathBuf,
    /// Of the mount.
    pub top: Attributes,
    /// Of the mount and those below it.
    pub tree: Attributes,
    /// What it does with later mounts, one after the other.
    pub spread: Vec<Spread>,
}

impl Bind {
    /// Whether it is a tree like its source, but for writing.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let has_more = self.mapping.is_some() || !self.spread.is_empty() || !self.recursive;
        !has_more && self.top.is_empty() && self.tree.is_empty()
    }
}

impl Mount {
    /// Where, as seen from inside.
    #[must_use]
    pub fn at(&self) -> &Path {
        match self {
            Mount::Proc(at) | Mount::Mqueue(at) | Mount::Dev(at) | Mount::Pts(at) => at,
            Mount::Tmpfs(tmpfs) => &tmpfs.at,
            Mount::Bind(bind) => &bind.at,
            Mount::Cgroup(fs) | Mount::Fs(fs) => &fs.at,
            Mount::Change(change) => &change.at,
        }
    }

    /// What it does with later mounts.
    #[must_use]
    pub fn spread(&self) -> &[Spread] {
        match self {
            Mount::Bind(bind) => &bind.spread,
            Mount::Cgroup(fs) | Mount::Fs(fs) => &fs.spread,
            Mount::Change(change) => &change.spread,
            _ => &[],
        }
    }

    /// For a container in which nothing else can be private.
    pub(super) fn forget_private(&mut self) {
        let spread = match self {
            Mount::Bind(bind) => &mut bind.spread,
            Mount::Cgroup(fs) | Mount::Fs(fs) => &mut fs.spread,
            Mount::Change(change) => &mut change.spread,
            _ => return,
        };
        if spread.iter().all(|it| it.how == Propagation::Private) {
            spread.clear();
        }
    }

    /// `ids` is the user namespace's mapping, where the container has one.
    pub(super) fn from_oci(mount: &OciMount, bundle: &Path, ids: Option<&IdMaps>) -> Result<Mount> {
        // Version 1.0 takes a relative path for one that begins at /.
        let at = checked_path("mounts.destination", &Path::new("/").join(mount.destination()))?;
        let words: Vec<&str> = mount.options().iter().flatten().map(String::as_str).collect();
        let options = Options::of(&words);
        let mapping = options.mapping(own_mapping(mount)?, ids)?;
        let kind = mount.typ().as_deref().unwrap_or_default();
        if options.remount {
            // Of the mount alone: its file system may be seen elsewhere, too.
            let Options { top, tree, spread, .. } = options;
            return Ok(Mount::Change(Change { at, top, tree, spread }));
        }
        if options.bind.is_some() || kind == "bind" {
            let source = mount.source().as_ref().map(|source| bundle.join(source));
            return Bind::new(source, at, options, mapping).map(Mount::Bind);
        }
        if mapping.is_some() {
            return Err(Error::invalid("mounts.options", "idmap", "used with bind or rbind"));
        }
        match kind {
            "proc" if options.is_only(SECURE) => Ok(Mount::Proc(at)),
            "mqueue" if options.is_only(SECURE) => Ok(Mount::Mqueue(at)),
            "devpts" if is_only(&words, &PTS) => Ok(Mount::Pts(at)),
            "tmpfs" if at == Path::new("/dev") && is_only(&words, &DEV) => Ok(Mount::Dev(at)),
            "tmpfs" => match Tmpfs::plain(&at, &options)? {
                Some(tmpfs) => Ok(Mount::Tmpfs(tmpfs)),
                None => Fs::new(mount, at, options).map(Mount::Fs),
            },
            "cgroup" => Fs::new(mount, at, options).map(Mount::Cgroup),
            "" | "none" => Err(Error::invalid("mounts.type", kind, "a file system's, unless the options have bind")),
            _ => Fs::new(mount, at, options).map(Mount::Fs),
        }
    }
}

const SECURE: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
/// What every container's /dev is mounted with.
const DEV: [&str; 4] = ["nosuid", "strictatime", "mode=755", "size=65536k"];
/// And /dev/pts.
const PTS: [&str; 5] = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];

fn is_only(words: &[&str], known: &[&str]) -> bool {
    words.iter().all(|word| known.contains(word))
}

fn own_mapping(mount: &OciMount) -> Result<Option<IdMaps>> {
    let range = |it: &LinuxIdMapping| IdRange { inside: it.container_id(), outside: it.host_id(), count: it.size() };
    let map = |list: &Option<Vec<LinuxIdMapping>>| list.iter().flatten().map(range).collect::<Vec<_>>();
    let maps = IdMaps { uids: map(mount.uid_mappings()), gids: map(mount.gid_mappings()) };
    if maps.uids.is_empty() && maps.gids.is_empty() { Ok(None) } else { maps.checked().map(Some) }
}

impl Tmpfs {
    /// `None` when the options say more, or less, than this has.
    fn plain(at: &Path, options: &Options<'_>) -> Result<Option<Self>> {
        let mut tmpfs = Tmpfs { at: at.into(), size_bytes: None, mode: 0o1777, read_only: false };
        tmpfs.read_only = options.flags & libc::MS_RDONLY != 0;
        let is_plain = options.flags & !libc::MS_RDONLY == SECURE && options.is_new_and_plain();
        for option in &options.data {
            let invalid = |right| Error::invalid("mounts.options of a tmpfs", *option, right);
            match option.split_once('=') {
                // Of the whole memory, which the kernel knows.
                Some(("size", size)) if size.ends_with('%') => return Ok(None),
                Some(("size", size)) => {
                    // To the kernel 0 is no limit at all.
                    let size = size::bytes(size).filter(|bytes| *bytes > 0);
                    tmpfs.size_bytes = Some(size.ok_or_else(|| invalid("1 byte or more, like size=64m"))?);
                }
                Some(("mode", mode)) => {
                    let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
                    tmpfs.mode = mode.ok_or_else(|| invalid("an octal number to 7777, like mode=1777"))?;
                }
                _ => return Ok(None),
            }
        }
        Ok(is_plain.then_some(tmpfs))
    }
}

impl Bind {
    fn new(
        source: Option<PathBuf>,
        at: PathBuf,
        options: Options<'_>,
        mapping: Option<(IdMaps, bool)>,
    ) -> Result<Self> {
        let source = source.ok_or_else(|| Error::invalid("mounts.source of a bind mount", "", "a path"))?;
        c_string("mounts.source of a bind mount", &source.to_string_lossy())?;
        let (mut top, mut tree) = (options.top, options.tree);
        let access = match (tree.set & libc::MOUNT_ATTR_RDONLY, top.set & libc::MOUNT_ATTR_RDONLY) {
            (0, 0) => Access::ReadWrite,
            (0, _) => Access::ReadOnlyTop,
            _ => Access::ReadOnlyTree,
        };
        // Writing is `access`: a mount allows what its source does, unless this says less.
        for attributes in [&mut top, &mut tree] {
            attributes.set &= !libc::MOUNT_ATTR_RDONLY;
            attributes.clear &= !libc::MOUNT_ATTR_RDONLY;
        }
        // What the file system was to be told, mount(2) ignores for a bind, and so does this.
        let is_set = |word| options.data.contains(&word);
        let (make_source, copy_up, keep_owners) = (is_set(MAKE_SOURCE), is_set(COPY_UP), is_set(KEEP_OWNERS));
        let (recursive, spread) = (options.bind != Some(false), options.spread);
        Ok(Bind { source, at, recursive, access, top, tree, spread, make_source, copy_up, keep_owners, mapping })
    }
}

impl Fs {
    fn new(mount: &OciMount, at: PathBuf, options: Options<'_>) -> Result<Self> {
        let kind = mount.typ().as_deref().unwrap_or_default();
        let source = mount.source().as_ref().map_or(kind.into(), |source| source.to_string_lossy());
        // A page is what mount(2) reads.
        let data = options.data.join(",");
        if data.len() >= 4096 {
            return Err(Error::invalid("mounts.options", data, "less than 4096 bytes together"));
        }
        Ok(Fs {
            kind: c_string("mounts.type", kind)?,
            source: c_string("mounts.source", &source)?,
            at,
            flags: options.flags,
            data: c_string("mounts.options", &data)?,
            tree: options.tree,
            spread: options.spread,
            copy_up: options.copy_up,
        })
    }
}

/// A path inside the container: absolute, without `..`, and never `/` itself.
pub(super) fn checked_path(what: &'static str, path: &Path) -> Result<PathBuf> {
    let is_plain = path.components().all(|part| part != Component::ParentDir);
    if path.is_absolute() && is_plain && path.parent().is_some() {
        return Ok(path.components().collect());
    }
    Err(Error::invalid(what, path.to_string_lossy(), "an absolute path without `..` that is not /"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::MountBuilder;

    fn mount(kind: &str, at: &str, options: &[&str]) -> Result<Mount> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let mount = MountBuilder::default().destination(at).typ(kind).source("/host").options(options).build();
        Mount::from_oci(&mount.unwrap(), Path::new("/bundle"), None)
    }

    #[test]
    fn a_mount_that_nobody_can_make_is_refused() {
        for (kind, at, options, words) in [
            ("none", "/a", &["ro"][..], "unless the options have bind"),
            ("proc", "/a/../../b", &[], "without `..`"),
            ("proc", "/", &[], "not /"),
            ("tmpfs", "/t", &["size=0"], "1 byte or more"),
            ("tmpfs", "/t", &["mode=9"], "octal"),
            ("bind", "/b", &["ridmap"], "used with uidMappings"),
            ("sysfs", "/b", &["a\0b"], "without a NUL byte"),
        ] {
            let error = mount(kind, at, options).unwrap_err().to_string();
            assert!(error.contains(words), "expected {words:?} in {error:?}");
        }
    }

    #[test]
    fn the_options_are_understood() {
        let tmpfs = Tmpfs { at: "/t".into(), size_bytes: Some(65536 << 10), mode: 0o700, read_only: true };
        let words = ["size=65536k", "mode=0700", "ro", "nosuid", "nodev", "noexec"];
        assert_eq!(mount("tmpfs", "/t/", &words).unwrap(), Mount::Tmpfs(tmpfs));
        assert_eq!(mount("tmpfs", "/dev", &["nosuid"]).unwrap(), Mount::Dev("/dev".into()));
        for (option, access) in [("rw", Access::ReadWrite), ("ro", Access::ReadOnlyTop), ("rro", Access::ReadOnlyTree)]
        {
            let Mount::Bind(bind) = mount("bind", "/b", &["rbind", option, COPY_UP]).unwrap() else { panic!("a bind") };
            assert_eq!((bind.access, bind.copy_up, bind.make_source), (access, true, false));
        }
    }

    #[test]
    fn what_is_no_flag_is_for_the_file_system() {
        let words = ["nosuid", "exec", "noexec", "suid", "lowerdir=/a:/b", "rslave", "userxattr", "rnodev"];
        let Mount::Fs(fs) = mount("overlay", "m", &words).unwrap() else { panic!("a file system") };
        assert_eq!((fs.flags, fs.data.as_c_str()), (libc::MS_NOEXEC, c"lowerdir=/a:/b,userxattr"));
        assert_eq!((fs.at.as_path(), fs.source.as_c_str()), (Path::new("/m"), c"/host"));
        assert_eq!(fs.spread, [Spread { how: Propagation::Slave, recursive: true }]);
        let nodev = libc::MOUNT_ATTR_NODEV;
        assert_eq!(fs.tree, Attributes { set: nodev, clear: nodev });
    }

    #[test]
    fn of_the_kinds_of_atime_a_mount_has_one() {
        let words = ["bind", "noatime", "strictatime", "rnoatime", "rrelatime"];
        let Mount::Bind(bind) = mount("none", "/b", &words).unwrap() else { panic!("a bind") };
        let all = libc::MOUNT_ATTR__ATIME;
        assert_eq!(bind.top, Attributes { set: libc::MOUNT_ATTR_STRICTATIME, clear: all });
        assert_eq!(bind.tree, Attributes { set: 0, clear: all });
        assert!(!bind.recursive);
    }
}
