//! What a container with ids of its own sees of root's files: trees of mounts that root opens beforehand.
//!
//! Inside, the container's root is somebody whom root's directories may be closed to, so it could not find them by their
//! paths. And who owns what in them is to be as it looks from inside, which takes an idmapped mount.

#![allow(unsafe_code, reason = "nix has no open_tree and no move_mount")]

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use model::caps::FileCaps;
use model::ids::{IdMaps, IdRange, outside};
use model::plan::Bind;
use model::{During, Error, Plan, Result};
use nix::errno::Errno;

use super::copy_up::copy_up;
use super::mount_attr;
use super::run::binds;
use crate::steps::{caps, userns, written};

/// Where the root file system is attached: any directory that is there on every machine. It is out of sight from then on,
/// in a mount namespace that has no further use for it.
pub const PLACE: &str = "/tmp";

/// Trees by the place inside where they are to be seen; `/` is the root file system's.
#[derive(Debug, Default)]
pub struct Trees {
    places: Vec<Tree>,
    layer: Option<OwnedFd>,
}

#[derive(Debug)]
struct Tree {
    at: PathBuf,
    source: PathBuf,
    fd: OwnedFd,
}

impl Trees {
    /// Opens the root file system and the binds of `plan` for `userns`; `directory` is the container's own.
    pub fn open(plan: &Plan, maps: &IdMaps, userns: BorrowedFd<'_>, directory: &Path) -> Result<Trees> {
        let mut places = Vec::new();
        if let Some(rootfs) = &plan.rootfs {
            let tree = match userns::idmapped(rootfs, userns) {
                Err(error) if cannot_be(&error) => shifted(rootfs, plan.rootfs_from_host, maps, directory),
                tree => tree,
            };
            places.push(Tree { at: "/".into(), source: rootfs.clone(), fd: private(tree?)? });
        }
        for bind in binds(plan) {
            // Not unless somebody asks for it: root inside would write as root outside, a set-user-ID program for everybody there too.
            // Volumes of ours are in directories that nobody else can enter.
            let mapped = match &bind.mapping {
                Some(_) => mapped(bind),
                None if bind.keep_owners => userns::idmapped(&bind.source, userns),
                None => clone(&bind.source, bind.recursive),
            };
            let tree = match mapped {
                Err(error) if bind.mapping.is_none() && cannot_be(&error) => {
                    tell(&bind.source, "what is in there is nobody's in the container");
                    clone(&bind.source, bind.recursive)
                }
                tree => tree,
            }?;
            places.push(Tree { at: bind.at.clone(), source: bind.source.clone(), fd: cut_off(tree, bind)? });
        }
        let layer = plan.layer.as_ref().map(|layer| private(clone(&layer.directory, true)?)).transpose()?;
        Ok(Trees { places, layer })
    }

    /// Opens what the owners of a bind's files are mapped for, in the caller's user namespace: nothing else needs root's hand.
    pub fn mapped(plan: &Plan) -> Result<Trees> {
        let mapped = binds(plan).filter(|bind| bind.mapping.is_some()).map(|bind| {
            Ok(Tree { at: bind.at.clone(), source: bind.source.clone(), fd: cut_off(mapped(bind)?, bind)? })
        });
        Ok(Trees { places: mapped.collect::<Result<_>>()?, layer: None })
    }

    /// The tree of the container's own layer.
    pub fn layer(&self) -> Option<BorrowedFd<'_>> {
        self.layer.as_ref().map(AsFd::as_fd)
    }

    /// The tree of `source` for the place `at`.
    pub fn get(&self, at: &Path, source: &Path) -> Option<BorrowedFd<'_>> {
        self.places.iter().find(|tree| tree.at == at && tree.source == source).map(|tree| tree.fd.as_fd())
    }

    /// The root file system's.
    pub fn root(&self) -> Option<BorrowedFd<'_>> {
        self.places.iter().find(|tree| tree.at == Path::new("/")).map(|tree| tree.fd.as_fd())
    }

    /// The plan's root file system as a path: where it is, or where it is attached now.
    pub fn rootfs(&self, plan: &Plan) -> Result<Option<PathBuf>> {
        let Some(tree) = self.root() else { return Ok(plan.rootfs.clone()) };
        attach_at(tree, Path::new(PLACE))?;
        Ok(Some(PLACE.into()))
    }
}

/// Makes a tree a mount at the directory `target`.
pub fn attach_at(tree: BorrowedFd<'_>, target: &Path) -> Result<()> {
    attach(tree, File::open(target).during("open", target.display())?.as_fd())
}

/// Makes a tree a mount at `target`, in the caller's mount namespace. Source: move_mount(2).
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: two descriptors that are open, and two empty C strings.
    let status = unsafe {
        let (from, to, empty) = (tree.as_raw_fd(), target.as_raw_fd(), c"".as_ptr());
        libc::syscall(libc::SYS_move_mount, from, empty, to, empty, flags)
    };
    Errno::result(status).map(drop).during("move_mount", "a tree that was opened before")
}

/// The tree of a bind whose files have the owners of its mapping. Source: mount_setattr(2), "ID-mapped mounts".
fn mapped(bind: &Bind) -> Result<OwnedFd> {
    let Some((maps, recursive)) = &bind.mapping else { return clone(&bind.source, bind.recursive) };
    let userns = userns::create(maps)?;
    let tree = clone(&bind.source, bind.recursive)?;
    let mapping =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_IDMAP, userns_fd: userns.as_raw_fd() as u64, ..mount_attr::KEPT };
    let flags = libc::AT_EMPTY_PATH | if *recursive { libc::AT_RECURSIVE } else { 0 };
    mount_attr::set(tree.as_raw_fd(), c"", flags, &mapping)
        .during("mount_setattr MOUNT_ATTR_IDMAP", bind.source.display())?;
    Ok(tree)
}

/// What is mounted on a bind stays in the container, unless it is to hear of the host's mounts.
fn cut_off(tree: OwnedFd, bind: &Bind) -> Result<OwnedFd> {
    if bind.spread.is_empty() { private(tree) } else { Ok(tree) }
}

/// Cuts a tree off from the mounts that it is a copy of: what is mounted on it would appear on them, for the whole host to
/// see. Source: mount_setattr(2), mount_namespaces(7).
fn private(tree: OwnedFd) -> Result<OwnedFd> {
    let attr = libc::mount_attr { propagation: libc::MS_PRIVATE, ..mount_attr::KEPT };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    mount_attr::set(tree.as_raw_fd(), c"", flags, &attr).during("mount_setattr", "MS_PRIVATE")?;
    Ok(tree)
}

/// Whether a file system, or a kernel, does not do idmapped mounts.
fn cannot_be(error: &Error) -> bool {
    [Errno::EINVAL, Errno::EPERM, Errno::ENOSYS].map(Some).contains(&error.errno())
}

fn tell(path: &Path, what: &str) {
    // Not worth an end when nobody listens.
    let _ = writeln!(io::stderr(), "boxwright: {}: no idmapped mount of it can be made here; {what}", path.display());
}

/// The tree of a root file system whose files belong to whom the container takes for their owners: itself when boxwright
/// has made it, else a copy.
fn shifted(rootfs: &Path, is_ours: bool, maps: &IdMaps, directory: &Path) -> Result<OwnedFd> {
    let own = directory.join("rootfs");
    if !is_ours {
        tell(rootfs, "the container gets a copy, and what it writes goes with it");
        fs::create_dir(&own).during("mkdir", own.display())?;
        copy_up(rootfs, &own)?;
    }
    shift(&own, maps)?;
    clone(&own, true)
}

/// Gives `path`, and all that is in it, to whom `maps` says.
fn shift(path: &Path, maps: &IdMaps) -> Result<()> {
    let metadata = fs::symlink_metadata(path).during("stat", path.display())?;
    let file_caps = if written(10) && metadata.is_file() { caps::file_caps(path)? } else { None };
    let id = |map: &[IdRange], id| outside(map, id).ok_or(Errno::EOVERFLOW).during("map the owner of", path.display());
    lchown(path, Some(id(&maps.uids, metadata.uid())?), Some(id(&maps.gids, metadata.gid())?))
        .during("chown", path.display())?;
    if !metadata.is_symlink() {
        // A new owner takes the set-user-ID bit away.
        let mode = Permissions::from_mode(metadata.mode() & 0o7777);
        fs::set_permissions(path, mode).during("chmod", path.display())?;
    }
    // And its capabilities, which count for one root alone: the container's, when they counted for the machine's; those for
    // somebody who is nobody in there are gone.
    if let Some(own) = file_caps
        && let Some(root) = outside(&maps.uids, own.root.unwrap_or(0))
    {
        caps::set_file_caps(path, &FileCaps { root: Some(root), ..own })?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).during("readdir", path.display())? {
            shift(&entry.during("readdir", path.display())?.path(), maps)?;
        }
    }
    Ok(())
}

/// A copy of the mount at `source`, as it is; a recursive one with those below it. Source: open_tree(2).
pub fn clone(source: &Path, recursive: bool) -> Result<OwnedFd> {
    let path = CString::new(source.as_os_str().as_bytes()).map_err(io::Error::from).during("open_tree", "the path")?;
    let below = if recursive { libc::AT_RECURSIVE as u32 } else { 0 };
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | below;
    // SAFETY: a C string that outlives the call; a descriptor that comes back is nobody else's.
    unsafe {
        let fd = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        Ok(OwnedFd::from_raw_fd(Errno::result(fd as i32).during("open_tree", source.display())?))
    }
}
