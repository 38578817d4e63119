//! What is mounted: an entry of the OCI configuration's `mounts`, understood.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount as OciMount;

use crate::error::{Error, Result};
use crate::size;

/// Option of a bind mount: make its source, a directory, when it is missing. As in fstab(5), words that begin
/// with `x-` are for the program that mounts; the kernel never sees them.
pub const MAKE_SOURCE: &str = "x-make-source";
/// Option of a bind mount: an empty source begins with a copy of what the target holds.
pub const COPY_UP: &str = "x-copy-up";

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
}

/// An empty directory in memory.
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
    /// What may be written.
    pub access: Access,
    /// Whether a missing source is made, as a directory.
    pub make_source: bool,
    /// Whether an empty source begins with a copy of what is at `at`.
    pub copy_up: bool,
    /// Whether files keep their owners in a container whose ids root has remapped.
    pub idmap: bool,
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

impl Mount {
    /// Where, as seen from inside.
    #[must_use]
    pub fn at(&self) -> &Path {
        match self {
            Mount::Proc(at) | Mount::Mqueue(at) | Mount::Dev(at) | Mount::Pts(at) => at,
            Mount::Tmpfs(tmpfs) => &tmpfs.at,
            Mount::Bind(bind) => &bind.at,
        }
    }

    pub(super) fn from_oci(mount: &OciMount) -> Result<Mount> {
        let at = checked_path("mounts.destination", mount.destination())?;
        let options: Vec<&str> = mount.options().iter().flatten().map(String::as_str).collect();
        match mount.typ().as_deref() {
            Some("proc") => Ok(Mount::Proc(at)),
            Some("mqueue") => Ok(Mount::Mqueue(at)),
            Some("devpts") => Ok(Mount::Pts(at)),
            Some("tmpfs") if at == Path::new("/dev") => Ok(Mount::Dev(at)),
            Some("tmpfs") => Tmpfs::new(at, &options).map(Mount::Tmpfs),
            Some("bind") => Bind::new(mount.source().as_deref(), at, &options).map(Mount::Bind),
            other => {
                let right = "proc, mqueue, devpts, tmpfs or bind";
                Err(Error::invalid("mounts.type", other.unwrap_or("none"), right))
            }
        }
    }
}

impl Tmpfs {
    fn new(at: PathBuf, options: &[&str]) -> Result<Self> {
        let mut tmpfs = Tmpfs { at, size_bytes: None, mode: 0o1777, read_only: false };
        for option in options {
            let invalid = |right| Error::invalid("mounts.options of a tmpfs", *option, right);
            match option.split_once('=') {
                Some(("size", size)) => {
                    // To the kernel 0 is no limit at all.
                    let size = size::bytes(size).filter(|size| *size > 0);
                    tmpfs.size_bytes = Some(size.ok_or_else(|| invalid("1 byte or more, like size=64m"))?);
                }
                Some(("mode", mode)) => {
                    let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
                    tmpfs.mode = mode.ok_or_else(|| invalid("an octal number to 7777, like mode=1777"))?;
                }
                None if *option == "ro" => tmpfs.read_only = true,
                // Every tmpfs of ours has them.
                None if ["rw", "nosuid", "nodev", "noexec"].contains(option) => {}
                _ => return Err(invalid("size=, mode=, ro, rw, nosuid, nodev or noexec")),
            }
        }
        Ok(tmpfs)
    }
}

impl Bind {
    fn new(source: Option<&Path>, at: PathBuf, options: &[&str]) -> Result<Self> {
        let source = source.filter(|source| source.is_absolute());
        let source = source.ok_or_else(|| Error::invalid("mounts.source of a bind mount", "", "an absolute path"))?;
        let is_set = |word| options.contains(&word);
        let known = ["bind", "rbind", "rprivate", "rw", "ro", "rro", "idmap", MAKE_SOURCE, COPY_UP];
        if let Some(option) = options.iter().find(|option| !known.contains(option)) {
            return Err(Error::invalid(
                "mounts.options of a bind mount",
                *option,
                "rbind, rprivate, rw, ro, rro or idmap",
            ));
        }
        let access = match (is_set("rro"), is_set("ro")) {
            (true, _) => Access::ReadOnlyTree,
            (_, true) => Access::ReadOnlyTop,
            _ => Access::ReadWrite,
        };
        let source = source.to_owned();
        let (make_source, copy_up, idmap) = (is_set(MAKE_SOURCE), is_set(COPY_UP), is_set("idmap"));
        Ok(Bind { source, at, access, make_source, copy_up, idmap })
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
        Mount::from_oci(&mount.unwrap())
    }

    #[test]
    fn a_mount_that_nobody_can_make_is_refused() {
        for (kind, at, options, words) in [
            ("ext4", "/a", &[][..], "proc, mqueue, devpts, tmpfs or bind"),
            ("proc", "/a/../../b", &[], "without `..`"),
            ("proc", "/", &[], "not /"),
            ("tmpfs", "/t", &["size=0"], "1 byte or more"),
            ("tmpfs", "/t", &["mode=9"], "octal"),
            ("tmpfs", "/t", &["exec"], "noexec"),
            ("bind", "/b", &["nosuid"], "rbind, rprivate"),
        ] {
            let error = mount(kind, at, options).unwrap_err().to_string();
            assert!(error.contains(words), "expected {words:?} in {error:?}");
        }
    }

    #[test]
    fn the_options_are_understood() {
        let tmpfs = Tmpfs { at: "/t".into(), size_bytes: Some(65536 << 10), mode: 0o700, read_only: true };
        assert_eq!(mount("tmpfs", "/t/", &["size=65536k", "mode=0700", "ro"]).unwrap(), Mount::Tmpfs(tmpfs));
        assert_eq!(mount("tmpfs", "/dev", &["nosuid"]).unwrap(), Mount::Dev("/dev".into()));
        for (option, access) in [("rw", Access::ReadWrite), ("ro", Access::ReadOnlyTop), ("rro", Access::ReadOnlyTree)]
        {
            let Mount::Bind(bind) = mount("bind", "/b", &["rbind", option, COPY_UP]).unwrap() else { panic!("a bind") };
            assert_eq!((bind.access, bind.copy_up, bind.make_source), (access, true, false));
        }
    }
}
