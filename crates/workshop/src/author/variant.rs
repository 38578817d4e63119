//! Mistakes and alternatives: another text for one region of a solution, or for the whole of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::exercise::Solution;

/// A file of `tests/mistakes/labNN/` or `tests/alternatives/labNN/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The file's name without `.rs`.
    pub name: String,
    /// Relative to the root of the course, for messages.
    pub file: PathBuf,
    /// What it replaces.
    pub place: Place,
    /// `test:`, the tests that must fail. None for an alternative.
    pub tests: Vec<String>,
    /// `says:`, the words that these tests must fail with. Empty for an alternative.
    pub says: String,
    /// The region's new body, or the whole text.
    pub body: String,
}

/// What a variant replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The whole solution.
    WholeFile,
    /// The region of this task.
    Task(u8),
}

impl Variant {
    /// The mistakes in `directory`, by name. None when there is no such directory.
    ///
    /// # Errors
    /// A file cannot be read, or its head lacks `task:`, `test:` or `says:`.
    pub fn mistakes(root: &Path, directory: &Path) -> Result<Vec<Self>> {
        let mistakes = Self::all(root, directory)?;
        for mistake in &mistakes {
            let file = mistake.file.display();
            if mistake.place == Place::WholeFile {
                bail!("{file}: a mistake replaces one region: `//! task: N`");
            }
            if mistake.tests.is_empty() || mistake.says.is_empty() {
                bail!("{file}: write `//! test: NAME` and `//! says: words of its message`");
            }
        }
        Ok(mistakes)
    }

    /// The alternatives in `directory`, by name. None when there is no such directory.
    ///
    /// # Errors
    /// A file cannot be read, or its head has neither `alternative: whole file` nor `task:`.
    pub fn alternatives(root: &Path, directory: &Path) -> Result<Vec<Self>> {
        Self::all(root, directory)
    }

    fn all(root: &Path, directory: &Path) -> Result<Vec<Self>> {
        let entries = match fs::read_dir(root.join(directory)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result.with_context(|| format!("read {}", directory.display()))?,
        };
        let mut variants = Vec::new();
        for entry in entries {
            let file = directory.join(entry?.file_name());
            if file.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(root.join(&file)).with_context(|| format!("read {}", file.display()))?;
                variants.push(Self::parse(&file, &text)?);
            }
        }
        variants.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(variants)
    }

    fn parse(file: &Path, text: &str) -> Result<Self> {
        let (mut place, mut tests, mut says) = (None, Vec::new(), String::new());
        let (head, below) = head_and_body(text);
        for (key, value) in head {
            match (key, value) {
                ("alternative", "whole file") => place = Some(Place::WholeFile),
                ("task", number) => {
                    let number = number.parse().with_context(|| format!("{}: task: {number}", file.display()))?;
                    place = Some(Place::Task(number));
                }
                ("test", name) => tests.push(name.to_owned()),
                ("says", words) => says = words.to_owned(),
                _ => {}
            }
        }
        let Some(place) = place else {
            bail!("{}: write `//! task: N` or `//! alternative: whole file` in its head", file.display());
        };
        let body = match place {
            Place::WholeFile => text.to_owned(),
            Place::Task(_) => below,
        };
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, file: file.to_owned(), place, tests, says, body })
    }

    /// The text of the solution with this variant in place.
    ///
    /// # Errors
    /// The solution has no such task.
    pub fn in_place(&self, solution: &Solution) -> Result<String> {
        match self.place {
            Place::WholeFile => Ok(self.body.clone()),
            Place::Task(task) => solution
                .with_body(task, self.body.trim_matches('\n'))
                .with_context(|| format!("{}: its lab has no task {task}", self.file.display())),
        }
    }
}

/// The `KEY: VALUE` lines of a file's head, which is its `//!` comment, and what is below it.
pub fn head_and_body(text: &str) -> (Vec<(&str, &str)>, String) {
    let head = text.lines().take_while(|line| line.starts_with("//!"));
    let below = text.lines().skip(head.clone().count()).collect::<Vec<_>>().join("\n");
    (head.filter_map(|line| line.trim_start_matches("//!").trim().split_once(": ")).collect(), below)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISTAKE: &str = "//! Renames first.\n//!\n//! task: 4\n//! test: task4_a\n//! test: run_b\n//! says: the host was: renamed\n\nset()?;\nunshare()\n";

    #[test]
    fn a_mistake_has_a_head_and_a_body() {
        let mistake = Variant::parse(Path::new("tests/mistakes/lab01/early.rs"), MISTAKE).unwrap();
        assert_eq!((mistake.name.as_str(), mistake.place), ("early", Place::Task(4)));
        assert_eq!(mistake.tests, ["task4_a", "run_b"]);
        assert_eq!(mistake.says, "the host was: renamed");
        let solution = Solution::parse("x.rs", "fn f() {\n    // task 4: do it\n    // end task\n}\n").unwrap();
        assert_eq!(mistake.in_place(&solution).unwrap(), "fn f() {\nset()?;\nunshare()\n}\n");
        let other = Solution::parse("x.rs", "").unwrap();
        assert!(mistake.in_place(&other).unwrap_err().to_string().contains("early.rs: its lab has no task 4"));
    }

    #[test]
    fn an_alternative_may_be_the_whole_file() {
        let text = "//! alternative: whole file\n\nfn f() {}\n";
        let whole = Variant::parse(Path::new("raw_libc.rs"), text).unwrap();
        assert_eq!((whole.place, whole.body.as_str()), (Place::WholeFile, text));
        assert!(Variant::parse(Path::new("x.rs"), "fn f() {}\n").is_err());
    }
}
