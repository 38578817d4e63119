//! `cargo lab update`: not a line of the learner's is lost.

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;

use super::mini::{FIRST, Mini, SECOND, git};

/// The course's own repository, and a learner's clone of it.
fn published() -> (Mini, Mini) {
    let (course, learner) = (Mini::new(), Mini::new());
    course.git(&["init", "-q", "-b", "main"]);
    publish(&course);
    fs::remove_dir_all(learner.root()).unwrap();
    git(course.root(), &["clone", "-q", ".", &learner.root().to_string_lossy()]);
    (course, learner)
}

fn publish(course: &Mini) {
    course.git(&["add", "-A"]);
    course.git(&["commit", "-q", "-m", "A version"]);
}

/// A new version of lab 00.
fn renew(course: &Mini, from: &str, to: &str) {
    let solution = course.read("solutions/lab00_first.rs").replace(from, to);
    course.author(0, "first", &solution);
    publish(course);
}

#[test]
fn an_edited_lab_whose_starter_did_not_change_stays_as_it_is() {
    let (course, learner) = published();
    learner.solve(1);
    let mine = learner.read(FIRST);
    learner.lab(&["update"]).assert().success().stdout(contains("up to date"));
    course.write("README.md", "new\n");
    publish(&course);
    learner.lab(&["update"]).assert().success().stdout(contains("updated, new commits: 1"));
    assert_eq!((learner.read("README.md").as_str(), learner.read(FIRST)), ("new\n", mine));
    assert!(learner.kept().is_empty(), "what is back in its place needs no copy");
}

#[test]
fn a_changed_starter_is_merged_where_it_can_be() {
    let (course, learner) = published();
    learner.edit(FIRST, "todo!(\"lab 00, task 2: say six times nine\")", "Ok(54) // mine");
    let mine = learner.read(FIRST);
    renew(&course, "/// The answer.", "/// The answer to everything.");
    learner.lab(&["update"]).assert().success().stdout(contains("with what is new in its starter"));
    let merged = learner.read(FIRST);
    assert!(merged.contains("Ok(54) // mine") && merged.contains("/// The answer to everything."), "{merged}");
    assert_eq!(learner.kept(), [mine]);
}

#[test]
fn a_conflict_leaves_the_learners_file_and_puts_the_new_starter_beside() {
    let (course, learner) = published();
    learner.edit(FIRST, "todo!(\"lab 00, task 1: say 42\")", "Ok(42) // mine");
    let mine = learner.read(FIRST);
    renew(&course, "task 1: say 42", "task 1: say forty-two");
    learner.lab(&["update"]).assert().success().stdout(contains("labs/lab00_first.rs.new"));
    assert_eq!(learner.read(FIRST), mine);
    assert_eq!(learner.read("labs/lab00_first.rs.new"), course.read(FIRST));
    assert!(learner.kept().contains(&mine));
}

#[test]
fn when_the_pull_fails_everything_is_as_it_was() {
    let (course, learner) = published();
    learner.solve(1);
    let mine = learner.read(FIRST);
    learner.write("README.md", "the learner's notes\n");
    course.write("README.md", "new\n");
    publish(&course);
    let before = learner.git(&["rev-parse", "HEAD"]);
    let assert = learner.lab(&["update"]).assert().code(1);
    assert.stderr(contains("README.md").and(contains("your files are as they were")));
    assert_eq!((learner.read(FIRST), learner.read("README.md").as_str()), (mine, "the learner's notes\n"));
    assert_eq!(learner.git(&["rev-parse", "HEAD"]), before);
}

#[test]
fn who_has_commits_of_their_own_is_told_what_to_type() {
    let (course, learner) = published();
    learner.solve(1);
    publish(&learner);
    let mine = learner.read(FIRST);
    course.write("README.md", "new\n");
    publish(&course);
    let assert = learner.lab(&["update"]).assert().code(1);
    assert.stderr(contains("`git pull --rebase`").and(contains("hint:").not()));
    assert_eq!(learner.read(FIRST), mine);
}

#[test]
fn a_skipped_lab_becomes_the_new_reference() {
    let (course, learner) = published();
    learner.lab(&["skip", "0"]).assert().success();
    renew(&course, "Ok(54)", "Ok(27 + 27)");
    learner.lab(&["update"]).assert().success().stdout(contains("the new reference"));
    assert_eq!(learner.read(FIRST), course.read("solutions/lab00_first.rs"));
}

#[test]
fn an_update_that_was_killed_is_finished_by_the_next_command() {
    let (course, learner) = published();
    learner.write(SECOND, "// mine\n");
    let starter = course.read(SECOND);
    // As it is between setting aside and pulling.
    let kept = learner.root().join(".lab/kept/lab01-20260101-000000.rs");
    learner.write(".lab/kept/lab01-20260101-000000.rs", "// mine\n");
    let journal = serde_json::json!({
        "from": learner.git(&["rev-parse", "HEAD"]).trim(),
        "edits": [{ "file": SECOND, "solution": "solutions/lab01_second.rs", "kept": kept }],
    });
    learner.write(".lab/update.json", &journal.to_string());
    learner.write(SECOND, &starter);
    learner.lab(&["open", "0"]).assert().success().stderr(contains("an update was interrupted"));
    assert_eq!(learner.read(SECOND), "// mine\n");
    assert!(!learner.root().join(".lab/update.json").exists());
}

#[test]
fn without_git_nothing_is_touched() {
    let mini = Mini::new();
    mini.solve(1);
    let mine = mini.read(FIRST);
    mini.lab(&["update"]).assert().code(1).stderr(contains("not a git repository"));
    assert_eq!(mini.read(FIRST), mine);
}
