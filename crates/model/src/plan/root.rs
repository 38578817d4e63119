//! The root file system and what is to be seen in it, understood and checked.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::mount::{self, Mount};
use super::options::Spread;
use super::{DEVICE_SOURCE, Device, IMAGE, LANDLOCK, LAYER, LAYER_CHAIN, LAYER_GOES, STORAGE_DRIVER};
use crate::error::{Error, Result};
use crate::ids::IdMaps;
use crate::mount::Propagation::{Private, Shared, Slave};

/// Where what a container writes goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The layer's own directory, to be made.
    pub directory: PathBuf,
    /// How the container gets it.
    pub driver: Driver,
    /// Whether it goes with the container.
    pub goes: bool,
    /// The layers of an image that it lies on, the topmost first, as paths from the root file system's directory; none when it lies
    /// on that directory itself.
    pub chain: Vec<PathBuf>,
    /// The image's id.
    pub image: Option<String>,
}

/// How a container gets a root file system of its own from one that it shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// By an overlay: what is written is copied then, and nothing else. Where there is none, a copy.
    Overlay,
    /// By a full copy, before it starts.
    Vfs,
    /// By a snapshot of a btrfs subvolume: what is written is copied then, block by block.
    Btrfs,
}

impl Driver {
    fn named(name: &str) -> Result<Self> {
        match name {
            "overlay" => Ok(Driver::Overlay),
            "vfs" => Ok(Driver::Vfs),
            "btrfs" => Ok(Driver::Btrfs),
            other => Err(Error::invalid("storage driver", other, "overlay, vfs, btrfs")),
        }
    }
}

pub(super) fn rootfs(spec: &Spec, bundle: &Path, from_host: bool) -> Result<Option<PathBuf>> {
    let Some(root) = spec.root() else {
        return Ok(None);
    };
    let path = bundle.join(root.path());
    if from_host {
        return Ok(Some(path)); // it is made later, inside a directory of ours
    }
    match path.canonicalize() {
        Ok(path) if path == Path::new("/") => Ok(None),
        Ok(path) if path.is_dir() => Ok(Some(path)),
        _ => Err(Error::invalid("root.path (--rootfs)", path.to_string_lossy(), "a directory, or the word host")),
    }
}

pub(super) fn layer(spec: &Spec) -> Result<Option<Layer>> {
    let get = |name| spec.annotations().as_ref().and_then(|all| all.get(name));
    let driver = get(STORAGE_DRIVER).map_or(Ok(Driver::Overlay), |name| Driver::named(name))?;
    let chain = get(LAYER_CHAIN).into_iter().flat_map(|chain| chain.split(':')).map(PathBuf::from).collect();
    let layer = |directory: &String| Layer {
        directory: directory.into(),
        driver,
        goes: get(LAYER_GOES).is_some(),
        chain,
        image: get(IMAGE).cloned(),
    };
    Ok(get(LAYER).map(layer))
}

/// `ids` is the user namespace's mapping, where the container has one.
pub(super) fn mounts(spec: &Spec, bundle: &Path, ids: Option<&IdMaps>) -> Result<Vec<Mount>> {
    spec.mounts().iter().flatten().map(|mount| Mount::from_oci(mount, bundle, ids)).collect()
}

/// `None` when later mounts stay where they are made.
pub(super) fn propagation(spec: &Spec) -> Result<Option<Spread>> {
    let word = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref()).unwrap_or_default();
    match Spread::named(word) {
        None if !word.is_empty() => {
            let right = "private, slave, shared or unbindable, or one of these after an r";
            Err(Error::invalid("linux.rootfsPropagation", word, right))
        }
        spread => Ok(spread.filter(|spread| spread.how != Private)),
    }
}

/// What the container's mounts do with the host's: what a mount is to hear of, its namespace has to hear of first.
pub(super) fn crossing(propagation: Option<Spread>, mounts: &[Mount]) -> Option<Spread> {
    let hears = |mount: &Mount| mount.spread().iter().any(|it| [Slave, Shared].contains(&it.how));
    propagation.or_else(|| mounts.iter().any(hears).then_some(Spread { how: Slave, recursive: true }))
}

/// Whether somebody else has to make the devices that every program expects: a /dev of the runtime's own has them, and in one
/// that is bound from the host nothing is made.
pub(super) fn lacks_devices(mounts: &[Mount]) -> bool {
    let dev = mounts.iter().rev().find(|mount| mount.at() == Path::new("/dev"));
    !matches!(dev, Some(Mount::Dev(_) | Mount::Bind(_)))
}

pub(super) fn paths(list: Option<&Vec<String>>) -> Result<Vec<PathBuf>> {
    let check = |path: &String| mount::checked_path("linux.maskedPaths, linux.readonlyPaths", Path::new(path));
    list.into_iter().flatten().map(check).collect()
}

pub(super) fn devices(spec: &Spec) -> Result<Vec<Device>> {
    let all = spec.linux().as_ref().and_then(|linux| linux.devices().as_ref());
    let source =
        |at: &Path| Some(spec.annotations().as_ref()?.get(&format!("{DEVICE_SOURCE}{}", at.display()))?.into());
    all.into_iter().flatten().map(|device| Device::from_oci(device, source(device.path()))).collect()
}

pub(super) fn landlock(spec: &Spec) -> Vec<PathBuf> {
    let names = spec.annotations().iter().flat_map(|all| all.keys());
    let mut directories: Vec<PathBuf> =
        names.filter_map(|name| name.strip_prefix(LANDLOCK)).map(PathBuf::from).collect();
    directories.sort();
    directories
}
