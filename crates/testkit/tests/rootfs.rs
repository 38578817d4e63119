//! The testkit's own collector: what it gathers runs, whatever libc the program was made for.

use std::fs;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::rootfs::{find, libraries};
use testkit::{Rootfs, in_child, needs, shielded};

/// Runs `program` with `rootfs` as its root directory.
fn run_in(rootfs: &Rootfs, program: &str, arguments: &[&str]) -> String {
    in_child(|| {
        chroot(rootfs.path()).unwrap();
        std::env::set_current_dir("/").unwrap();
        // Not from /dev/null, which is not in here.
        let output = Command::new(program).args(arguments).stdin(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    })
}

fn path(program: &str) -> String {
    find(program).unwrap().display().to_string()
}

#[test]
fn this_machines_programs_run_in_it() {
    shielded(|| {
        let rootfs = Rootfs::in_shield();
        let listed = run_in(&rootfs, &path("ls"), &["/"]);
        let names: Vec<&str> = listed.lines().collect();
        for expected in ["dev", "etc", "proc", "sys", "tmp"] {
            assert!(names.contains(&expected), "{names:?}");
        }
        assert!(!names.contains(&"home"), "{names:?}");
        assert_eq!(run_in(&rootfs, &path("sh"), &["-c", "echo $((6 * 7))"]), "42\n");
    });
}

#[test]
fn a_program_by_path_and_one_that_is_not_there() {
    shielded(|| {
        let cat = find("cat").unwrap();
        let rootfs = Rootfs::build(testkit::dir().join("one"), &[cat.to_str().unwrap()]).unwrap();
        assert!(rootfs.path().join(cat.strip_prefix("/").unwrap()).exists());
        let missing = Rootfs::build(testkit::dir().join("two"), &["no-such-program"]).unwrap_err();
        assert_eq!(missing.to_string(), "no-such-program is not in PATH");
    });
}

/// Compiles a program that prints "hello" and runs it in a root file system of its own.
fn compiled_program_runs(compiler: &str, arguments: &[&str], needs_libraries: bool) {
    shielded(|| {
        let (source, program) = (testkit::dir().join("hello.c"), testkit::dir().join("hello"));
        fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n").unwrap();
        let made = Command::new(compiler).args(arguments).arg("-o").args([&program, &source]).status().unwrap();
        assert!(made.success());
        assert_eq!(!libraries(&program).unwrap().is_empty(), needs_libraries);
        let name = program.display().to_string();
        let rootfs = Rootfs::build(testkit::dir().join("rootfs"), &[&name]).unwrap();
        assert_eq!(run_in(&rootfs, &name, &[]), "hello\n");
    });
}

#[test]
fn a_static_program() {
    needs!(program = cc);
    compiled_program_runs("cc", &["-static"], false);
}

#[test]
fn a_program_of_glibc() {
    needs!(program = cc);
    compiled_program_runs("cc", &[], true);
}

#[test]
fn a_program_of_musl() {
    needs!(program = "musl-gcc");
    compiled_program_runs("musl-gcc", &[], true);
}

#[test]
fn what_is_no_program_is_refused() {
    assert!(libraries(Path::new("/etc/passwd")).unwrap_err().to_string().starts_with("/etc/passwd: "));
    assert!(libraries(&PathBuf::from("/no/such/file")).is_err());
}
