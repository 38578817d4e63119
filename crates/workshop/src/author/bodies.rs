//! Every body that is tried in a lab's regions, in one program: which of them runs is a number in the program's file. A lab
//! is built once, not once for each, which would take most of the time that trying them takes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::variant::{Place, Variant};
use crate::course::Lab;
use crate::exercise::{Exercise, Solution};

/// What stands before the number in a program, and in no other file by chance.
const MARK: [u64; 2] = [0x9d3c_51e7_0b6f_28a4, 0x64f1_c8d2_973e_a05b];

/// The bodies of a lab.
pub struct Bodies {
    /// The solution with all of them in place.
    pub text: String,
    /// By the solution with one of them in place, the number that makes the program that one.
    numbers: HashMap<String, u64>,
}

impl Bodies {
    /// Those of the lab's mistakes, of alternatives to one region, and those that do nothing.
    ///
    /// # Errors
    /// One of their files cannot be read or is none.
    pub fn of(root: &Path, lab: &Lab, solution: &Solution) -> Result<Self> {
        let mut bodies: Vec<(u8, String)> = Vec::new();
        let mut texts = Vec::new();
        let mistakes = Variant::mistakes(root, &lab.mistakes())?;
        for variant in mistakes.into_iter().chain(Variant::alternatives(root, &lab.alternatives())?) {
            if let Place::Task(task) = variant.place {
                texts.push(variant.in_place(solution)?);
                bodies.push((task, variant.body));
            }
        }
        for Exercise { task, nothing, .. } in &solution.exercises {
            texts.extend(solution.with_body(*task, nothing));
            bodies.push((*task, nothing.clone()));
        }
        let numbers = texts.into_iter().zip(1..).collect();
        let mut text = solution.replaced(|exercise| {
            let mut choice = String::from("match BODY[2].load(std::sync::atomic::Ordering::Relaxed) {\n");
            for (number, (_, body)) in (1..).zip(&bodies).filter(|(_, (task, _))| *task == exercise.task) {
                _ = writeln!(choice, "{number}_u64 => {{\n{}\n}}", body.trim_matches('\n'));
            }
            _ = writeln!(choice, "_ => {{\n{}\n}}\n}}", exercise.body);
            Some(choice)
        });
        _ = write!(text, "static BODY: [std::sync::atomic::AtomicU64; 3] = [");
        // Atomic: what is never written would be taken for a constant else.
        for word in [MARK[0], MARK[1], 0] {
            _ = write!(text, "std::sync::atomic::AtomicU64::new({word}), ");
        }
        text.push_str("];\n");
        Ok(Self { text, numbers })
    }

    /// The number of the body that makes the solution `text`, if it is one of these.
    pub fn number(&self, text: &str) -> Option<u64> {
        self.numbers.get(text).copied()
    }
}

/// Makes a lab's test program, built of [`Bodies::text`], and the `boxwright` that it starts run the body with this number.
///
/// # Errors
/// As [`write`].
pub fn choose(test: &Path, number: u64) -> Result<()> {
    write(test, number)?;
    write(&boxwright_of(test)?, number)
}

/// The `boxwright` that was built with a test program.
///
/// # Errors
/// It is not where cargo puts test programs.
pub fn boxwright_of(test: &Path) -> Result<PathBuf> {
    let directory = test.ancestors().nth(2).context("a test program is in target/debug/deps")?;
    Ok(directory.join("boxwright"))
}

/// Makes `program` run the body with this number; with 0, the solution's own.
///
/// # Errors
/// It runs now, cannot be written, or has no number.
fn write(program: &Path, number: u64) -> Result<()> {
    let what = || format!("choose a body in {}", program.display());
    let content = fs::read(program).with_context(what)?;
    let mark: Vec<u8> = MARK.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // From behind, and aligned as the word is: programs are large, and their data is near the end.
    let word = content.chunks_exact(8).rposition(|word| word == &mark[..8]);
    let at = word.with_context(|| format!("{}: it has no mark", what()))? * 8;
    ensure!(content[at..].starts_with(&mark), "{}: it has half a mark", what());
    let file = File::options().write(true).open(program).with_context(what)?;
    file.write_all_at(&number.to_ne_bytes(), (at + mark.len()) as u64).with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_has_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let lab = Lab { number: 1, topic: "x".into() };
        fs::create_dir_all(file("tests/mistakes/lab01")).unwrap();
        let two = "//! task: 1\n//! test: t\n//! says: w\n\nlet it = 2;\nreturn it // two";
        fs::write(file("tests/mistakes/lab01/two.rs"), two).unwrap();
        let text = "fn number() -> i32 {\n    // task 1: one\n    // nothing: 0\n    1\n    // end task\n}\n";
        let solution = Solution::parse("x.rs", text).unwrap();
        let bodies = Bodies::of(directory.path(), &lab, &solution).unwrap();
        let arms = "1_u64 => {\nlet it = 2;\nreturn it // two\n}\n2_u64 => {\n0\n}\n_ => {\n    1\n\n}\n}";
        assert!(bodies.text.contains(arms), "{}", bodies.text);
        let number = |body: &str| bodies.number(&solution.with_body(1, body).unwrap());
        assert_eq!((number("let it = 2;\nreturn it // two"), number("0"), number("1")), (Some(1), Some(2), None));
    }

    #[test]
    fn it_is_written_behind_the_mark_and_nowhere_else() {
        let program = tempfile::NamedTempFile::new().unwrap();
        let content = |number: u64| [MARK[1], MARK[0], MARK[1], number, MARK[1]].map(u64::to_ne_bytes).concat();
        fs::write(program.path(), content(0)).unwrap();
        write(program.path(), 7).unwrap();
        assert_eq!(fs::read(program.path()).unwrap(), content(7));
        fs::write(program.path(), "no program").unwrap();
        assert!(write(program.path(), 7).is_err());
    }
}
