//! Which labs there are, and which of their files lies where.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::Misuse;

/// The course as it lies on disk: its root directory and its labs, as found in `solutions/`.
#[derive(Debug, Clone)]
pub struct Course {
    /// The directory with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// By number.
    pub labs: Vec<Lab>,
}

/// One lab. All its paths are relative to the root of the course.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lab {
    /// 0 to 17.
    pub number: u8,
    /// `uts`: the module in `boxwright::steps`, and the second half of every file name.
    pub topic: String,
}

impl Course {
    /// Looks for the root from the current directory upwards, then where this program was built.
    ///
    /// # Errors
    /// No such directory, or the labs cannot be read.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().context("current directory")?;
        let built_at = Path::new(env!("CARGO_MANIFEST_DIR"));
        let is_root = |dir: &&Path| dir.join("solutions").is_dir() && dir.join("src/steps.rs").is_file();
        let root = here.ancestors().chain(built_at.ancestors()).find(is_root);
        Self::at(root.ok_or_else(|| anyhow!("no boxwright course in {} or above it", here.display()))?)
    }

    /// The course in `root`.
    ///
    /// # Errors
    /// `solutions/` cannot be read, or two labs have one number.
    pub fn at(root: &Path) -> Result<Self> {
        let solutions = root.join("solutions");
        let mut labs = Vec::new();
        for entry in fs::read_dir(&solutions).with_context(|| format!("read {}", solutions.display()))? {
            labs.extend(entry?.file_name().to_str().and_then(Lab::from_file_name));
        }
        labs.sort();
        match labs.windows(2).find(|pair| pair[0].number == pair[1].number) {
            Some(pair) => Err(anyhow!("two solutions for one lab: {} and {}", pair[0].stem(), pair[1].stem())),
            None => Ok(Self { root: root.to_owned(), labs }),
        }
    }

    /// The lab with this number.
    ///
    /// # Errors
    /// There is none: a [`Misuse`] that says which there are.
    pub fn lab(&self, number: u8) -> Result<&Lab, Misuse> {
        self.labs.iter().find(|lab| lab.number == number).ok_or_else(|| {
            let last = self.labs.last().map_or(0, |lab| lab.number);
            Misuse(format!("there is no lab {number:02}: labs go from 00 to {last:02}"))
        })
    }

    /// The lab with this number, or all of them.
    ///
    /// # Errors
    /// As [`Course::lab`].
    pub fn choose(&self, number: Option<u8>) -> Result<Vec<&Lab>, Misuse> {
        number.map_or_else(|| Ok(self.labs.iter().collect()), |number| Ok(vec![self.lab(number)?]))
    }
}

impl Lab {
    /// From `lab01_uts.rs`; `None` for any other form.
    fn from_file_name(name: &str) -> Option<Self> {
        let (number, topic) = name.strip_prefix("lab")?.strip_suffix(".rs")?.split_once('_')?;
        (number.len() == 2).then_some(Self { number: number.parse().ok()?, topic: topic.to_owned() })
    }

    /// `lab01`: the test target, and the directory of mistakes and of alternatives.
    #[must_use]
    pub fn name(&self) -> String {
        format!("lab{:02}", self.number)
    }

    /// `lab01_uts`
    #[must_use]
    pub fn stem(&self) -> String {
        format!("{}_{}", self.name(), self.topic)
    }

    /// `labs/lab01_uts.rs`: what the learner edits.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        format!("labs/{}.rs", self.stem()).into()
    }

    /// `solutions/lab01_uts.rs`
    #[must_use]
    pub fn solution(&self) -> PathBuf {
        format!("solutions/{}.rs", self.stem()).into()
    }

    /// `tests/lab01.rs`
    #[must_use]
    pub fn tests(&self) -> PathBuf {
        format!("tests/{}.rs", self.name()).into()
    }

    /// `tests/mistakes/lab01`
    #[must_use]
    pub fn mistakes(&self) -> PathBuf {
        format!("tests/mistakes/{}", self.name()).into()
    }

    /// `tests/alternatives/lab01`
    #[must_use]
    pub fn alternatives(&self) -> PathBuf {
        format!("tests/alternatives/{}", self.name()).into()
    }

    /// `book/src/lab01-uts.md`
    #[must_use]
    pub fn chapter(&self) -> PathBuf {
        format!("book/src/{}-{}.md", self.name(), self.topic).into()
    }
}

/// Reads a lab's number as people write it: `1`, `01`, `lab01`. For clap's `value_parser`.
///
/// # Errors
/// It is none of these.
pub fn lab_number(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix("lab").unwrap_or(text);
    number.parse().map_err(|error| format!("a lab is a number such as 5 or 05 ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_its_file_name() {
        let lab = Lab::from_file_name("lab07_cpu.rs").unwrap();
        assert_eq!((lab.number, lab.topic.as_str()), (7, "cpu"));
        assert_eq!(lab.solution(), Path::new("solutions/lab07_cpu.rs"));
        assert_eq!(lab.chapter(), Path::new("book/src/lab07-cpu.md"));
        for other in ["lab7_cpu.rs", "lab07_cpu.rs.orig", "lab07.rs", "mod.rs", "labxx_cpu.rs"] {
            assert_eq!(Lab::from_file_name(other), None, "{other}");
        }
    }

    #[test]
    fn this_course_is_found_and_in_order() {
        let course = Course::find().unwrap();
        assert_eq!(course.lab(1).unwrap().topic, "uts");
        // One may be missing that is still to come; none is there twice.
        assert!(course.labs.windows(2).all(|pair| pair[0].number < pair[1].number), "{:?}", course.labs);
        assert!(course.lab(99).unwrap_err().to_string().contains("there is no lab 99"));
    }
}
