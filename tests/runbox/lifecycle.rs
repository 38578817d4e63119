//! runtime.md: "State", "Lifecycle", "Operations".

use std::fs;

use serde_json::json;
use testkit::{dir, needs, shielded};

use crate::bundle::{Bundle, runbox};

#[test]
fn create_makes_the_environment_and_does_not_run_the_program() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("echo started > /mark; sleep 600");
        bundle.create().ok();
        assert_eq!(bundle.state()["status"], "created");
        let mark = bundle.path.join("rootfs/mark");
        assert!(!mark.exists(), "the user-specified program MUST NOT be run at this time");
        bundle.tell("start").ok();
        bundle.wait_for("running");
        let start = std::time::Instant::now();
        while !mark.exists() && start.elapsed().as_secs() < 5 {}
        assert!(mark.exists(), "start MUST run the user-specified program");
        bundle.runbox(&["kill", &bundle.id, "KILL"]).ok();
        bundle.wait_for("stopped");
        bundle.tell("delete").ok();
        bundle.tell("state").refused("does not exist");
    });
}

#[test]
fn create_with_an_id_that_is_taken_is_an_error() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("sleep 600");
        bundle.create().ok();
        bundle.create().refused(&bundle.id);
        assert_eq!(bundle.state()["status"], "created", "the first one MUST NOT be affected");
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
    });
}

#[test]
fn changes_to_the_configuration_after_create_have_no_effect() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("exit 3");
        bundle.config["process"]["args"] = json!(["sh", "-c", "echo first > /mark"]);
        bundle.create().ok();
        bundle.config["process"]["args"] = json!(["sh", "-c", "echo second > /mark"]);
        bundle.tell("start").ok();
        bundle.wait_for("stopped");
        assert_eq!(fs::read_to_string(bundle.path.join("rootfs/mark")).unwrap(), "first\n");
        bundle.tell("delete").ok();
    });
}

#[test]
fn every_operation_on_a_container_that_is_not_there_is_an_error() {
    needs!(root);
    shielded(|| {
        for command in ["state", "start", "kill", "delete", "pause", "resume", "ps"] {
            runbox(&[command, "nobody"]).refused("container does not exist");
        }
        // But for this, which is asked for by engines that do not know.
        runbox(&["delete", "--force", "nobody"]).ok();
    });
}

#[test]
fn start_of_a_container_that_is_not_created_is_an_error_and_has_no_effect() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("sleep 600");
        bundle.create().ok();
        bundle.tell("start").ok();
        bundle.tell("start").refused("not created");
        assert_eq!(bundle.state()["status"], "running");
        bundle.runbox(&["kill", &bundle.id, "9"]).ok();
        bundle.wait_for("stopped");
        bundle.tell("start").refused("not created");
        bundle.tell("delete").ok();
    });
}

#[test]
fn kill_of_a_container_that_neither_is_created_nor_runs_is_an_error() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("true");
        bundle.create().ok();
        bundle.tell("start").ok();
        bundle.wait_for("stopped");
        bundle.tell("kill").refused("container not running");
        bundle.tell("delete").ok();
    });
}

#[test]
fn kill_sends_the_signal_by_name_or_number_to_the_containers_process() {
    needs!(root);
    shielded(|| {
        for signal in ["SIGUSR1", "usr1", "10"] {
            let bundle = Bundle::new("trap 'echo got > /mark; exit' USR1; echo > /ready; while :; do sleep 0.01; done");
            bundle.create().ok();
            bundle.tell("start").ok();
            while !bundle.path.join("rootfs/ready").exists() {}
            bundle.runbox(&["kill", &bundle.id, signal]).ok();
            bundle.wait_for("stopped");
            assert_eq!(fs::read_to_string(bundle.path.join("rootfs/mark")).unwrap(), "got\n");
            bundle.tell("delete").ok();
        }
    });
}

/// In this shield no group can be made, as in an ordinary user's session.
#[test]
fn kill_all_of_a_container_without_a_cgroup_signals_its_first_process() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("trap 'exit 3' TERM; echo > /ready; while :; do sleep 0.01; done");
        bundle.create().ok();
        bundle.tell("start").ok();
        while !bundle.path.join("rootfs/ready").exists() {}
        bundle.runbox(&["kill", "--all", &bundle.id, "TERM"]).ok();
        bundle.wait_for("stopped");
        bundle.tell("delete").ok();
        let bundle = Bundle::new("sleep 600");
        bundle.create().ok();
        bundle.tell("start").ok();
        bundle.runbox(&["kill", "--all", &bundle.id, "KILL"]).ok();
        bundle.wait_for("stopped");
        bundle.tell("delete").ok();
    });
}

#[test]
fn delete_of_a_container_that_is_not_stopped_is_an_error_and_has_no_effect() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("sleep 600");
        bundle.create().ok();
        bundle.tell("start").ok();
        bundle.tell("delete").refused("running");
        assert_eq!(bundle.state()["status"], "running");
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
        bundle.tell("state").refused("does not exist");
    });
}

#[test]
fn the_state_has_what_the_specification_wants() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("sleep 600");
        bundle.config["annotations"] = json!({"com.example.key": "value"});
        let pid_file = dir().join("pid");
        let (path, pid) = (bundle.path.to_str().unwrap(), pid_file.to_str().unwrap());
        // Options stand behind the name, too.
        bundle.runbox(&["create", &bundle.id, "--bundle", path, "--pid-file", pid]).ok();
        let state = bundle.state();
        assert_eq!(state["ociVersion"], "1.2.0");
        assert_eq!(state["id"], json!(bundle.id));
        assert_eq!(state["bundle"], json!(fs::canonicalize(&bundle.path).unwrap()));
        assert_eq!(state["annotations"]["com.example.key"], "value");
        assert_eq!(state["pid"].to_string(), fs::read_to_string(pid_file).unwrap());
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
    });
}

#[test]
fn list_does_not_hide_a_container_that_cannot_be_read() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("true");
        bundle.create().ok();
        let state = dir().join("state").join(&bundle.id).join("state.json");
        let aside = state.with_extension("aside");
        fs::rename(&state, &aside).expect("rename");
        fs::create_dir(&state).expect("mkdir");
        runbox(&["list", "--quiet"]).refused("EISDIR");
        fs::remove_dir(&state).expect("rmdir");
        fs::rename(&aside, &state).expect("rename");
        assert_eq!(runbox(&["list", "--quiet"]).ok().out, format!("{}\n", bundle.id));
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
    });
}

#[test]
fn an_error_leaves_nothing_behind() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        bundle.config["process"]["args"] = json!(["/not/there"]);
        bundle.create().refused("execve /not/there: ENOENT");
        bundle.tell("state").refused("does not exist");
        bundle.config["process"]["args"] = json!(["true"]);
        bundle.config["process"]["cwd"] = json!(testkit::rootfs::find("sh"));
        bundle.create().refused("ENOTDIR");
        bundle.tell("state").refused("does not exist");
    });
}

#[test]
fn run_ends_with_the_exit_code_of_the_program() {
    needs!(root);
    shielded(|| {
        let bundle = Bundle::new("echo out; echo err >&2; exit 42");
        let said = bundle.run();
        assert_eq!((said.code, &said.out[..], &said.err[..]), (42, "out\n", "err\n"));
        bundle.tell("state").refused("does not exist");
    });
}

#[test]
fn errors_are_in_the_log_as_json_too() {
    needs!(root);
    shielded(|| {
        let log = dir().join("log.json");
        runbox(&["--log", log.to_str().unwrap(), "--log-format", "json", "state", "nobody"]).refused("nobody");
        let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(log).unwrap()).unwrap();
        assert_eq!(line["level"], "error");
        assert!(
            line["msg"].as_str().unwrap().contains("container does not exist") && line["time"].is_string(),
            "{line}"
        );
    });
}
