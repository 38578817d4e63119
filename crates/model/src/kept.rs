//! What containers have written, for as long as it is kept: until `boxwright rm`, or their end with `--rm`.
//!
//! ```text
//! <data>/containers/.lock            held while a layer is made or removed
//! <data>/containers/NAME/layer.json  what the layer lies on; locked by the boxwright that runs NAME
//! <data>/containers/NAME/diff/       what the container has written: the upper directory
//! <data>/containers/NAME/work/       overlayfs's own; without it the layer is no overlay, and `merged` a full copy
//! <data>/containers/NAME/lower/      where the root file system is attached whose files need other owners
//! <data>/containers/NAME/merged/     what the container sees; of an overlay, in its mount namespace alone
//! ```

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::error::{During, Error, Result};
use crate::ids::{IdMaps, outside};
use crate::layer::{Marks, Overlay};
use crate::on_disk;
use crate::plan::{Driver, checked_id};
use crate::volumes::data_dir;

/// The directories of a layer, each with the drivers whose layers have it.
const DIRECTORIES: [(&str, &[Driver]); 4] = [
    ("diff", &[Driver::Overlay]),
    ("work", &[Driver::Overlay]),
    ("lower", &[Driver::Overlay, Driver::Vfs, Driver::Btrfs]),
    ("merged", &[Driver::Overlay, Driver::Vfs]),
];

/// The file that says what a layer is, and whose lock says that it is in use.
const NOTE: &str = "layer.json";

/// A container's layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its own directory.
    #[serde(skip)]
    pub directory: PathBuf,
    /// What it lies on; with a `chain`, the directory that is in.
    pub lower: PathBuf,
    /// The layers of an image that it lies on, the topmost first, as paths from `lower`; none when it lies on `lower` itself.
    #[serde(default)]
    pub chain: Vec<PathBuf>,
    /// The image that it was made from, by its id.
    #[serde(default)]
    pub image: Option<String>,
    /// Where an overlay keeps its marks.
    pub marks: Marks,
    /// Who its owners are outside; `None` when they are the host's own.
    pub ids: Option<IdMaps>,
    /// Whether it goes with the container.
    pub remove: bool,
    /// The container's command.
    pub args: Vec<String>,
}

impl Kept {
    /// Its overlay over `lower`, with its directories in `place`: its own, or where that is mounted.
    #[must_use]
    pub fn overlay(&self, lower: PathBuf, place: &Path) -> Overlay {
        let chain = self.chain.iter().map(|layer| lower.join(layer)).collect();
        let lowers = if self.chain.is_empty() { vec![lower] } else { chain };
        Overlay { lowers, upper: place.join("diff"), work: place.join("work"), marks: self.marks }
    }

    /// Whether it is a full copy: it was asked for, or no overlay could be had.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        !self.directory.join("work").exists()
    }

    /// The name of its container.
    #[must_use]
    pub fn id(&self) -> &str {
        self.directory.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Those that it is one of.
    #[must_use]
    pub fn layers(&self) -> Layers {
        Layers { root: self.directory.parent().unwrap_or(&self.directory).to_owned() }
    }

    /// Who is root in the container, when that is not who makes the layer.
    fn outside_root(&self) -> Result<Option<(u32, u32)>> {
        let Some(maps) = self.ids.as_ref().filter(|_| geteuid().is_root()) else { return Ok(None) };
        let nobody = || Error::invalid("user namespace", "0", "a map that has an id for root");
        let id = |map| outside(map, 0).ok_or_else(nobody);
        Ok(Some((id(&maps.uids)?, id(&maps.gids)?)))
    }
}

/// The directory that holds every container's layer.
#[derive(Debug, Clone)]
pub struct Layers {
    root: PathBuf,
}

impl Layers {
    /// Below [`data_dir`]. Nothing is made yet.
    #[must_use]
    pub fn of_the_caller() -> Self {
        Layers { root: data_dir().join("containers") }
    }

    /// Where the container `id` has, or will have, its layer.
    #[must_use]
    pub fn directory(&self, id: &str) -> PathBuf {
        self.root.join(id)
    }

    /// Makes the directories of a layer, for whoever is root in the container; of btrfs `merged` is still to be made. It is in
    /// use for as long as the file that comes back is open.
    ///
    /// # Errors
    /// [`Error::Os`] with EEXIST when a container that has ended has the name.
    pub fn make(kept: &Kept, driver: Driver) -> Result<File> {
        let _alone = kept.layers().lock()?;
        let root = kept.outside_root()?;
        let whose = format_args!("{0} (a container that has ended has it: boxwright rm {0})", kept.id());
        DirBuilder::new().mode(0o700).create(&kept.directory).during("take the name", whose)?;
        for (name, _) in DIRECTORIES.into_iter().filter(|(_, drivers)| drivers.contains(&driver)) {
            let path = kept.directory.join(name);
            fs::create_dir(&path).during("mkdir", path.display())?;
            chown_to(&path, root)?;
        }
        chown_to(&kept.directory, root)?;
        // Last: without it, what there is was not finished.
        let path = kept.directory.join(NOTE);
        on_disk::write_json(&path, kept)?;
        let file = File::open(&path).during("open", path.display())?;
        file.try_lock().map_err(io::Error::from).during("flock", path.display())?;
        Ok(file)
    }

    /// The layer of the container `id`, which may have ended.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no name; [`Error::Os`] with ENOENT when it has none.
    pub fn find(&self, id: &str) -> Result<Kept> {
        let directory = self.directory(&checked_id(id)?);
        match on_disk::read_json::<Kept>(&directory.join(NOTE)) {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                Err(Errno::ENOENT).during("find the layer of the container", id)
            }
            kept => Ok(Kept { directory, ..kept? }),
        }
    }

    /// Every container that has one, by name.
    ///
    /// # Errors
    /// [`Error::Os`] when the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.during("readdir", self.root.display())?,
        };
        let mut names: Vec<_> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Removes the layer of a container that has ended. What the caller may not touch in it goes to `empty` first.
    ///
    /// # Errors
    /// [`Error::Os`] with ENOENT when there is none, with EBUSY when the container runs.
    pub fn remove(&self, id: &str, empty: impl Fn(&Kept) -> Result<()>) -> Result<()> {
        // Not only then, but before a directory is made for the lock.
        self.find(id)?;
        let _alone = self.lock()?;
        if self.is_used(id) {
            return Err(Errno::EBUSY).during("remove", format_args!("{id} (it runs)"));
        }
        let kept = self.find(id)?;
        empty(&kept)?;
        fs::remove_dir_all(&kept.directory).during("remove", kept.directory.display())
    }

    /// Removes what killed boxwrights left: layers that were to go with their containers, and such as were not finished.
    ///
    /// # Errors
    /// [`Error::Os`] for what cannot be removed.
    pub fn sweep(&self, empty: impl Fn(&Kept) -> Result<()>) -> Result<()> {
        if self.names()?.is_empty() {
            return Ok(());
        }
        let _alone = self.lock()?;
        // Now that nobody is about to make or to remove one.
        for id in self.names()?.iter().filter(|id| !self.is_used(id)) {
            match self.find(id) {
                Ok(kept) if kept.remove => empty(&kept)?,
                // Not finished: nobody has been in there yet.
                Err(error) if error.errno() == Some(Errno::ENOENT) => {}
                // What cannot be read may be dear to somebody.
                Ok(_) | Err(_) => continue,
            }
            let directory = self.directory(id);
            fs::remove_dir_all(&directory).during("remove", directory.display())?;
        }
        Ok(())
    }

    /// Whether a boxwright runs the container.
    fn is_used(&self, id: &str) -> bool {
        on_disk::is_locked(&self.directory(id).join(NOTE))
    }

    fn lock(&self) -> Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root).during("mkdir", self.root.display())?;
        on_disk::lock(&self.root.join(".lock"))
    }
}

fn chown_to(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    chown(path, Some(uid), Some(gid)).during("chown", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers() -> (tempfile::TempDir, Layers) {
        let data = tempfile::tempdir().unwrap();
        let layers = Layers { root: data.path().join("containers") };
        (data, layers)
    }

    fn kept(layers: &Layers, remove: bool) -> Kept {
        let (directory, lower) = (layers.directory("web"), "/image".into());
        let args = vec!["true".into()];
        Kept { directory, lower, chain: Vec::new(), image: None, marks: Marks::Trusted, ids: None, remove, args }
    }

    #[test]
    fn a_layer_is_found_by_its_containers_name_and_made_once() {
        let (_data, layers) = layers();
        assert_eq!(layers.names().unwrap(), Vec::<String>::new());
        assert_eq!(layers.find("web").unwrap_err().errno(), Some(Errno::ENOENT));
        let kept = kept(&layers, false);
        let _used = Layers::make(&kept, Driver::Overlay).unwrap();
        assert_eq!((layers.names().unwrap(), layers.find("web").unwrap()), (vec!["web".to_owned()], kept.clone()));
        assert!(!kept.is_copy() && kept.overlay("/image".into(), &kept.directory).work.is_dir());
        assert_eq!(Layers::make(&kept, Driver::Overlay).unwrap_err().errno(), Some(Errno::EEXIST));
    }

    #[test]
    fn what_runs_is_not_removed() {
        let (_data, layers) = layers();
        let used = Layers::make(&kept(&layers, true), Driver::Vfs).unwrap();
        assert_eq!(layers.remove("web", |_| Ok(())).unwrap_err().errno(), Some(Errno::EBUSY));
        layers.sweep(|_| Ok(())).unwrap();
        assert!(layers.find("web").unwrap().is_copy());
        drop(used);
        layers.remove("web", |_| Ok(())).unwrap();
        assert!(!layers.directory("web").exists());
    }

    #[test]
    fn what_was_to_be_removed_or_is_not_finished_is_swept() {
        let (_data, layers) = layers();
        drop(Layers::make(&kept(&layers, false), Driver::Overlay).unwrap());
        fs::create_dir(layers.directory("half")).unwrap();
        layers.sweep(|_| Ok(())).unwrap();
        assert_eq!(layers.names().unwrap(), ["web"]);
        layers.remove("web", |_| Ok(())).unwrap();
        drop(Layers::make(&kept(&layers, true), Driver::Overlay).unwrap());
        layers.sweep(|_| Ok(())).unwrap();
        assert_eq!(layers.names().unwrap(), Vec::<String>::new());
    }
}
