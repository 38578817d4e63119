//! The options of a mount: words of fstab(5), of mount(8) and of the OCI specification, by what they change.

use crate::error::{Error, Result};
use crate::ids::IdMaps;
use crate::mount::Propagation;

/// Attributes of one mount, not of its file system: bits of `MOUNT_ATTR_…`. Source: mount_setattr(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Those that it gets.
    pub set: u64,
    /// Those that it loses first.
    pub clear: u64,
}

impl Attributes {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Attributes::default()
    }

    fn change(&mut self, attribute: u64, is_set: bool) {
        // A mount has one kind of atime, so each takes the place of the others.
        let whole = if ATIME & attribute != 0 { ATIME } else { attribute };
        self.set &= !whole;
        self.clear |= whole;
        if is_set {
            self.set |= attribute;
        }
    }

    /// relatime, the kind of atime that has no bit.
    fn relatime(&mut self) {
        self.set &= !ATIME;
        self.clear |= ATIME;
    }
}

/// What a mount does from then on with mounts and unmounts below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Private, Slave, Shared or Unbindable.
    pub how: Propagation,
    /// Whether the mounts below it do the same.
    pub recursive: bool,
}

impl Spread {
    /// `rslave` and the seven others.
    #[must_use]
    pub fn named(word: &str) -> Option<Spread> {
        let of = |word| match word {
            "private" => Some(Propagation::Private),
            "slave" => Some(Propagation::Slave),
            "shared" => Some(Propagation::Shared),
            "unbindable" => Some(Propagation::Unbindable),
            _ => None,
        };
        let whole = of(word).map(|how| Spread { how, recursive: false });
        whole.or_else(|| word.strip_prefix('r').and_then(of).map(|how| Spread { how, recursive: true }))
    }
}

/// `MOUNT_ATTR__ATIME`.
const ATIME: u64 = libc::MOUNT_ATTR__ATIME;

/// An option and its opposite; the flag of mount(2), and the attribute of mount_setattr(2) where it has one (0: none).
const FLAGS: [(&str, &str, u64, u64); 13] = [
    ("ro", "rw", libc::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
    ("nosuid", "suid", libc::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
    ("nodev", "dev", libc::MS_NODEV, libc::MOUNT_ATTR_NODEV),
    ("noexec", "exec", libc::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
    ("noatime", "atime", libc::MS_NOATIME, libc::MOUNT_ATTR_NOATIME),
    ("strictatime", "nostrictatime", libc::MS_STRICTATIME, libc::MOUNT_ATTR_STRICTATIME),
    ("nodiratime", "diratime", libc::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
    ("nosymfollow", "symfollow", libc::MS_NOSYMFOLLOW, libc::MOUNT_ATTR_NOSYMFOLLOW),
    ("sync", "async", libc::MS_SYNCHRONOUS, 0),
    ("mand", "nomand", libc::MS_MANDLOCK, 0),
    ("silent", "loud", libc::MS_SILENT, 0),
    ("iversion", "noiversion", libc::MS_I_VERSION, 0),
    ("lazytime", "nolazytime", libc::MS_LAZYTIME, 0),
];

/// All that the options of one mount say.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// `MS_…`, for a new file system.
    pub flags: u64,
    /// For the mount.
    pub top: Attributes,
    /// For the mount and those below it: `rro`, `rnosuid`, …
    pub tree: Attributes,
    /// One after the other.
    pub spread: Vec<Spread>,
    /// `bind`: Some(false), `rbind`: Some(true).
    pub bind: Option<bool>,
    /// Whether a mount that is there is changed.
    pub remount: bool,
    /// `idmap`: Some(false), `ridmap`: Some(true).
    pub idmap: Option<bool>,
    /// `tmpcopyup`.
    pub copy_up: bool,
    /// For the file system, as it stands; and words that begin with `x-`, for a runtime.
    pub data: Vec<&'a str>,
}

impl<'a> Options<'a> {
    pub fn of(words: &[&'a str]) -> Options<'a> {
        let mut options = Options::default();
        for word in words {
            options.take(word);
        }
        options
    }

    fn take(&mut self, word: &'a str) {
        if let Some(spread) = Spread::named(word) {
            return self.spread.push(spread);
        }
        match word {
            // fstab's word for none of these.
            "defaults" | "" => {}
            "bind" => self.bind = Some(self.bind.unwrap_or(false)),
            "rbind" => self.bind = Some(true),
            "remount" => self.remount = true,
            "idmap" => self.idmap = Some(self.idmap.unwrap_or(false)),
            "ridmap" => self.idmap = Some(true),
            "tmpcopyup" => self.copy_up = true,
            "dirsync" => self.flags |= libc::MS_DIRSYNC,
            "relatime" => {
                self.flags = self.flags & !(libc::MS_NOATIME | libc::MS_STRICTATIME) | libc::MS_RELATIME;
                self.top.relatime();
            }
            // As the kernel has it, unless another kind is named.
            "norelatime" | "rnorelatime" => self.flags &= !libc::MS_RELATIME,
            "rrelatime" => self.tree.relatime(),
            _ if !self.is_flag(word) => self.data.push(word),
            _ => {}
        }
    }

    fn is_flag(&mut self, word: &str) -> bool {
        let of = |word| FLAGS.into_iter().find(|(on, off, ..)| *on == word || *off == word);
        if let Some((on, _, flag, attribute)) = of(word) {
            let is_set = on == word;
            self.flags = if is_set { self.flags | flag } else { self.flags & !flag };
            if attribute != 0 {
                self.top.change(attribute, is_set);
            }
            return true;
        }
        match word.strip_prefix('r').and_then(of) {
            Some((on, _, _, attribute)) if attribute != 0 => {
                self.tree.change(attribute, word[1..] == *on);
                true
            }
            _ => false,
        }
    }

    /// Whether it is what the flags say, and nothing more.
    pub fn is_only(&self, flags: u64) -> bool {
        self.flags & !flags == 0 && self.data.is_empty() && self.is_new_and_plain()
    }

    /// Whether flags and data say all.
    pub fn is_new_and_plain(&self) -> bool {
        self.tree.is_empty() && self.spread.is_empty() && self.idmap.is_none() && !self.copy_up
    }

    /// The mapping that the mount is to have: its own, or else the container's.
    pub fn mapping(&self, own: Option<IdMaps>, containers: Option<&IdMaps>) -> Result<Option<(IdMaps, bool)>> {
        let recursive = self.idmap.unwrap_or(false);
        match (own, self.idmap) {
            // An own mapping asks for it by itself, as it did before there was the word.
            (Some(own), _) => Ok(Some((own, recursive))),
            (None, None) => Ok(None),
            (None, Some(_)) => match containers {
                Some(ids) => Ok(Some((ids.clone(), recursive))),
                None => Err(Error::invalid(
                    "mounts.options",
                    if recursive { "ridmap" } else { "idmap" },
                    "used with uidMappings and gidMappings, of the mount or of a user namespace",
                )),
            },
        }
    }
}
