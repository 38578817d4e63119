use super::*;

const TWO: &str = r#"//! Lab 01: an example.

#![allow(unsafe_code, reason = "…")]

// ANCHOR: first
/// Adds.
pub fn add(a: u8) -> Result<u8> {
    // task 1: match {a}, say "done"
    match a {
        0 => { Ok(1) }
        _ => Ok(a + 1),
    }
    // end task
}
// ANCHOR_END: first

mod inner {
    impl T for U {
        fn text(f: fn(u8) -> u8) -> &'static str {
            // task 2: give the text
            // nothing: ""
            r"
            // task 3: part of a string
            // end task
            }"
            // end task
        }
    }
}
"#;

fn problem(text: &str) -> String {
    Solution::parse("solutions/lab01_x.rs", text).unwrap_err().to_string()
}

#[test]
fn regions_are_found_through_nested_braces_and_strings() {
    let solution = Solution::parse("x.rs", TWO).unwrap();
    let [add, text] = solution.exercises.as_slice() else { panic!("{:?}", solution.exercises) };
    assert_eq!((add.task, add.function.as_str(), add.line), (1, "add", 8));
    assert_eq!(add.nothing, "Ok(Default::default())");
    assert!(add.body.starts_with("    match a {\n") && add.body.ends_with("    }\n"), "{:?}", add.body);
    assert_eq!((text.task, text.function.as_str(), text.nothing.as_str()), (2, "text", r#""""#));
    assert!(text.body.contains("// task 3: part of a string") && !text.body.contains("nothing"), "{:?}", text.body);
}

#[test]
fn a_starter_has_a_todo_for_each_region_and_no_anchor() {
    let starter = Solution::parse("x.rs", TWO).unwrap().starter(1);
    let head =
        format!("//! Lab 01: an example.\n\n{EXPECT_UNUSED}\n#![allow(unsafe_code, reason = \"…\")]\n\n/// Adds.\n");
    assert!(starter.starts_with(&head), "{starter}");
    let first = "pub fn add(a: u8) -> Result<u8> {\n    todo!(\"lab 01, task 1: match {{a}}, say \\\"done\\\"\")\n}\n";
    assert!(starter.contains(first), "{starter}");
    assert!(starter.contains("str {\n            todo!(\"lab 01, task 2: give the text\")\n        }\n"), "{starter}");
    assert!(!starter.contains("ANCHOR") && !starter.contains("match a"), "{starter}");
}

#[test]
fn a_body_goes_into_its_region_and_leaves_the_others() {
    let solution = Solution::parse("x.rs", TWO).unwrap();
    let other = solution.with_body(1, "Ok(0)\n\n").unwrap();
    assert!(other.contains("-> Result<u8> {\nOk(0)\n}\n"), "{other}");
    assert!(other.contains("// task 2: give the text"), "{other}");
    assert_eq!(solution.with_body(3, ""), None);
}

#[test]
fn wrong_markers_are_told_with_their_place() {
    let open = "fn f() {\n    // task 1: do it\n    g();\n}\n";
    assert_eq!(problem(open), "solutions/lab01_x.rs:2: task 1 has no `// end task`");
    let twice = "fn f() {\n    // task 1: a\n    // task 2: b\n    // end task\n}\n";
    assert_eq!(problem(twice), "solutions/lab01_x.rs:2: task 1 has no `// end task` before line 3");
    let same = "fn f() {\n    // task 1: a\n    // end task\n}\nfn g() {\n    // task 1: b\n    // end task\n}\n";
    assert_eq!(problem(same), "solutions/lab01_x.rs:6: line 2 has task 1 in `f` already: one each");
    let outside = "struct S {\n    // task 1: a\n    // end task\n}\n";
    assert_eq!(problem(outside), "solutions/lab01_x.rs:2: task 1 is not directly in the body of a function");
    let across = "fn f() {\n    // task 1: a\n    loop {\n    // end task\n    }\n}\n";
    assert_eq!(problem(across), "solutions/lab01_x.rs:4: task 1 starts at line 2, in another block");
    assert_eq!(problem("fn f() {\n    // end task\n}\n"), "solutions/lab01_x.rs:2: no task is open here");
    assert!(problem("fn f() {\n    // task one: a\n}\n").contains(":2: write `// task N: what to do`"));
    assert!(problem("fn f() {\n\n    g(;\n").starts_with("solutions/lab01_x.rs:"));
}
