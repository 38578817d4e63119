//! `cargo lab update`: a new version of the course below a learner's edits, without losing a line of them.
//!
//! ```text
//! set aside every edited lab ── starters back ── git pull --ff-only ── each edited lab back, merged where
//!        └ .lab/update.json names them until all is done               the starter changed meanwhile
//! ```
//!
//! An update that was killed halfway is finished by the next `cargo lab`, whatever the command.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::paint::{BAD, BOLD, DIM, GOOD, WARN};
use super::{kept, state};
use crate::course::{Course, Lab};

/// What is set aside, and of which version it was.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    /// The commit that the edited files are based on.
    from: String,
    edits: Vec<Edit>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Edit {
    /// `labs/lab01_uts.rs`
    file: PathBuf,
    /// `solutions/lab01_uts.rs`
    solution: PathBuf,
    /// The learner's version of it.
    kept: PathBuf,
}

/// Pulls the new version and puts the learner's labs back on it.
///
/// # Errors
/// No git, or the pull fails: then every file is as it was.
pub fn run(course: &Course) -> Result<()> {
    let root = &course.root;
    let _alone = lock(root)?.context("another `cargo lab update` is running")?;
    let from = text(git(root, &["rev-parse", "HEAD"])?)?;
    let journal = Journal { edits: set_aside(root, &from, &course.labs)?, from };
    state::replace(&journal_file(root), serde_json::to_string(&journal)?.as_bytes())?;
    let pulled = restore_starters(root, &journal).and_then(|()| git(root, &["pull", "--ff-only", "--quiet"]));
    put_back(root, &journal)?;
    if let Err(error) = pulled.and_then(text) {
        bail!("{error:#}\nNothing was updated, and your files are as they were");
    }
    let to = text(git(root, &["rev-parse", "HEAD"])?)?;
    let count = text(git(root, &["rev-list", "--count", &format!("{}..{to}", journal.from)])?)?;
    match count.as_str() {
        "0" => anstream::println!("{GOOD}up to date{GOOD:#}: there is nothing new"),
        _ => anstream::println!(
            "{GOOD}updated{GOOD:#}, new commits: {count}; `git log {}..` tells them",
            &journal.from[..9]
        ),
    }
    Ok(())
}

/// Finishes an update that was killed on its way, if there was one.
///
/// # Errors
/// A file cannot be put back; it is in `.lab/kept`.
pub fn recover(root: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(journal_file(root)) else { return Ok(()) };
    // Held: that update is under way in another terminal.
    let Some(_alone) = lock(root)? else { return Ok(()) };
    let journal = serde_json::from_str(&text).context("read .lab/update.json: your files are in .lab/kept")?;
    anstream::eprintln!("{WARN}note{WARN:#}: an update was interrupted; your files are put back now");
    put_back(root, &journal)
}

/// Keeps each lab that differs from the commit `from`, what was staged of it too.
fn set_aside(root: &Path, from: &str, labs: &[Lab]) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for lab in labs {
        let (Some(base), Ok(mine)) = (blob(root, from, &lab.file()), fs::read(root.join(lab.file()))) else { continue };
        let staged = blob(root, "", &lab.file()).filter(|staged| *staged != base && *staged != mine);
        if let Some(staged) = staged {
            kept::keep(root, &format!("{}-staged", lab.name()), &staged)?;
        }
        if mine != base {
            let kept = kept::keep(root, &lab.name(), &mine)?;
            edits.push(Edit { file: lab.file(), solution: lab.solution(), kept });
        }
    }
    Ok(edits)
}

/// From the commit, the index too: git refuses to pull over either.
fn restore_starters(root: &Path, journal: &Journal) -> Result<()> {
    for edit in &journal.edits {
        text(git(root, &["checkout", "--quiet", "HEAD", "--", &edit.file.to_string_lossy()])?)?;
    }
    Ok(())
}

fn put_back(root: &Path, journal: &Journal) -> Result<()> {
    for edit in &journal.edits {
        put_one_back(root, &journal.from, edit)
            .with_context(|| format!("put {} back: it is in {}", edit.file.display(), edit.kept.display()))?;
    }
    fs::remove_file(journal_file(root)).context("remove .lab/update.json")
}

fn put_one_back(root: &Path, from: &str, edit: &Edit) -> Result<()> {
    let (file, name, aside) = (root.join(&edit.file), edit.file.display(), state::shown(root, &edit.kept));
    let mine = fs::read(&edit.kept)?;
    let base = blob(root, from, &edit.file).unwrap_or_default();
    let Ok(new) = fs::read(&file) else {
        anstream::println!(
            "{WARN}gone{WARN:#}: {name} is no longer part of the course; yours is {BOLD}{aside}{BOLD:#}"
        );
        return Ok(());
    };
    let solution = fs::read(root.join(&edit.solution)).unwrap_or_else(|_| mine.clone());
    if solution != mine && blob(root, from, &edit.solution).is_some_and(|old| old == mine) {
        state::replace(&file, &solution)?;
        fs::remove_file(&edit.kept)?;
        anstream::println!("{DIM}{name}: skipped, so it is the new reference{DIM:#}");
    } else if new == base || new == mine {
        state::replace(&file, &mine)?;
        fs::remove_file(&edit.kept)?;
        anstream::println!("{DIM}{name}: yours, as it was{DIM:#}");
    } else if let Some(merged) = merge(&edit.kept, &base, &file)? {
        state::replace(&file, &merged)?;
        anstream::println!("{GOOD}{name}{GOOD:#}: yours, with what is new in its starter; as it was: {aside}");
    } else {
        let mut beside = file.with_extension("rs.new");
        if beside.exists() {
            beside = kept::free(&beside);
        }
        state::replace(&beside, &new)?;
        state::replace(&file, &mine)?;
        let beside = state::shown(root, &beside);
        anstream::println!(
            "{BAD}{name}{BAD:#}: yours, as it was: its starter changed in the same lines. The new starter is \
             {BOLD}{beside}{BOLD:#}: take over what you need, then remove it"
        );
    }
    Ok(())
}

/// `mine` with the changes from `base` to `new`; nothing when they meet in the same lines.
fn merge(mine: &Path, base: &[u8], new: &Path) -> Result<Option<Vec<u8>>> {
    let base_file = tempfile::NamedTempFile::new()?;
    fs::write(base_file.path(), base)?;
    let merged = Command::new("git").args(["merge-file", "-p"]).args([mine, base_file.path(), new]).output()?;
    Ok(merged.status.success().then_some(merged.stdout))
}

/// A file as it is in `commit`, or, for an empty `commit`, in the index.
fn blob(root: &Path, commit: &str, file: &Path) -> Option<Vec<u8>> {
    let shown = git(root, &["show", &format!("{commit}:./{}", file.display())]).ok()?;
    shown.status.success().then_some(shown.stdout)
}

fn git(root: &Path, args: &[&str]) -> Result<Output> {
    Command::new("git").current_dir(root).args(args).output().context("start git: is it installed?")
}

/// What git printed; what it complained about, when it failed.
fn text(output: Output) -> Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // git's own hints are about commands that the learner did not type.
        let lines: Vec<_> = said.trim().lines().filter(|line| !line.starts_with("hint:")).collect();
        let own = "\nYou have commits of your own: `git pull --rebase` puts them on the new version";
        bail!("git: {}{}", lines.join("\n"), if said.contains("fast-forward") { own } else { "" });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `None`: somebody else holds it.
fn lock(root: &Path) -> Result<Option<File>> {
    fs::create_dir_all(root.join(".lab")).context("make .lab")?;
    let file = File::create(root.join(".lab/update.lock")).context("open .lab/update.lock")?;
    Ok(file.try_lock().is_ok().then_some(file))
}

fn journal_file(root: &Path) -> PathBuf {
    root.join(".lab/update.json")
}
