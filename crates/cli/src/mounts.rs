//! `-v`, `--mount`, `--tmpfs`: Docker's words for mounts, and the OCI configuration's.

use std::path::{Component, Path, PathBuf};

use model::plan::{COPY_UP, IMAGE_FILES, KEEP_OWNERS, MAKE_SOURCE};
use model::{Error, Layers, Result, VolumeDir, size, volumes};
use oci_spec::runtime::{Mount, MountBuilder};

use crate::flags::Run;
use crate::spec::Built;

/// Where boxwright makes what a container needs.
#[derive(Debug, Clone)]
pub struct Places {
    /// For what goes with the container.
    pub container: PathBuf,
    /// For what stays.
    pub volumes: VolumeDir,
    /// For what it writes.
    pub layers: Layers,
}

/// A mount that a flag asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    kind: &'static str,
    source: PathBuf,
    at: PathBuf,
    options: Vec<String>,
}

const V_FORM: &str = "[SRC:]DST[:ro|rw|nocopy|idmap], SRC an absolute path, ./relative or a volume's name, DST an absolute path other than /";
const TMPFS_FORM: &str = "DST[:size=64m,mode=1777,ro], DST an absolute path other than / and /dev";
const TYPE_FORM: &str = "type=bind, type=volume or type=tmpfs";
const BIND_FORM: &str =
    "type=bind,source=PATH,target=DST[,readonly][,bind-recursive=enabled|writable|readonly], PATH absolute and there";
const VOLUME_FORM: &str = "type=volume[,source=NAME],target=DST[,readonly][,volume-nocopy]";
const MEMORY_FORM: &str = "type=tmpfs,target=DST[,tmpfs-size=64m][,tmpfs-mode=1777][,readonly]";

/// The mounts that the flags of `run` ask for, those nearer to / first.
pub(crate) fn asked(run: &Run, places: &Places) -> Result<Vec<Asked>> {
    let mut asked: Vec<Asked> = Vec::new();
    let reads = [(&run.volume, read_volume as fn(&str, &Sources) -> Result<Asked>), (&run.mount, read_mount)];
    for (flags, read) in reads {
        for flag in flags {
            asked.push(read(flag, &Sources { places, count: asked.len() })?);
        }
    }
    asked.extend(run.tmpfs.iter().map(|flag| read_tmpfs(flag)).collect::<Result<Vec<_>>>()?);
    if let Some(image) = &run.image {
        let is_free = |asked: &[Asked], at: &Path| asked.iter().all(|mount| mount.at != at);
        for at in image.volumes.iter().filter_map(|at| inside(at.to_str()?)) {
            if is_free(&asked, &at) {
                asked.push(Sources { places, count: asked.len() }.volume(None, at, "rw", true)?);
            }
        }
        for at in IMAGE_FILES.map(PathBuf::from) {
            if is_free(&asked, &at) {
                let source = places.container.join(at.file_name().unwrap_or_default());
                asked.push(bind(source, at, "rw", false));
            }
        }
    }
    // A mount hides what was mounted below its place before.
    asked.sort_by_key(|mount| mount.at.components().count());
    let is_twice = |mount: &&Asked| asked.iter().filter(|other| other.at == mount.at).count() > 1;
    match asked.iter().find(is_twice) {
        Some(mount) => Err(Error::invalid("mount point", mount.at.to_string_lossy(), "one mount for each place")),
        None => Ok(asked),
    }
}

/// What every container gets and, after it, what was `asked` for, which takes the place of a default.
pub(crate) fn all(asked: Vec<Asked>, own_root: bool, own_queues: bool) -> Built<Vec<Mount>> {
    let defaults = [
        (true, "proc", "/proc", &[][..]),
        (own_root, "tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        (own_root, "devpts", "/dev/pts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        (own_root, "tmpfs", "/dev/shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        // The host's queues are not this container's to mount.
        (own_queues, "mqueue", "/dev/mqueue", &[]),
    ];
    let is_asked = |at: &str| {
        let dev_is = asked.iter().any(|mount| mount.at == Path::new("/dev"));
        asked.iter().any(|mount| mount.at == Path::new(at)) || (dev_is && at.starts_with("/dev/"))
    };
    let defaults = defaults.into_iter().filter(|(is_wanted, _, at, _)| *is_wanted && !is_asked(at));
    let defaults = defaults.map(|(_, kind, at, options)| {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        MountBuilder::default().typ(kind).source(kind).destination(at).options(options).build()
    });
    let defaults: Vec<_> = defaults.collect::<Built<_>>()?;
    let asked = asked.into_iter().map(|Asked { kind, source, at, options }| {
        MountBuilder::default().typ(kind).source(source).destination(at).options(options).build()
    });
    defaults.into_iter().map(Ok).chain(asked).collect()
}

/// Where a mount's content may come from.
struct Sources<'a> {
    places: &'a Places,
    /// How many mounts there are before this one: a number for an anonymous volume.
    count: usize,
}

impl Sources<'_> {
    fn volume(&self, name: Option<&str>, at: PathBuf, access: &str, copy: bool) -> Result<Asked> {
        let source = match name {
            Some(name) => self.places.volumes.data(&volumes::checked_name(name)?),
            // In the container's own directory, and removed with it.
            None => self.places.container.join(format!("volume-{}", self.count)),
        };
        let copy = copy.then_some(COPY_UP);
        let options = ["rbind", "rprivate", access, KEEP_OWNERS, MAKE_SOURCE]
            .into_iter()
            .chain(copy)
            .map(str::to_owned)
            .collect();
        Ok(Asked { kind: "bind", source, at, options })
    }
}

fn bind(source: PathBuf, at: PathBuf, access: &str, make: bool) -> Asked {
    let make = make.then_some(MAKE_SOURCE);
    let options = ["rbind", "rprivate", access].into_iter().chain(make).map(str::to_owned).collect();
    Asked { kind: "bind", source, at, options }
}

fn read_volume(flag: &str, sources: &Sources) -> Result<Asked> {
    let invalid = || Error::invalid("--volume", flag, V_FORM);
    let parts: Vec<&str> = flag.split(':').collect();
    let (source, at, words) = match parts[..] {
        [at] => (None, at, ""),
        [source, at] => (Some(source), at, ""),
        [source, at, words] => (Some(source), at, words),
        _ => return Err(invalid()),
    };
    let at = inside(at).ok_or_else(invalid)?;
    let (mut access, mut copy, mut idmap) = ("rw", true, false);
    for word in words.split(',').filter(|_| parts.len() == 3) {
        match word {
            "ro" => access = "rro",
            "rw" => access = "rw",
            "nocopy" => copy = false,
            "idmap" => idmap = true,
            _ => return Err(invalid()),
        }
    }
    match source {
        Some("") => Err(invalid()),
        Some(path) if path.starts_with(['/', '.']) => {
            // As a shell would say it from here; the kernel finds what is behind `..` and links.
            let path = std::path::absolute(path).or(Err(invalid()))?;
            let mut bind = bind(path, at, access, true);
            bind.options.extend(idmap.then(|| KEEP_OWNERS.to_owned()));
            Ok(bind)
        }
        name => sources.volume(name, at, access, copy),
    }
}

fn read_tmpfs(flag: &str) -> Result<Asked> {
    let (at, words) = flag.split_once(':').unwrap_or((flag, ""));
    let invalid = || Error::invalid("--tmpfs", flag, TMPFS_FORM);
    let at = inside(at).ok_or_else(invalid)?;
    let words = words.split(',').filter(|_| flag.contains(':'));
    memory(at, words.map(str::to_owned).collect()).ok_or_else(invalid)
}

fn memory(at: PathBuf, options: Vec<String>) -> Option<Asked> {
    let is_right = |option: &String| match option.split_once('=') {
        Some(("size", size)) => size::bytes(size).is_some_and(|size| size > 0),
        Some(("mode", mode)) => u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o7777),
        Some(_) => false,
        None => ["ro", "rw", "nosuid", "nodev", "noexec"].contains(&option.as_str()),
    };
    // What is mounted at /dev holds devices, and is the runtime's to make.
    (at != Path::new("/dev") && options.iter().all(is_right)).then(|| Asked {
        kind: "tmpfs",
        source: "tmpfs".into(),
        at,
        // As the flag has it, every one is.
        options: options.into_iter().chain(["nosuid", "nodev", "noexec"].map(str::to_owned)).collect(),
    })
}

/// Understands what is said about a mount of one type; `None` when it cannot be right.
type Reader = fn(&Words, PathBuf, &Sources) -> Option<Asked>;

fn read_mount(flag: &str, sources: &Sources) -> Result<Asked> {
    let words = Words(flag.split(',').map(|word| word.split_once('=').map_or((word, ""), |pair| pair)).collect());
    let (form, keys, read): (_, &[&str], Reader) = match words.of(&["type"]) {
        Some("bind") => (BIND_FORM, &["source", "src", "bind-recursive"], mount_bind),
        Some("volume") | None => (VOLUME_FORM, &["source", "src", "volume-nocopy"], mount_volume),
        Some("tmpfs") => (MEMORY_FORM, &["tmpfs-size", "tmpfs-mode"], mount_tmpfs),
        Some(_) => return Err(Error::invalid("--mount", flag, TYPE_FORM)),
    };
    let known = [keys, &["type", "target", "dst", "destination", "readonly", "ro"]].concat();
    let are_known = words.0.iter().all(|(key, _)| known.contains(key));
    let at = words.of(&["target", "dst", "destination"]).and_then(inside);
    let asked = at.filter(|_| are_known).and_then(|at| read(&words, at, sources));
    asked.ok_or_else(|| Error::invalid("--mount", flag, form))
}

fn mount_bind(words: &Words, at: PathBuf, _: &Sources) -> Option<Asked> {
    let source = Path::new(words.of(&["source", "src"])?);
    let recursive = words.of(&["bind-recursive"]).unwrap_or("enabled");
    let access = match (words.is_set(&["readonly", "ro"])?, recursive) {
        (true, "enabled" | "readonly") => "rro",
        (true, "writable") => "ro",
        (false, "enabled" | "writable") => "rw",
        _ => return None,
    };
    // Unlike -v, and as Docker has it: a source with a typing error is not made.
    (source.is_absolute() && source.exists()).then(|| bind(source.to_owned(), at, access, false))
}

fn mount_volume(words: &Words, at: PathBuf, sources: &Sources) -> Option<Asked> {
    let access = if words.is_set(&["readonly", "ro"])? { "rro" } else { "rw" };
    sources.volume(words.of(&["source", "src"]), at, access, !words.is_set(&["volume-nocopy"])?).ok()
}

fn mount_tmpfs(words: &Words, at: PathBuf, _: &Sources) -> Option<Asked> {
    let size = words.of(&["tmpfs-size"]).map(|size| format!("size={size}"));
    let mode = words.of(&["tmpfs-mode"]).map(|mode| format!("mode={mode}"));
    let access = words.is_set(&["readonly", "ro"])?.then(|| "ro".to_owned());
    memory(at, [size, mode, access].into_iter().flatten().collect())
}

/// The `KEY=VALUE`s of a `--mount`; a lone `KEY` has an empty value.
struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    /// The value of the key, by any of its `names`; of several, the last.
    fn of(&self, names: &[&str]) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| names.contains(key)).map(|(_, value)| *value)
    }

    /// Whether a switch is on; `None` when that cannot be told.
    fn is_set(&self, names: &[&str]) -> Option<bool> {
        match self.of(names) {
            None | Some("false" | "0") => Some(false),
            Some("" | "true" | "1") => Some(true),
            Some(_) => None,
        }
    }
}

/// A place inside the container: absolute, without `..`, and not `/`.
fn inside(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let is_plain = path.is_absolute() && path.components().all(|part| part != Component::ParentDir);
    (is_plain && path.parent().is_some()).then(|| path.components().collect())
}
