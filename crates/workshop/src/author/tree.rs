//! A copy of the course to try things in, so that nobody's files are touched.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::libtest::Cargo;

/// The copy in `target/author/0/tree`, or in another worker's directory. It is kept from run to run, with a target directory of its own, so
/// that a try compiles only what it changed.
pub struct Tree {
    course: PathBuf,
    root: PathBuf,
    target: PathBuf,
    /// The files that differ from the course now.
    changed: BTreeMap<PathBuf, String>,
    /// Held as long as the tree is in use: two authors at once would build each other's files.
    _lock: File,
}

impl Tree {
    /// Brings the copy up to date with the course in `root`: what git tracks, and what it would track.
    ///
    /// # Errors
    /// Not a git working tree, or a file cannot be copied.
    pub fn sync(course: &Path, worker: usize) -> Result<Self> {
        let own = course.join(format!("target/author/{worker}"));
        let (root, target) = (own.join("tree"), own.join("target"));
        fs::create_dir_all(&root).with_context(|| format!("mkdir {}", root.display()))?;
        let lock = own.join("lock");
        let lock = File::create(&lock).with_context(|| lock.display().to_string())?;
        if lock.try_lock().is_err() {
            super::say("waiting for another cargo author to end");
            lock.lock().context("lock the author's copy")?;
        }
        let files = tracked(course)?;
        remove_others(&root, Path::new(""), &files)?;
        let tree = Self { course: course.to_owned(), root, target, changed: BTreeMap::new(), _lock: lock };
        files.iter().try_for_each(|file| tree.copy(file))?;
        Ok(tree)
    }

    /// Cargo, in the copy.
    pub fn cargo(&self, solutions: bool) -> Cargo {
        Cargo { target_dir: Some(self.target.clone()), solutions, ..Cargo::new(&self.root) }
    }

    /// Makes these files differ from the course, and no others.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn arrange(&mut self, changed: BTreeMap<PathBuf, String>) -> Result<()> {
        for file in std::mem::take(&mut self.changed).keys().filter(|file| !changed.contains_key(*file)) {
            match self.course.join(file).exists() {
                true => self.copy(file)?,
                false => fs::remove_file(self.root.join(file)).with_context(|| format!("remove {}", file.display()))?,
            }
        }
        for (file, text) in &changed {
            write(&self.root.join(file), text.as_bytes())?;
        }
        self.changed = changed;
        Ok(())
    }

    fn copy(&self, file: &Path) -> Result<()> {
        let (from, to) = (self.course.join(file), self.root.join(file));
        let content = fs::read(&from).with_context(|| format!("read {}", from.display()))?;
        write(&to, &content)?;
        let permissions = fs::metadata(&from).with_context(|| format!("stat {}", from.display()))?.permissions();
        fs::set_permissions(&to, permissions).with_context(|| format!("chmod {}", to.display()))
    }
}

/// Writes only what differs: cargo goes by the time of the last change.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}

fn tracked(course: &Path) -> Result<HashSet<PathBuf>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(course).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().context("run git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let names = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    let files = names.split_terminator('\0').map(PathBuf::from);
    // A file that is deleted and not committed yet is still in the index.
    Ok(files.filter(|file| course.join(file).is_file()).collect())
}

fn remove_others(root: &Path, below: &Path, keep: &HashSet<PathBuf>) -> Result<()> {
    let directory = root.join(below);
    for entry in fs::read_dir(&directory).with_context(|| format!("read {}", directory.display()))? {
        let entry = entry?;
        let file = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(root, &file, keep)?;
            match fs::remove_dir(root.join(&file)) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(error.into()),
                _ => {}
            }
        } else if !keep.contains(&file) {
            fs::remove_file(root.join(&file)).with_context(|| format!("remove {}", file.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(dir: &Path, args: &[&str]) {
        assert!(Command::new("git").arg("-C").arg(dir).args(args).status().unwrap().success());
    }

    #[test]
    fn the_copy_follows_and_unchanged_files_keep_their_time() {
        let course = tempfile::tempdir().unwrap();
        let file = |name: &str| course.path().join(name);
        git(course.path(), &["init", "-q"]);
        fs::write(file(".gitignore"), "/target\n").unwrap();
        fs::write(file("same"), "1").unwrap();
        fs::write(file("gone"), "1").unwrap();
        let root = Tree::sync(course.path(), 0).unwrap().root;
        let time = || fs::metadata(root.join("same")).unwrap().modified().unwrap();
        let before = time();
        fs::remove_file(file("gone")).unwrap();
        let mut tree = Tree::sync(course.path(), 0).unwrap();
        assert!(!root.join("gone").exists());
        tree.arrange(BTreeMap::from([("new/file".into(), "2".into())])).unwrap();
        assert_eq!((fs::read_to_string(root.join("new/file")).unwrap(), time()), ("2".into(), before));
        tree.arrange(BTreeMap::from([("same".into(), "2".into())])).unwrap();
        assert!(!root.join("new/file").exists());
        tree.arrange(BTreeMap::new()).unwrap();
        assert_eq!(fs::read_to_string(root.join("same")).unwrap(), "1");
    }
}
