//! A course of two labs in a temporary directory, small enough that its tests build in a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use assert_cmd::Command;
use tempfile::TempDir;
use workshop::exercise::Solution;

pub const FIRST: &str = "labs/lab00_first.rs";
pub const SECOND: &str = "labs/lab01_second.rs";

const FIRST_SOLUTION: &str = "\
//! Lab 00: numbers.

use std::fmt::Debug;

/// The answer.
pub fn answer() -> Result<u32, String> {
    // task 1: say 42
    Ok(42)
    // end task
}

/// The question.
pub fn question() -> Result<u32, String> {
    // task 2: say six times nine
    fn is_debug(_: impl Debug) {}
    is_debug(());
    Ok(54)
    // end task
}
";
const SECOND_SOLUTION: &str = "\
//! Lab 01: words.

use std::fmt::Debug;

/// A word.
pub fn word() -> Result<String, String> {
    // task 1: say a word
    fn is_debug(_: impl Debug) {}
    is_debug(());
    Ok(\"word\".to_owned())
    // end task
}
";
const STEPS: &str = "\
#[path = \"../labs/lab00_first.rs\"]
pub mod first;
#[path = \"../labs/lab01_second.rs\"]
pub mod second;
const _: fn() -> Result<u32, String> = first::answer;
";
const FIRST_TESTS: &str = "\
use std::io::Write;
#[test]
fn task1_the_answer_is_42() {
    assert_eq!(mini::steps::first::answer(), Ok(42), \"the answer is another one\");
}
#[test]
fn task2_the_question_is_54() {
    assert_eq!(mini::steps::first::question(), Ok(54));
}
#[test]
fn run_needs_root() {
    writeln!(std::io::stderr(), \"SKIP lab00::run_needs_root: needs root: cargo lab test 0 --root\").unwrap();
}
";
const SECOND_TESTS: &str = "\
#[test]
fn task1_says_something() {
    assert_eq!(mini::steps::second::word().as_deref(), Ok(\"word\"));
}
";
const CHAPTER: &str = "\
# Lab 00

## Hints

### Task 1

<details><summary>Hint 1: nudge</summary>
It is a number.
</details>
<details><summary>Hint 2: nearly there</summary>
Between 41 and 43.
</details>

### Task 2

<details><summary>Hint 1: nudge</summary>
Multiply.
</details>
";

/// The course, and the learner in it.
pub struct Mini {
    directory: TempDir,
}

impl Mini {
    /// With the starters in place.
    pub fn new() -> Self {
        let mini = Mini { directory: tempfile::tempdir().unwrap() };
        let files = [
            ("Cargo.toml", "[package]\nname = \"mini\"\nedition = \"2024\"\n[workspace]\n"),
            (".gitignore", "/target\n/.lab\n/labs/*.new\nCargo.lock\n"),
            ("src/lib.rs", "pub mod steps;\n"),
            ("src/steps.rs", STEPS),
            ("tests/lab00.rs", FIRST_TESTS),
            ("tests/lab01.rs", SECOND_TESTS),
            ("book/src/lab00-first.md", CHAPTER),
        ];
        for (path, text) in files {
            mini.write(path, text);
        }
        mini.author(0, "first", FIRST_SOLUTION);
        mini.author(1, "second", SECOND_SOLUTION);
        mini
    }

    /// What the course's author does: a solution, and the starter made of it.
    pub fn author(&self, number: u8, topic: &str, solution: &str) {
        let stem = format!("lab{number:02}_{topic}.rs");
        self.write(&format!("solutions/{stem}"), solution);
        self.write(&format!("labs/{stem}"), &Solution::parse(&stem, solution).unwrap().starter(number));
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces `from`, which must be there, in a file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from:?}:\n{text}");
        self.write(path, &text.replace(from, to));
    }

    /// Solves task `task` of lab 00 as the reference does.
    pub fn solve(&self, task: u8) {
        match task {
            1 => self.edit(FIRST, "todo!(\"lab 00, task 1: say 42\")", "Ok(42)"),
            _ => self.edit(
                FIRST,
                "todo!(\"lab 00, task 2: say six times nine\")",
                "fn is_debug(_: impl Debug) {}
    is_debug(());
    Ok(54)",
            ),
        }
    }

    /// The texts of the files in `.lab/kept`, oldest first.
    pub fn kept(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().join(".lab/kept")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// `cargo lab ARGS`, its output piped.
    pub fn lab(&self, args: &[&str]) -> Command {
        let mut command = Command::from_std(self.command());
        command.args(args);
        command
    }

    /// The same, to be started and left running.
    pub fn command(&self) -> process::Command {
        let mut command = process::Command::new(assert_cmd::cargo::cargo_bin!("lab"));
        command.current_dir(self.root()).stdin(Stdio::null());
        for name in ["CARGO_TARGET_DIR", "DISPLAY", "WAYLAND_DISPLAY", "CLICOLOR_FORCE", "CLICOLOR"] {
            command.env_remove(name);
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("BOXWRIGHT_ROOT", self.root().join("target/state"));
        command
    }

    /// Standard output of a command that exits with `code`; the error of any other says all.
    pub fn says(&self, args: &[&str], code: i32) -> String {
        let assert = self.lab(args).assert().code(code);
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    /// `git ARGS` in the course, as its author.
    pub fn git(&self, args: &[&str]) -> String {
        git(self.root(), args)
    }
}

pub fn git(directory: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.args(["-c", "user.name=author", "-c", "user.email=author@example.org"]).args(args);
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}
