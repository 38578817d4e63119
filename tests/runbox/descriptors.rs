//! What whoever starts runbox gives it as standard input, standard output and standard error.

use std::fs;
use std::process::{Command, Stdio};

use nix::unistd::pipe;
use testkit::{dir, needs, shielded};

use crate::bundle::Bundle;

#[test]
fn standard_descriptors_that_are_closed_are_dev_null_for_it_and_its_container() {
    needs!(root);
    shielded(|| {
        let script = "for fd in 0 1 2; do [ \"$(readlink /proc/$$/fd/$fd)\" = /dev/null ] || exit 1$fd; done";
        let bundle = Bundle::new(script);
        fs::write(bundle.path.join("config.json"), bundle.config.to_string()).unwrap();
        let closed = "exec \"$@\" <&- >&- 2>&-";
        let mut command = Command::new("sh");
        command.args(["-c", closed, "sh", env!("CARGO_BIN_EXE_runbox"), "--root"]).arg(dir().join("state"));
        let ended = command.args(["run", "--bundle"]).arg(&bundle.path).arg(&bundle.id).status().unwrap();
        assert_eq!(ended.code(), Some(0), "1N: descriptor N is something else");
    });
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    shielded(|| {
        let (read, write) = pipe().unwrap();
        drop(read);
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbox"));
        let output = command.arg("features").stdout(write).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "a signal is none");
    });
}
