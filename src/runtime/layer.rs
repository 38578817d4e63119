//! A container's own layer over a root file system that it shares with others.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use model::layer::{Change, ChangeKind, Mark, Marks};
use model::plan::{Driver, Layer};
use model::tree::{kind, names, open_directory};
use model::{During, Error, Kept, Layers, Plan, Propagation, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::{chdir, geteuid};

use super::btrfs;
use super::flatten::flatten;
use super::trees::{PLACE, Trees, attach_at};
use super::userns::Userns;
use crate::steps::{self, mounts, overlay};

/// A layer whose container runs. Unless it is to be kept, it is removed in the end.
#[derive(Debug)]
pub struct Held<'a> {
    kept: Kept,
    userns: Option<&'a Userns>,
    // Opened O_CLOEXEC; the kernel lets go of it when the last process that has it open ends.
    lock: RefCell<Option<File>>,
}

impl<'a> Held<'a> {
    /// Makes the layer that `plan` asks for.
    pub fn make(plan: &Plan, layer: &Layer, userns: Option<&'a Userns>) -> Result<Held<'a>> {
        let uid_map = fs::read_to_string("/proc/self/uid_map").during("read", "/proc/self/uid_map")?;
        let kept = Kept {
            directory: layer.directory.clone(),
            lower: plan.rootfs.clone().unwrap_or_default(),
            chain: layer.chain.clone(),
            image: layer.image.clone(),
            marks: if plan.ids.is_some() { Marks::User } else { Marks::of(&uid_map) },
            ids: plan.ids.clone(),
            remove: layer.goes,
            args: plan.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        };
        let lock = RefCell::new(Some(Layers::make(&kept, layer.driver)?));
        let held = Held { kept, userns, lock };
        if layer.driver == Driver::Btrfs {
            btrfs::snapshot(&held.kept.lower, &held.kept.directory, "merged")?;
        }
        Ok(held)
    }

    /// The plan of a container whose layer is a snapshot: it writes to its root file system itself, for that is its own.
    pub fn in_snapshot(&self, plan: &Plan) -> Option<Plan> {
        let is_snapshot = plan.layer.as_ref().is_some_and(|layer| layer.driver == Driver::Btrfs);
        let rootfs = Some(self.kept.directory.join("merged"));
        is_snapshot.then(|| Plan { rootfs, layer: None, ..plan.clone() })
    }

    /// What it is, for the child: lets go of the lock, by which the layer would be in use for as long as that process
    /// lives. The child must not drop it.
    pub fn let_go(&self) -> &Kept {
        self.lock.take();
        &self.kept
    }

    /// Keeps it, unless it is to go with the container.
    pub fn keep(self) {
        if self.kept.remove {
            return;
        }
        self.lock.take();
        std::mem::forget(self);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.lock.take();
        let empty = |kept: &Kept| self.userns.map_or(Ok(()), |userns| userns.empty(&kept.directory));
        // What was to go and cannot be removed now, the next command tries again, and says so.
        let _ = self.kept.layers().remove(self.kept.id(), empty);
    }
}

/// Where the root file system of the container is to be seen, with its layer over it. To be called in its own mount
/// namespace.
pub fn rootfs(plan: &Plan, kept: Option<&Kept>, trees: &Trees) -> Result<Option<PathBuf>> {
    let (Some(kept), Some(_), Some(lower)) = (kept, &plan.layer, &plan.rootfs) else { return trees.rootfs(plan) };
    let (place, lower) = match (trees.layer(), trees.root()) {
        // Root's directories are closed to root in there.
        (Some(layer), Some(lower)) => {
            attach_at(layer, Path::new(PLACE))?;
            let at = Path::new(PLACE).join("lower");
            attach_at(lower, &at)?;
            (PathBuf::from(PLACE), at)
        }
        _ => (kept.directory.clone(), lower.clone()),
    };
    let merged = place.join("merged");
    if place.join("work").exists() {
        // The owner and the mode of what is seen as `/` are upper's.
        let upper = place.join("diff");
        let root = top(kept, &lower);
        let root = fs::metadata(&root).during("stat", root.display())?;
        lchown(&upper, Some(root.uid()), Some(root.gid())).during("chown", upper.display())?;
        fs::set_permissions(&upper, root.permissions()).during("chmod", upper.display())?;
        // Where upper keeps no attributes it is mounted all the same, and no directory from below can be removed.
        let work = File::open(place.join("work")).during("open", place.join("work").display())?;
        let marked = overlay::make_mark(work.as_fd(), Mark::Opaque, kept.marks);
        match marked.and_then(|()| mount(kept, &lower, &place)) {
            Err(error) if cannot_be(&error) => tell_of_the_copy(&error, &place)?,
            mounted => return mounted.map(|()| Some(merged)),
        }
    }
    copy_lowers(kept, &lower, &merged)?;
    Ok(Some(merged))
}

/// Mounts the overlay of `kept`. The layers of an image are named from where they are: their options have to fit into a page.
fn mount(kept: &Kept, lower: &Path, place: &Path) -> Result<()> {
    let merged = place.join("merged");
    if kept.chain.is_empty() {
        return overlay::mount_overlay(&kept.overlay(lower.to_owned(), place), &merged);
    }
    chdir(lower).during("chdir", lower.display())?;
    overlay::mount_overlay(&kept.overlay(PathBuf::new(), place), &merged)?;
    chdir("/").during("chdir", "/")
}

/// The directory whose owner and mode the container's root has: of an image, that of its topmost layer, below the one for mount
/// points, which is nobody's work.
fn top(kept: &Kept, lower: &Path) -> PathBuf {
    let layer = kept.chain.get(1).or(kept.chain.first());
    layer.map_or_else(|| lower.to_owned(), |layer| lower.join(layer))
}

/// A full copy of what `kept` lies on.
fn copy_lowers(kept: &Kept, lower: &Path, to: &Path) -> Result<()> {
    if kept.chain.is_empty() {
        return overlay::copy_tree(lower, to);
    }
    let layers: Vec<_> = kept.chain.iter().map(|layer| lower.join(layer)).collect();
    flatten(&layers, &top(kept, lower), to, kept.marks)
}

/// Whether this kernel, this user or this file system does not do overlays.
fn cannot_be(error: &Error) -> bool {
    [Errno::EINVAL, Errno::EPERM, Errno::ENODEV, Errno::EOPNOTSUPP].map(Some).contains(&error.errno())
}

fn tell_of_the_copy(error: &Error, place: &Path) -> Result<()> {
    // Not worth an end when nobody listens.
    let _ = writeln!(io::stderr(), "boxwright: {error}: the container gets a full copy (--storage-driver vfs)");
    let work = place.join("work");
    fs::remove_dir_all(&work).during("remove", work.display())
}

/// Hands what a container has made of its root file system to `show`, by path. To be called by a process that ends then: it
/// may get mounts of its own.
pub fn changes(kept: &Kept, show: impl FnOnce(Vec<Change>) -> Result<()>) -> Result<()> {
    let look = |lower: PathBuf| {
        if !kept.is_copy() {
            return overlay::changes(&kept.overlay(lower, &kept.directory));
        }
        let merged = open_directory(&kept.directory.join("merged"))?;
        let was = kept.directory.join("was");
        let before = if kept.chain.is_empty() { &lower } else { &was };
        if !kept.chain.is_empty() {
            fs::create_dir(&was).during("mkdir", was.display())?;
            copy_lowers(kept, &lower, &was)?;
        }
        let changes = compare(Some(&open_directory(before)?), &merged, Path::new("/"));
        if !kept.chain.is_empty() {
            fs::remove_dir_all(&was).during("remove", was.display())?;
        }
        let mut changes = changes?;
        changes.sort();
        Ok(changes)
    };
    let Some(maps) = &kept.ids else { return show(look(kept.lower.clone())?) };
    let userns = Userns::new(maps)?;
    if !geteuid().is_root() {
        // Whose files are closed to the caller.
        return userns.inside(|| show(look(kept.lower.clone())?));
    }
    // With the owners that the container sees, else every one would be another's.
    mounts::unshare_mounts()?;
    mounts::set_propagation(Path::new("/"), Propagation::Private)?;
    let at = kept.directory.join("lower");
    attach_at(steps::userns::idmapped(&kept.lower, userns.as_fd())?.as_fd(), &at)?;
    show(look(at)?)
}

/// What tells the directory `new` from the directory whose copy it was; without one, everything in it. By descriptors: the
/// container may make a link of a directory at any moment, and a path would lead where that leads.
fn compare(old: Option<&OwnedFd>, new: &OwnedFd, path: &Path) -> Result<Vec<Change>> {
    let (before, after) = (old.map_or_else(|| Ok(Vec::new()), names)?, names(new)?);
    let gone = before.iter().filter(|name| !after.contains(name));
    let mut changes: Vec<_> = gone.map(|name| Change::new(ChangeKind::Deleted, &path.join(name))).collect();
    for name in &after {
        let path = path.join(name);
        let stat = |fd: &OwnedFd| fstat(fd).during("fstat", path.display());
        let is_directory = |stat: &FileStat| kind(stat) == SFlag::S_IFDIR;
        let Some(new) = entry(new, name)? else { continue };
        let old = old.map(|old| entry(old, name)).transpose()?.flatten();
        let (this, that) = (stat(&new)?, old.as_ref().map(stat).transpose()?);
        let old = old.as_ref().filter(|_| that.as_ref().is_some_and(is_directory));
        let inside = if is_directory(&this) { compare(old, &new, &path)? } else { Vec::new() };
        match that {
            None => changes.push(Change::new(ChangeKind::Added, &path)),
            Some(that) if inside.is_empty() && told(&that) == told(&this) => {}
            Some(_) => changes.push(Change::new(ChangeKind::Changed, &path)),
        }
        changes.extend(inside);
    }
    Ok(changes)
}

/// By what a file is told from what it was: who writes to it changes its time.
fn told(file: &FileStat) -> impl PartialEq + use<> {
    let size = if kind(file) == SFlag::S_IFDIR { 0 } else { file.st_size };
    (file.st_mode, file.st_uid, file.st_gid, file.st_rdev, size, file.st_mtime, file.st_mtime_nsec)
}

/// What a directory has by `name`, unless somebody was faster.
fn entry(directory: &OwnedFd, name: &OsStr) -> Result<Option<OwnedFd>> {
    match openat(directory, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::ENOENT) => Ok(None),
        fd => fd.during("openat", name.display()).map(Some),
    }
}
