//! `cargo lab` from the outside, over a course of two labs.

mod mini;
mod update;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mini::{FIRST, Mini, SECOND};
use nix::unistd::Uid;
use predicates::prelude::*;
use predicates::str::contains;
use testkit::needs;

#[test]
fn a_fresh_course_is_not_started_and_says_what_is_next() {
    let mini = Mini::new();
    let dashboard = mini.says(&[], 0);
    assert!(dashboard.contains("00 first      not started"), "{dashboard}");
    assert!(dashboard.contains("next: lab 00: read its chapter (`cargo lab open 0`)"), "{dashboard}");
    assert!(!dashboard.contains('\x1b'), "colours in a pipe: {dashboard:?}");

    let json: serde_json::Value = serde_json::from_str(&mini.says(&["--json"], 0)).unwrap();
    assert_eq!(json["labs"][1]["status"], "not-started");
    assert!(json["needs"].as_array().is_some_and(|needs| needs.len() > 8));
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let mini = Mini::new();
    mini.lab(&[]).env("CLICOLOR_FORCE", "1").assert().success().stdout(contains("\x1b["));
    mini.lab(&[]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").assert().success();
    mini.lab(&["test", "0"]).assert().code(1).stdout(contains("\x1b[").not());
}

#[test]
fn wrong_use_is_one_helpful_line_and_exit_code_2() {
    let mini = Mini::new();
    let no_such = "error: there is no lab \"9\"; there are 0 first, 1 second\n";
    for command in ["test", "watch", "hint", "diff", "reset", "skip", "open"] {
        mini.lab(&[command, "9"]).assert().code(2).stderr(no_such);
    }
    mini.lab(&["tets", "1"]).assert().code(2).stderr(contains("a similar subcommand exists: 'test'"));
    mini.lab(&["--json", "clean"]).assert().code(2).stderr(contains("--json goes with"));
}

#[test]
fn a_lab_goes_from_not_started_to_passed_and_back() {
    needs!(program = cargo);
    let mini = Mini::new();
    for name in ["0", "00", "lab00", "first", "lab00_first"] {
        mini.lab(&["test", name]).assert().code(1);
    }
    mini.solve(1);
    assert!(mini.says(&[], 0).contains("in progress  not tested since the last edit"));

    let tested = mini.says(&["test", "0"], 1);
    let first = tested.lines().next().unwrap();
    assert_eq!(first, "task2_the_question_is_54", "the first failure is on top:\n{tested}");
    for line in ["ok       task1_the_answer", "FAILED   task2", "SKIPPED  run_needs_root: needs root: cargo lab test 0"]
    {
        assert!(tested.contains(line), "{line}:\n{tested}");
    }
    assert!(tested.contains("1 ok, 1 failed, 1 skipped"), "{tested}");
    assert!(mini.says(&[], 0).contains("in progress  1 of 3 tests pass"));

    mini.solve(2);
    let green = mini.says(&["test", "0"], 0);
    assert!(green.contains("expectation is unfulfilled"), "the line to remove is named:\n{green}");
    assert!(green.contains("next: lab 01"), "{green}");
    let dashboard = mini.says(&[], 0);
    assert!(dashboard.contains("passed  1 of 3 tests skipped: needs root"), "a skip is never a pass:\n{dashboard}");

    mini.edit(FIRST, "Ok(42)", "Ok(41)");
    assert!(mini.says(&[], 0).contains("00 first      in progress"));
}

#[test]
fn what_does_not_compile_is_shown_with_its_place_and_help() {
    needs!(program = cargo);
    let mini = Mini::new();
    mini.edit(FIRST, "todo!(\"lab 00, task 1: say 42\")", "fourtytwo()");
    let says = mini.says(&["test", "0"], 1);
    assert!(says.contains("cannot find function `fourtytwo`"), "{says}");
    assert!(says.contains("help: start at labs/lab00_first.rs:"), "{says}");
    assert!(mini.says(&["test", "1"], 1).contains("help: the error is in labs/lab00_first.rs"));

    mini.edit(FIRST, "fourtytwo()", "Ok(42)");
    mini.edit(FIRST, "answer() -> Result<u32, String>", "answer() -> Result<u64, String>");
    let says = mini.says(&["test", "0"], 1);
    assert!(says.contains("help: a function has another name or signature"), "{says}");
}

#[test]
fn reset_and_skip_keep_the_file_aside_each_time() {
    let mini = Mini::new();
    let starter = mini.read(FIRST);
    for nth in 0..3 {
        mini.write(FIRST, &format!("// mine {nth}\n"));
        let says = mini.says(&[if nth == 1 { "skip" } else { "reset" }, "0"], 0);
        assert!(says.contains("Your file is kept: .lab/kept/lab00-"), "{says}");
    }
    assert_eq!(mini.kept().len(), 3);
    assert!((0..3).all(|nth| mini.kept().contains(&format!("// mine {nth}\n"))), "{:?}", mini.kept());
    assert_eq!(mini.read(FIRST), starter);
    mini.lab(&["reset", "0"]).assert().success().stdout(contains("kept").not());
}

#[test]
fn a_skipped_lab_is_the_reference_and_is_marked() {
    needs!(program = cargo);
    let mini = Mini::new();
    mini.lab(&["skip", "0"]).assert().success().stdout(contains("kept").not());
    assert_eq!(mini.read(FIRST), mini.read("solutions/lab00_first.rs"));
    let dashboard = mini.says(&[], 0);
    assert!(dashboard.contains("skipped  the reference stands in for your file"), "{dashboard}");
    mini.lab(&["test", "0"]).assert().success();
    assert!(mini.says(&[], 0).contains("00 first      skipped"), "green is not passed when it is not yours");
    mini.lab(&["reset", "0"]).assert().success();
    assert!(mini.says(&[], 0).contains("00 first      not started"));
}

#[test]
fn a_broken_state_file_is_told_and_kept_and_the_last_good_one_goes_on() {
    needs!(program = cargo);
    let mini = Mini::new();
    mini.solve(1);
    mini.solve(2);
    mini.lab(&["test", "0"]).assert().success();
    mini.lab(&["skip", "1"]).assert().success();
    mini.write(".lab/progress.json", "{ \"version\": 1, \"la");
    let note = mini.lab(&[]).assert().success();
    let note = String::from_utf8_lossy(&note.get_output().stderr).into_owned();
    assert!(note.contains(".lab/progress.json cannot be read: it is now .lab/progress.broken-"), "{note}");
    let broken = fs::read_dir(mini.root().join(".lab")).unwrap().flatten();
    let broken: Vec<_> = broken.filter(|entry| entry.file_name().to_string_lossy().contains("broken")).collect();
    assert_eq!(fs::read_to_string(broken[0].path()).unwrap(), "{ \"version\": 1, \"la");
    mini.lab(&[]).assert().success().stdout(contains("00 first      passed")).stderr("");
}

#[test]
fn a_state_file_of_a_later_version_is_kept_and_what_parses_is_used() {
    needs!(program = cargo);
    let mini = Mini::new();
    mini.solve(1);
    mini.solve(2);
    mini.lab(&["test", "0"]).assert().success();
    let later = mini.read(".lab/progress.json").replace("\"version\": 1", "\"version\": 2, \"mood\": \"good\"");
    mini.write(".lab/progress.json", &later);
    let assert = mini.lab(&[]).assert().success().stdout(contains("00 first      passed"));
    assert.stderr(contains("is of version 2, later than mine: it is now .lab/progress.v2-"));
    let kept = fs::read_dir(mini.root().join(".lab")).unwrap().flatten();
    let kept = kept.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("progress.v2-")).unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), later);
}

#[test]
fn hints_come_one_at_a_time_for_the_first_open_task() {
    needs!(program = cargo);
    let mini = Mini::new();
    let hint = || mini.says(&["hint", "0"], 0);
    assert!(hint().contains("It is a number."));
    let second = hint();
    assert!(second.contains("Between 41 and 43.") && !second.contains("It is a number."), "{second}");
    let all = hint();
    assert!(all.contains("It is a number.") && all.contains("Those are all."), "{all}");
    mini.solve(1);
    assert!(hint().contains("Multiply."));
    mini.solve(2);
    assert!(hint().contains("No task of lab 00 is open"));
    mini.edit(FIRST, "Ok(42)", "Ok(41)");
    mini.lab(&["test", "0"]).assert().code(1);
    assert!(hint().contains("Lab 00, task 1"), "a red test asks for its task's hints");
}

#[test]
fn the_difference_shows_both_sides_without_the_courses_marks() {
    let mini = Mini::new();
    mini.edit(FIRST, "todo!(\"lab 00, task 1: say 42\")", "Ok(41)");
    let diff = mini.says(&["diff", "0"], 0);
    assert!(diff.contains("-    Ok(41)\n") && diff.contains("+    Ok(42)\n"), "{diff}");
    assert!(!diff.contains("end task"), "{diff}");
}

#[test]
fn the_built_chapter_is_opened_if_there_is_one() {
    let mini = Mini::new();
    mini.lab(&["open", "0"]).assert().success().stdout("book/src/lab00-first.md\n");
    mini.write("book/book/lab00-first.html", "<h1>");
    mini.lab(&["open", "0"]).assert().success().stdout("book/book/lab00-first.html\n");
    mini.lab(&["open", "1"]).assert().code(1).stderr(contains("there is no chapter book/src/lab01-second.md"));
}

#[test]
fn root_is_for_the_test_program_alone() {
    needs!(program = cargo);
    let mini = Mini::new();
    if Uid::effective().is_root() {
        mini.lab(&["test", "0", "--root"]).assert().code(1).stderr(contains("already root"));
        return;
    }
    // Stands for sudo: notes what it is asked to run, and runs it.
    let sudo = "#!/bin/sh\n[ \"$1\" = -v ] && exit\necho \"$*\" >> sudo.log\nshift 3\nexec \"$@\"\n";
    mini.write("bin/sudo", sudo);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(mini.root().join("bin/sudo"), executable).unwrap();
    let path = format!("{}:{}", mini.root().join("bin").display(), std::env::var("PATH").unwrap());
    mini.lab(&["test", "0", "--root"]).env("PATH", path).assert().code(1);
    let log = mini.read("sudo.log");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.starts_with("-n --preserve-env=PATH,")
            && log.contains(" timeout -s KILL 100 ")
            && log.contains("/target/debug/deps/lab00-"),
        "{log}"
    );
}

#[test]
fn cleaning_removes_what_is_ours_and_nothing_else() {
    let mini = Mini::new();
    mini.write("target/tmp/shield-left/work/work/file", "");
    let no_one = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs::set_permissions(mini.root().join("target/tmp/shield-left/work/work"), no_one).unwrap();
    mini.write("target/tmp/other/file", "");
    for (name, lock) in [("gone", None), ("runs", Some(()))] {
        mini.write(&format!("target/state/{name}/lock"), "");
        let file = File::open(mini.root().join(format!("target/state/{name}/lock"))).unwrap();
        // Held until the end of this process.
        if lock.is_some() {
            file.lock().unwrap();
            std::mem::forget(file);
        }
    }
    let executable_by_owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(mini.root().join("target/state"), executable_by_owner_only).unwrap();
    let says = mini.says(&["clean"], 0);
    assert!(says.contains("removed: container gone") && says.contains("target/tmp/shield-left"), "{says}");
    assert!(mini.root().join("target/state/runs").exists() && mini.root().join("target/tmp/other/file").exists());
    assert!(!mini.root().join("target/state/gone").exists() && !mini.root().join("target/tmp/shield-left").exists());
    assert!(mini.says(&["clean"], 0).contains("nothing was left behind"));
}

#[test]
fn watching_tests_again_after_each_save_and_follows_the_file() {
    needs!(program = cargo);
    let mini = Mini::new();
    let mut watch = mini.command().arg("watch").stdout(Stdio::piped()).spawn().unwrap();
    let (send, lines) = mpsc::channel();
    let stdout = BufReader::new(watch.stdout.take().unwrap());
    thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let until = |words: &str| {
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(words)) {
                return;
            }
        }
        panic!("no {words:?} in {seen:?}");
    };
    until("FAILED   task1_the_answer_is_42");
    until("watching labs/");
    mini.solve(1);
    until("ok       task1_the_answer_is_42");
    until("watching labs/");
    mini.write(SECOND, &mini.read("solutions/lab01_second.rs"));
    until("lab 01 second");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mini = Mini::new();
    let mut lab = mini.command().arg("doctor").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(lab.stdout.take());
    let output = lab.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}
