//! boxwright as a library: the program in `examples/start.rs`, which knows no command of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::{dir, needs, shielded};

use crate::bundle::{Bundle, runbox};

/// Beside the other programs: `cargo test` builds it with all the rest.
fn example() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_runbox")).with_file_name("examples").join("start");
    assert!(program.exists(), "there is no {}: cargo build --features reference --example start", program.display());
    program
}

/// Its exit code, and what it prints, without the PID.
fn start(bundle: &Bundle, seconds: &str) -> (i32, String) {
    fs::write(bundle.path.join("config.json"), bundle.config.to_string()).expect("config.json");
    let mut command = Command::new(example());
    let output = command.arg(&bundle.path).arg(dir().join("state")).arg(seconds).output().expect("start the example");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .map(|line| line.split_once(": ").filter(|(word, _)| *word == "created").map_or(line, |_| "created"));
    let said: Vec<_> = lines.map(str::to_owned).chain([String::from_utf8_lossy(&output.stderr).into_owned()]).collect();
    (output.status.code().unwrap_or(-1), said.join("\n"))
}

#[test]
fn another_program_has_a_container_of_its_own() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("echo inside; exit 7");
        assert_eq!(start(&bundle, "600"), (7, "created\ninside\nended: 7\n".into()));
        // It is ended, and its signal told.
        let bundle = Bundle::new("exec sleep 600");
        assert_eq!(start(&bundle, "0"), (137, "created\nits time is over\nended: 137\n".into()));
        let mut bundle = Bundle::new("true");
        bundle.config["process"]["args"] = serde_json::json!(["/not/there"]);
        let (code, said) = start(&bundle, "600");
        assert!(code == 1 && said.contains("/not/there") && said.contains("NotFound"), "{code} {said}");
        // runbox sees nothing left, in the same place.
        assert_eq!(runbox(&["list", "--quiet"]).ok().out, "");
    });
}
