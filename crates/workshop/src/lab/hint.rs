//! `cargo lab hint NN`: one more hint each time, for the first task that is not done.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use super::paint::{BOLD, DIM};
use super::state;
use crate::course::{Course, Lab};

/// One folded hint of a chapter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hint {
    /// `Hint 1: nudge`
    title: String,
    /// Markdown, as it stands in the chapter.
    text: String,
}

/// Shows the next hint of `lab`, for `task` or for the first task that is open or whose tests fail.
///
/// # Errors
/// No chapter, no hints for the task, or `.lab` cannot be written.
pub fn run(course: &Course, lab: &Lab, task: Option<u8>) -> Result<()> {
    let (root, number) = (&course.root, lab.number);
    let chapter = lab.chapter();
    let text = fs::read_to_string(root.join(&chapter)).with_context(|| format!("read {}", chapter.display()))?;
    let known = state::load(root)?.lab(number);
    let file = fs::read_to_string(root.join(lab.file())).unwrap_or_default();
    let failing = known.run.iter().flat_map(|run| &run.failed).filter_map(|test| task_of(test));
    let Some(task) = task.or_else(|| open_tasks(&file).into_iter().chain(failing).min()) else {
        anstream::println!(
            "No task of lab {number:02} is open, and none failed when `cargo lab test {number}` was last run. The hints of \
             any task: `cargo lab hint {number} --task 1`."
        );
        return Ok(());
    };
    let hints = parse(&text).remove(&task).unwrap_or_default();
    if hints.is_empty() {
        bail!("{} has no hints for task {task}", chapter.display());
    }
    let seen = known.hints.get(&task).copied().unwrap_or(0);
    anstream::println!("{BOLD}Lab {number:02}, task {task}{BOLD:#}: {}\n", lab.file().display());
    let again = seen >= hints.len();
    for hint in if again { &hints[..] } else { &hints[seen..=seen] } {
        anstream::println!("{BOLD}{}{BOLD:#}  {DIM}({} in all){DIM:#}\n\n{}\n", hint.title, hints.len(), hint.text);
    }
    if again {
        anstream::println!(
            "{DIM}Those are all. `cargo lab diff {number}` shows the reference beside your file; `cargo lab skip \
             {number}` lets you go on without this lab.{DIM:#}"
        );
        return Ok(());
    }
    state::change(root, number, |lab| {
        lab.hints.insert(task, seen + 1);
    })
}

/// The tasks of the `todo!("lab 01, task 2: …")` that are left in `file`, comments left out.
fn open_tasks(file: &str) -> Vec<u8> {
    let code = file.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.filter_map(|line| number(line.split_once("todo!(\"lab ")?.1.split_once(", task ")?.1)).collect()
}

/// `task2_the_host_keeps_its_name` is of task 2.
fn task_of(test: &str) -> Option<u8> {
    number(test.strip_prefix("task")?)
}

/// The number at the start of `text`.
fn number(text: &str) -> Option<u8> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The hints of a chapter by task: `<details>` blocks below `### Task N` in the section `## Hints`.
fn parse(chapter: &str) -> BTreeMap<u8, Vec<Hint>> {
    let mut hints: BTreeMap<u8, Vec<Hint>> = BTreeMap::new();
    let section = chapter.lines().skip_while(|line| line.trim_end() != "## Hints").skip(1);
    let (mut task, mut open) = (None, None::<Hint>);
    for line in section.take_while(|line| !line.starts_with("## ")) {
        if let Some(head) = line.strip_prefix("### Task ") {
            task = number(head);
        } else if line.contains("<summary>") {
            let title = line.split(['<', '>']).skip_while(|part| *part != "summary").nth(1).unwrap_or_default();
            open = Some(Hint { title: title.to_owned(), text: String::new() });
        } else if line.trim() == "</details>" {
            if let (Some(task), Some(mut hint)) = (task, open.take()) {
                hint.text = hint.text.trim().to_owned();
                hints.entry(task).or_default().push(hint);
            }
        } else if let Some(hint) = &mut open {
            hint.text.push_str(line);
            hint.text.push('\n');
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "\
## Tasks
### Task 1
<details><summary>No hint</summary>
</details>
## Hints

### Task 1

<details><summary>Hint 1: nudge</summary>

Look at `man 2 unshare`.

</details>
<details>
<summary>Hint 2: nearly there</summary>

```rust
unshare(flag)
```
</details>

### Task 12
<details><summary>Hint 1: nudge</summary>
Twelve.
</details>

## Going further
<details><summary>Not a hint</summary>
</details>
";

    #[test]
    fn hints_are_the_folded_blocks_of_their_task_and_section() {
        let hints = parse(CHAPTER);
        assert_eq!(hints.keys().copied().collect::<Vec<_>>(), [1, 12]);
        assert_eq!(hints[&1][0], Hint { title: "Hint 1: nudge".into(), text: "Look at `man 2 unshare`.".into() });
        assert_eq!(hints[&1][1].text, "```rust\nunshare(flag)\n```");
        assert_eq!(hints[&12].len(), 1);
    }

    #[test]
    fn an_open_task_is_one_whose_todo_is_not_a_comment() {
        let file = "todo!(\"lab 01, task 3: a\")\n// todo!(\"lab 01, task 1: b\")\n    todo!(\"lab 01, task 2: c\")\n";
        assert_eq!(open_tasks(file), [3, 2]);
        assert_eq!((task_of("task12_x"), task_of("run_hostname")), (Some(12), None));
    }
}
