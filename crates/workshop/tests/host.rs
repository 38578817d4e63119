//! The audit of the host, in a program of its own: it takes care of every orphan below its process.
#![cfg(feature = "author")]

use std::fs;
use std::process::{Command, Stdio};

use workshop::author::host;

#[test]
fn an_orphan_is_blamed_and_ended() {
    let before = host::snapshot().unwrap();
    let mut parent = Command::new("sh");
    parent.args(["-c", "sleep 600 & echo $!"]).stdin(Stdio::null()).stderr(Stdio::null());
    // Through a file: a pipe would stay open as long as the orphan.
    let said = tempfile::NamedTempFile::new().unwrap();
    parent.stdout(said.reopen().unwrap()).status().unwrap();
    let pid = fs::read_to_string(said.path()).unwrap();
    let blamed = format!("+ process {} sleep", pid.trim());
    assert_eq!(host::difference(&before).unwrap(), [blamed]);
    assert_eq!(host::difference(&before).unwrap(), Vec::<String>::new(), "it was not ended");
}
