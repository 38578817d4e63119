//! The marked regions of a solution: the one parser behind starters, mistakes and alternatives.
//!
//! ```text
//! pub fn set_hostname(name: &str) -> Result<()> {
//!     // task 2: one line that says what to do          <- the starter's todo!("lab 01, task 2: …")
//!     // nothing: Ok(())                                <- optional: the do-nothing body
//!     sethostname(name).during("sethostname", name)
//!     // end task
//! }
//! ```
//!
//! A region stands directly in the body of a function, a function has at most one, and numbers do not repeat.

mod outline;

use std::fs;
use std::path::Path;

use anyhow::Context;
use outline::Outline;

/// The line that lets an unsolved file compile without a warning.
const EXPECT_UNUSED: &str =
    r#"#![expect(unused, reason = "exercises are open: remove this line when the compiler asks for it")]"#;
/// What a region does when it does nothing, unless it says so itself.
const NOTHING: &str = "Ok(Default::default())";

/// A mistake in the markers of a file, with its place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct Error {
    /// The path that was given to [`Solution::parse`].
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// One marked region: one task, one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exercise {
    /// The number in `task N`, unique within its lab.
    pub task: u8,
    /// What to do, in one line.
    pub todo: String,
    /// The function that the region is the body of.
    pub function: String,
    /// The line of the solution with the opening marker, counted from 1.
    pub line: usize,
    /// What stands between the markers, without the line `// nothing:`.
    pub body: String,
    /// A body of the right type that does nothing.
    pub nothing: String,
    /// The line of the closing marker, counted from 1.
    end: usize,
    /// The white space before the opening marker.
    indent: String,
}

/// A file of `solutions/`, with its exercises in the order in which they stand there.
#[derive(Debug, Clone)]
pub struct Solution {
    text: String,
    /// At least in a finished lab, numbered 1, 2, 3, …
    pub exercises: Vec<Exercise>,
}

impl Solution {
    /// Reads and parses `path`, which is relative to `root`.
    ///
    /// # Errors
    /// The file cannot be read, or [`Error`].
    pub fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(root.join(path)).with_context(|| format!("read {}", path.display()))?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Finds the regions in `text`; `file` is its name in error messages.
    ///
    /// # Errors
    /// A region without end, outside of a function or in an inner block, a number twice, text that is not Rust.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let at = |line: usize, problem: String| Error { file: file.to_owned(), line, problem };
        let outline = Outline::parse(text).map_err(|line| at(line, "this is not Rust: see what rustc says".into()))?;
        let mut exercises: Vec<Exercise> = Vec::new();
        let mut open: Option<Exercise> = None;
        for (line, content) in (1..).zip(text.lines()) {
            let marker = if outline.in_literal(line) { "" } else { content.trim() };
            match (marker.strip_prefix("// task "), &mut open) {
                (Some(_), Some(first)) => {
                    return Err(at(first.line, format!("task {} has no `// end task` before line {line}", first.task)));
                }
                (Some(head), None) => {
                    let mut exercise = begin(head, line).ok_or_else(|| {
                        at(line, "write `// task N: what to do`, with a number from 1 to 255 and a text".into())
                    })?;
                    exercise.function = outline.function_at(line).ok_or_else(|| {
                        at(line, format!("task {} is not directly in the body of a function", exercise.task))
                    })?;
                    exercise.indent = content[..content.len() - content.trim_start().len()].to_owned();
                    let earlier = exercises.iter().find(|e| e.task == exercise.task || e.function == exercise.function);
                    if let Some(earlier) = earlier {
                        let clash = format!("task {} in `{}`", earlier.task, earlier.function);
                        return Err(at(line, format!("line {} has {clash} already: one each", earlier.line)));
                    }
                    open = Some(exercise);
                }
                (None, None) if marker == "// end task" => return Err(at(line, "no task is open here".into())),
                (None, Some(exercise)) if marker == "// end task" => {
                    if outline.innermost(line) != outline.innermost(exercise.line) {
                        let task = exercise.task;
                        return Err(at(
                            line,
                            format!("task {task} starts at line {}, in another block", exercise.line),
                        ));
                    }
                    exercise.end = line;
                    exercises.extend(open.take());
                }
                (None, Some(exercise)) => match marker.strip_prefix("// nothing: ") {
                    Some(nothing) if line == exercise.line + 1 => exercise.nothing = nothing.to_owned(),
                    _ => {
                        exercise.body.push_str(content);
                        exercise.body.push('\n');
                    }
                },
                (None, None) => {}
            }
        }
        match open {
            Some(open) => Err(at(open.line, format!("task {} has no `// end task`", open.task))),
            None => Ok(Self { text: text.to_owned(), exercises }),
        }
    }

    /// What the learner starts with: a `todo!` in place of each region, all else word for word.
    #[must_use]
    pub fn starter(&self, lab: u8) -> String {
        let open = self.replaced(|exercise| Some(format!("{}{}\n", exercise.indent, exercise.todo_macro(lab))));
        let mut starter = String::with_capacity(open.len());
        let mut in_head = true;
        for line in open.lines().filter(|line| !is_anchor(line)) {
            if in_head && !line.is_empty() && !line.starts_with("//!") {
                in_head = false;
                starter.push_str(EXPECT_UNUSED);
                starter.push_str(if line.starts_with("#![") { "\n" } else { "\n\n" });
            }
            starter.push_str(line);
            starter.push('\n');
        }
        starter
    }

    /// The solution with another body in the region of `task`; the markers go. `None`: there is no such task.
    #[must_use]
    pub fn with_body(&self, task: u8, body: &str) -> Option<String> {
        self.exercise(task)?;
        Some(self.replaced(|exercise| (exercise.task == task).then(|| format!("{}\n", body.trim_end()))))
    }

    /// The exercise with this number.
    #[must_use]
    pub fn exercise(&self, task: u8) -> Option<&Exercise> {
        self.exercises.iter().find(|exercise| exercise.task == task)
    }

    /// The file as it is.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with each region, markers and all, replaced by what `body` gives for it, if anything.
    pub fn replaced(&self, body: impl Fn(&Exercise) -> Option<String>) -> String {
        let mut text = String::with_capacity(self.text.len());
        for (number, line) in (1..).zip(self.text.lines()) {
            let region = self.exercises.iter().find(|exercise| (exercise.line..=exercise.end).contains(&number));
            match region.and_then(|exercise| Some((exercise, body(exercise)?))) {
                Some((exercise, body)) if exercise.line == number => text.push_str(&body),
                Some(_) => {}
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        text
    }
}

impl Exercise {
    /// `todo!("lab 01, task 2: …")`
    #[must_use]
    pub fn todo_macro(&self, lab: u8) -> String {
        // The text becomes a format string, where a brace must be doubled.
        let text = format!("lab {lab:02}, task {}: {}", self.task, self.todo).replace('{', "{{").replace('}', "}}");
        format!("todo!({text:?})")
    }
}

/// `2: one line that says what to do`, from an opening marker.
fn begin(head: &str, line: usize) -> Option<Exercise> {
    let (number, todo) = head.split_once(": ")?;
    let task = number.parse().ok().filter(|&task| task > 0)?;
    let exercise = Exercise {
        task,
        todo: todo.trim().to_owned(),
        function: String::new(),
        line,
        body: String::new(),
        nothing: NOTHING.to_owned(),
        end: line,
        indent: String::new(),
    };
    (!exercise.todo.is_empty()).then_some(exercise)
}

/// A comment that marks an excerpt for mdBook.
fn is_anchor(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("// ANCHOR: ") || line.starts_with("// ANCHOR_END: ")
}

#[cfg(test)]
mod tests;
