//! File systems that no lab has a verb for, and trees with options that none has.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use model::plan::{Access, Attributes, Bind, Change, Fs};
use model::tree::place;
use model::{During, Node, Result};
use nix::mount::{MsFlags, mount};

use super::Root;
use super::guard::{self, What};
use crate::runtime::copy_up::copy_up;
use crate::runtime::mount_attr::change;
use crate::runtime::trees::{attach, clone};

impl Root<'_> {
    pub(super) fn place_fs(&self, fs: &Fs) -> Result<()> {
        let kind = fs.kind.to_string_lossy();
        let what = match &*kind {
            "proc" | "sysfs" => What::Kernels { is_proc: kind == "proc" },
            _ => What::Other,
        };
        let point = self.point(&fs.at, Node::Directory, what)?;
        let read_only = Attributes { set: libc::MOUNT_ATTR_RDONLY, clear: 0 };
        let (flags, top) = match fs.copy_up {
            // Something is to be written to it first.
            true if fs.flags & libc::MS_RDONLY != 0 => (fs.flags & !libc::MS_RDONLY, read_only),
            _ => (fs.flags, Attributes::default()),
        };
        let flags = MsFlags::from_bits_retain(flags);
        mount(Some(&*fs.source), &place(point.as_fd()), Some(&*fs.kind), flags, Some(&*fs.data))
            .during("mount", &kind)?;
        if fs.copy_up {
            copy_up(&place(point.as_fd()), &place(self.find(&fs.at)?.as_fd()))?;
        }
        if top.is_empty() && fs.tree.is_empty() && fs.spread.is_empty() {
            return Ok(());
        }
        change(self.find(&fs.at)?.as_fd(), top, fs.tree, &fs.spread)
    }

    pub(super) fn place_change(&self, Change { at, top, tree, spread }: &Change) -> Result<()> {
        change(self.find(at)?.as_fd(), *top, *tree, spread)
    }

    /// A copy of the source is made what it is to be while nobody can reach it, and then attached: whatever is swapped in the root
    /// file system meanwhile, nothing else is changed.
    pub(super) fn place_tree(&self, bind: &Bind) -> Result<()> {
        let own;
        let tree = match self.trees.get(&bind.at, &bind.source) {
            Some(tree) => tree,
            None => {
                own = clone(&bind.source, bind.recursive)?;
                own.as_fd()
            }
        };
        let origin = fs::metadata(place(tree)).during("stat", bind.source.display())?;
        let node = if origin.is_dir() { Node::Directory } else { Node::File };
        let point = self.point(&bind.at, node, What::Tree(&place(tree)))?;
        if bind.copy_up {
            copy_up(&place(point.as_fd()), &place(tree))?;
        }
        let (mut top, mut below) = (bind.top, bind.tree);
        match bind.access {
            Access::ReadWrite => {}
            Access::ReadOnlyTop => top.set |= libc::MOUNT_ATTR_RDONLY,
            Access::ReadOnlyTree => below.set |= libc::MOUNT_ATTR_RDONLY,
        }
        change(tree, top, below, &bind.spread)?;
        attach(tree, point.as_fd())
    }

    /// The place for a mount that may be there.
    pub(super) fn point(&self, at: &Path, node: Node, what: What<'_>) -> Result<OwnedFd> {
        let point = self.make(at, node)?;
        if self.rootfs.is_some() {
            guard::check(&self.path, point.as_fd(), at, what)?;
        }
        Ok(point)
    }
}
