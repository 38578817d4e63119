//! What the runner remembers between two commands: `.lab/progress.json`.
//!
//! The file is replaced in one step, so a crash leaves the old one or the new one. A file that cannot be
//! read, or that a later version of the course wrote, is moved beside and named; what can be saved of it
//! is carried on with.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{kept, paint::WARN};

/// The layout of `progress.json` that this version writes.
const VERSION: u64 = 1;

/// Everything the runner remembers of a learner.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    version: u64,
    labs: BTreeMap<u8, LabProgress>,
}

/// What it remembers of one lab.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabProgress {
    /// The last run of its tests.
    pub run: Option<Run>,
    /// How many hints were shown, by task.
    pub hints: BTreeMap<u8, usize>,
    /// Set by `skip`: the reference stands in for the learner's file.
    pub skipped: bool,
}

/// One run of a lab's tests.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// The [`hash`] of the learner's file that was tested.
    pub file: String,
    /// Whether the program came to its end: it may have been killed at the deadline.
    pub complete: bool,
    /// How many tests passed.
    pub passed: usize,
    /// The names of the tests that failed.
    pub failed: Vec<String>,
    /// What the skipped tests need, one line a test.
    pub skipped: Vec<String>,
}

impl Run {
    /// How many tests there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed + self.failed.len() + self.skipped.len()
    }

    /// Whether every test was run and none failed.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.complete && self.failed.is_empty()
    }
}

impl Progress {
    /// The entry of lab `number`; an empty one when nothing is known of it.
    #[must_use]
    pub fn lab(&self, number: u8) -> LabProgress {
        self.labs.get(&number).cloned().unwrap_or_default()
    }
}

/// Reads the progress of the course in `root`. Trouble with the file is told on standard error and ends
/// with the file set beside and whatever could be saved of it, never with an error.
///
/// # Errors
/// Only when the folder `.lab` itself cannot be used.
pub fn load(root: &Path) -> Result<Progress> {
    let path = file(root);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if value["version"] == VERSION
        && let Ok(progress) = Progress::deserialize(&value)
    {
        return Ok(progress);
    }
    let (why, label) = match value["version"].as_u64() {
        Some(later) if later > VERSION => (format!("is of version {later}, later than mine"), format!("v{later}")),
        _ => ("cannot be read".to_owned(), "broken".to_owned()),
    };
    let aside = kept::beside(&path, &label)?;
    // What parses is carried on with; where nothing does, the copy of the last good file is.
    let last_good = || fs::read(backup(root)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let source = if value.is_object() { Some(value) } else { last_good() };
    let progress = source.map(|value| salvage(&value)).unwrap_or_default();
    save(root, &progress)?;
    anstream::eprintln!(
        "{WARN}note{WARN:#}: {} {why}: it is now {}; carried on with the progress of {} labs",
        shown(root, &path),
        shown(root, &aside),
        progress.labs.len()
    );
    Ok(progress)
}

/// Changes the entry of lab `number` and saves it, with other runners (a `watch` beside) kept out meanwhile.
///
/// # Errors
/// When `.lab` cannot be written.
pub fn change(root: &Path, number: u8, change: impl FnOnce(&mut LabProgress)) -> Result<()> {
    let directory = root.join(".lab");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let lock = File::create(directory.join("lock")).context("open .lab/lock")?;
    lock.lock().context("lock .lab/lock")?;
    let mut progress = load(root)?;
    change(progress.labs.entry(number).or_default());
    save(root, &progress)
}

fn save(root: &Path, progress: &Progress) -> Result<()> {
    let progress = Progress { version: VERSION, ..progress.clone() };
    let text = serde_json::to_string_pretty(&progress)? + "\n";
    if let Ok(old) = fs::read(file(root)) {
        replace(&backup(root), &old)?;
    }
    replace(&file(root), text.as_bytes())
}

/// Every entry that parses, whatever stands around it.
fn salvage(value: &Value) -> Progress {
    let entries = value["labs"].as_object().into_iter().flatten();
    let labs =
        entries.filter_map(|(number, lab)| Some((number.parse().ok()?, LabProgress::deserialize(lab).ok()?))).collect();
    Progress { version: VERSION, labs }
}

/// Writes `content` to `path` in one step, through a file beside it; keeps the permissions of an old one.
///
/// # Errors
/// Whatever the writing meets, with the path.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file = tempfile::Builder::new().permissions(permissions(path)).tempfile_in(directory)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn permissions(path: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(0o644), |old| old.permissions())
}

/// A name for a file's content (FNV-1a, 64 bits): equal content, equal name, in every version of the course.
#[must_use]
pub fn hash(content: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", content.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// `path` as a learner in `root` would type it.
#[must_use]
pub fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn file(root: &Path) -> PathBuf {
    root.join(".lab/progress.json")
}

fn backup(root: &Path) -> PathBuf {
    root.join(".lab/progress.last.json")
}
