use super::*;

fn report(stdout: &str, stderr: &str, raw_status: i32) -> Report {
    let status = Some(ExitStatus::from_raw(raw_status));
    Report::read(&Finished { status, stdout: stdout.into(), stderr: stderr.into(), took: Duration::ZERO })
}

const MIXED: &str = "
running 4 tests
test task1_a ... ok
test task2_b ... FAILED
test task3_c ... ignored, later
test run_d ... FAILED

failures:

---- task2_b stdout ----
I print a line:
---- another stdout ----
failures:
and

thread 'task2_b' (17) panicked at labs/lab01_uts.rs:20:5:
not yet implemented: lab 01, task 2: call it

---- run_d stdout ----
second


failures:
    run_d
    task2_b

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

";

#[test]
fn each_test_has_its_outcome_and_its_own_output() {
    let report = report(MIXED, "", 101 << 8);
    let outcomes: Vec<_> = report.tests.iter().map(|test| (test.name.as_str(), test.status)).collect();
    let expected = [
        ("task1_a", Status::Passed),
        ("task2_b", Status::Failed),
        ("task3_c", Status::Ignored),
        ("run_d", Status::Failed),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!((report.passed(), &report.ended), (false, &Ended::Finished));
    let output = &report.test("task2_b").unwrap().output;
    assert!(output.starts_with("I print a line:\n---- another stdout ----\nfailures:\nand\n\nthread"), "{output}");
    assert!(output.ends_with("lab 01, task 2: call it"), "{output}");
    assert_eq!(report.test("run_d").unwrap().output, "second");
    assert_eq!(report.test("task1_a").unwrap().output, "");
}

#[test]
fn what_a_test_prints_may_stand_before_its_outcome() {
    let stdout = "test a ... hello\nworld\nok\ntest b ... text FAILED\ntest c - should panic ... ok\n\nfailures:\n\nfailures:\n    b\n\ntest result: FAILED.\n";
    let report = report(stdout, "", 101 << 8);
    let outcomes: Vec<_> = report.tests.iter().map(|test| (test.name.as_str(), test.status)).collect();
    assert_eq!(outcomes, [("a", Status::Passed), ("b", Status::Failed), ("c", Status::Passed)]);
}

#[test]
fn a_program_that_dies_or_hangs_has_not_passed() {
    let died = report("running 2 tests\ntest a ... ok\n", "", 6);
    assert_eq!((died.passed(), died.ended), (false, Ended::Died("killed by signal 6".into())));
    let finished = Finished { status: None, stdout: String::new(), stderr: String::new(), took: Duration::ZERO };
    assert_eq!(Report::read(&finished).ended, Ended::TimedOut);
    assert!(report("test a ... ok\n\ntest result: ok. 1 passed\n", "", 0).passed());
}

#[test]
fn a_skip_is_told_apart() {
    let stderr =
        "noise\nSKIP lab07::task2_x: needs cgroup v2: boot with systemd.unified_cgroup_hierarchy=1\nSKIP that\n";
    let report = report("test task2_x ... ok\ntest result: ok.\n", stderr, 0);
    let skip = report.skip("task2_x").unwrap();
    assert_eq!((skip.needs.as_str(), skip.how.as_str()), ("cgroup v2", "boot with systemd.unified_cgroup_hierarchy=1"));
    assert_eq!(report.skips.len(), 1);
}

#[test]
fn cargo_names_the_program_and_repeats_rustc() {
    let said = |target: &str, level: &str, message: &str| {
        let rendered = format!("{level}: {message}\n");
        let message = serde_json::json!({ "level": level, "message": message, "rendered": rendered });
        serde_json::json!({ "reason": "compiler-message", "target": { "name": target }, "message": message })
            .to_string()
    };
    let built = |target: &str, path: &str| {
        serde_json::json!({ "reason": "compiler-artifact", "target": { "name": target }, "executable": path })
            .to_string()
    };
    let json = [
        said("boxwright", "error", "no"),
        said("lab01", "error", "no"),
        said("lab01", "warning", "hm"),
        said("lab01", "error", "aborting due to 1 previous error; 1 warning emitted"),
        "not json".to_owned(),
        built("boxwright", "/t/boxwright"),
        built("lab01", "/t/lab01-1"),
    ];
    let messages = messages(&json.join("\n"), "lab01");
    assert_eq!(messages.program.unwrap(), PathBuf::from("/t/lab01-1"));
    assert_eq!((messages.errors.as_str(), messages.warnings.as_str()), ("error: no\n", "warning: hm\n"));
}
