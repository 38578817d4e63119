//! config.md, "Process", "POSIX process", "Linux Process", "User".

use std::fs;

use serde_json::json;
use testkit::{needs, shielded};

use super::{bundle, prints, with};

#[test]
fn a_missing_cwd_is_made_and_a_relative_one_refused() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["process"]["cwd"] = json!("/some/where");
        assert_eq!(prints(&mut bundle, "pwd"), "/some/where\n");
        with(&mut bundle, "process.cwd", json!("some")).refused("process.cwd");
    });
}

#[test]
fn the_limits_are_what_getrlimit_says() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_STACK", "soft": 4_194_304, "hard": 8_388_608},
        ]);
        let seen = prints(&mut bundle, "cat /proc/self/limits");
        let line = |name: &str| {
            let line = seen.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line("Max open files"), ["100", "200"]);
        assert_eq!(line("Max core file size"), ["0", "0"]);
        assert_eq!(line("Max stack size"), ["4194304", "8388608"]);
        let twice = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        ]);
        with(&mut bundle, "process.rlimits", twice)
            .refused("process.rlimits \"RLIMIT_NOFILE\" is not valid: each type once");
        let above = json!([{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 200}]);
        with(&mut bundle, "process.rlimits", above).refused("not above the hard one");
        let unknown = json!([{"type": "RLIMIT_LOVE", "soft": 1, "hard": 1}]);
        with(&mut bundle, "process.rlimits", unknown).refused("process.rlimits[0].type");
    });
}

#[test]
fn the_user_has_its_ids_groups_and_umask() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["process"]["user"] = json!({"uid": 7, "gid": 8, "umask": 0o077, "additionalGids": [9, 10]});
        assert_eq!(prints(&mut bundle, "id -u; id -g; id -G; umask"), "7\n8\n8 9 10\n0077\n");
        // Whatever powers there are.
        bundle.config["process"].as_object_mut().unwrap().remove("capabilities");
        assert_eq!(prints(&mut bundle, "id -u; id -G"), "7\n8 9 10\n");
        with(&mut bundle, "process.user.umask", json!(0o1000)).refused("process.user.umask");
    });
}

#[test]
fn home_is_the_users_when_the_environment_has_none() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let etc = bundle.path.join("rootfs/etc");
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:7:7::/home/web:\n").unwrap();
        let script = "echo HOME=$HOME";
        let path = bundle.config["process"]["env"][0].clone();
        for (uid, env, home) in [
            (0, json!([path]), "/root"),
            (7, json!([path]), "/home/web"),
            (8, json!([path]), "/"),
            (7, json!([path, "HOME="]), "/home/web"),
            (7, json!([path, "HOME=/x", "HOME="]), "/home/web"),
            (7, json!([path, "HOME=/x"]), "/x"),
        ] {
            bundle.config["process"]["user"]["uid"] = json!(uid);
            bundle.config["process"]["env"] = env;
            assert_eq!(prints(&mut bundle, script), format!("HOME={home}\n"), "{uid}");
        }
        // Nobody waits for whoever may write into it.
        fs::remove_file(etc.join("passwd")).unwrap();
        nix::unistd::mkfifo(&etc.join("passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        bundle.config["process"]["env"] = json!([path]);
        assert_eq!(prints(&mut bundle, script), "HOME=/\n");
    });
}

#[test]
fn capabilities_are_those_that_are_listed_and_can_be_granted() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let some = json!(["CAP_KILL", "CAP_SYS_RESOURCE", "CAP_NET_BIND_SERVICE", "CAP_FLY"]);
        bundle.config["process"]["capabilities"] = json!({"bounding": some, "effective": some, "permitted": some, "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]});
        bundle.config["process"]["args"] = json!(["sh", "-c", "cat /proc/self/status"]);
        let said = bundle.run().ok();
        let set = |name: &str| {
            let line = said.out.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        // The machine may lack the one, and everybody lacks the other: a warning, not a failure.
        let own = 1 << 5 | 1 << 10;
        for name in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(set(name) & !(1 << 24), own, "{name}");
        }
        assert_eq!((set("CapInh:"), set("CapAmb:")), (1 << 5, 1 << 5));
        assert!(said.err.contains("CAP_FLY"), "MUST be logged as a warning: {:?}", said.err);
        bundle.config["process"].as_object_mut().unwrap().remove("capabilities");
        assert!(bundle.run().ok().out.contains("CapEff:\t0000000000000000"));
    });
}

#[test]
fn no_new_privileges_is_the_kernels_bit() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        for (value, word) in [(true, "1"), (false, "0")] {
            bundle.config["process"]["noNewPrivileges"] = json!(value);
            let seen = prints(&mut bundle, "cat /proc/self/status");
            assert!(seen.contains(&format!("NoNewPrivs:\t{word}")), "{seen}");
        }
    });
}

#[test]
fn the_oom_score_is_adjusted() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["process"]["oomScoreAdj"] = json!(321);
        assert_eq!(prints(&mut bundle, "cat /proc/self/oom_score_adj"), "321\n");
        with(&mut bundle, "process.oomScoreAdj", json!(1001)).refused("-1000 to 1000");
    });
}

#[test]
fn the_io_priority_is_what_ioprio_get_says() {
    needs!(root, program = ionice);
    shielded(|| {
        let mut bundle = bundle();
        testkit::Rootfs::build(bundle.path.join("rootfs"), &["ionice", "chrt"]).unwrap();
        bundle.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
        assert_eq!(prints(&mut bundle, "ionice"), "best-effort: prio 6\n");
        bundle.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0});
        assert_eq!(prints(&mut bundle, "ionice"), "idle\n");
        let much = json!({"class": "IOPRIO_CLASS_BE", "priority": 8});
        with(&mut bundle, "process.ioPriority", much).refused("process.ioPriority.priority \"8\" is not valid: 0 to 7");
    });
}

#[test]
fn the_scheduler_is_what_sched_getattr_says() {
    needs!(root, program = chrt);
    shielded(|| {
        let mut bundle = bundle();
        testkit::Rootfs::build(bundle.path.join("rootfs"), &["chrt", "nice"]).unwrap();
        bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
        assert!(prints(&mut bundle, "chrt -p $$").contains("SCHED_BATCH"));
        assert_eq!(prints(&mut bundle, "nice"), "5\n");
        let scheduler = json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK"]});
        bundle.config["process"]["scheduler"] = scheduler;
        assert!(prints(&mut bundle, "chrt -p $$").contains("SCHED_RESET_ON_FORK"));
        for (bad, words) in [
            (json!({"policy": "SCHED_OTHER", "priority": 1}), "process.scheduler.priority"),
            (json!({"policy": "SCHED_FIFO"}), "process.scheduler.priority"),
            (json!({"policy": "SCHED_OTHER", "nice": 20}), "process.scheduler.nice"),
            (json!({"policy": "SCHED_OTHER", "runtime": 1}), "SCHED_DEADLINE"),
            (json!({"policy": "SCHED_LOVE"}), "process.scheduler.policy"),
        ] {
            with(&mut bundle, "process.scheduler", bad).refused(words);
        }
    });
}

#[test]
fn a_personality_is_what_uname_tells() {
    needs!(root, program = uname);
    shielded(|| {
        let mut bundle = bundle();
        testkit::Rootfs::build(bundle.path.join("rootfs"), &["uname"]).unwrap();
        bundle.config["linux"]["personality"] = json!({"domain": "LINUX32"});
        assert_eq!(prints(&mut bundle, "cat /proc/self/personality"), "00000008\n");
        if cfg!(target_arch = "x86_64") {
            assert_eq!(prints(&mut bundle, "uname -m"), "i686\n");
        }
        with(&mut bundle, "linux.personality", json!({"domain": "LINUX", "flags": ["X"]}))
            .refused("linux.personality.flags");
        with(&mut bundle, "linux.personality", json!({"domain": "BSD"})).refused("linux.personality.domain");
    });
}

#[test]
fn a_memory_policy_is_what_numa_maps_tells() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        if !std::path::Path::new("/proc/self/numa_maps").exists() {
            return testkit::needs::skip(module_path!(), "a kernel with CONFIG_NUMA");
        }
        bundle.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
        assert!(prints(&mut bundle, "cat /proc/self/numa_maps").contains(" bind:0 "));
        with(&mut bundle, "linux.memoryPolicy", json!({"mode": "MPOL_BIND"})).refused("linux.memoryPolicy.nodes");
        with(&mut bundle, "linux.memoryPolicy", json!({"mode": "MPOL_LOCAL", "nodes": "0"}))
            .refused("linux.memoryPolicy");
    });
}

#[test]
fn a_console_has_its_size() {
    needs!(root, program = stty);
    shielded(|| {
        let mut bundle = bundle();
        testkit::Rootfs::build(bundle.path.join("rootfs"), &["stty"]).unwrap();
        // Ignored without a terminal.
        bundle.config["process"]["consoleSize"] = json!({"height": 70000, "width": 1});
        assert_eq!(prints(&mut bundle, "echo here"), "here\n");
        bundle.config["process"]["terminal"] = json!(true);
        bundle.run().refused("process.consoleSize");
        bundle.config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
        bundle.config["process"]["args"] = json!(["sh", "-c", "stty size"]);
        assert_eq!(bundle.run().ok().out.trim_end(), "33 77");
    });
}

#[test]
fn a_process_that_joins_has_its_own_limits_umask_score_and_processors() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["process"]["args"] = json!(["sleep", "600"]);
        bundle.config["process"]["execCPUAffinity"] = json!({"initial": "0"});
        bundle.create().ok();
        bundle.tell("start").ok();
        let mut process = bundle.config["process"].clone();
        process["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
        process["user"]["umask"] = json!(0o027);
        process["oomScoreAdj"] = json!(222);
        process["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
        process["args"] = json!(["sh", "-c", "ulimit -n; umask; cat /proc/self/oom_score_adj /proc/self/status"]);
        let file = bundle.path.join("process.json");
        std::fs::write(&file, process.to_string()).unwrap();
        let seen = bundle.runbox(&["exec", "--process", file.to_str().unwrap(), &bundle.id]).ok().out;
        assert!(seen.starts_with("100\n0027\n222\n") && seen.contains("Cpus_allowed_list:\t0\n"), "{seen}");
        process["execCPUAffinity"] = json!({"final": "0-"});
        std::fs::write(&file, process.to_string()).unwrap();
        bundle.runbox(&["exec", "--process", file.to_str().unwrap(), &bundle.id]).refused("execCPUAffinity");
        // Not for the first process.
        let status = std::fs::read_to_string(format!("/proc/{}/status", bundle.state()["pid"])).unwrap();
        assert!(
            !status.contains("Cpus_allowed_list:\t0\n") || std::thread::available_parallelism().unwrap().get() == 1
        );
        bundle.runbox(&["delete", "--force", &bundle.id]).ok();
    });
}
