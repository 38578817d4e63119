//! Shield holds what it promises: each trap that it is built around, sprung on purpose.
#![allow(unsafe_code, reason = "fork, setenv and their like are what is tested")]

use std::fs;
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, getpid, getppid, sethostname};
use testkit::{Failure, Finding, Shield, in_child, inside, needs, random_name, refused_at_first, shielded};

fn findings<T: std::fmt::Debug>(result: Result<T, Failure>) -> Vec<Finding> {
    match result {
        Err(Failure::HostChanged(findings)) => findings,
        other => panic!("expected a changed host, seen {other:?}"),
    }
}

fn try_shielded<T: serde::Serialize + serde::de::DeserializeOwned>(closure: impl FnOnce() -> T) -> Result<T, Failure> {
    Shield::new().try_run(closure)
}

fn one(findings: &[Finding]) -> &str {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    &findings[0].what
}

#[test]
fn a_value_comes_back() {
    assert_eq!(shielded(|| vec![1, 2, 3]), [1, 2, 3]);
}

#[test]
fn two_shields_of_one_test_do_not_have_the_same_names() {
    // A state that std keeps for each thread, and which the two forks would have a copy of each.
    drop(std::collections::HashSet::<()>::new());
    assert_ne!(shielded(|| random_name("name")), shielded(|| random_name("name")));
}

#[test]
fn an_answer_larger_than_a_pipe_comes_back() {
    assert_eq!(shielded(|| "x".repeat(1 << 20)).len(), 1 << 20);
}

#[test]
fn the_closure_is_not_pid_1_and_its_parent_is() {
    // As PID 1 the learner's code would shrug off SIGTERM.
    assert_eq!(shielded(|| (getpid().as_raw(), getppid().as_raw())), (2, 1));
    let ended = try_shielded(|| raise(Signal::SIGTERM).unwrap_or(()));
    assert!(matches!(&ended, Err(Failure::Vanished(how)) if how.contains("SIGTERM")), "{ended:?}");
}

#[test]
fn a_ctrl_c_is_not_ignored_by_whoever_started_the_tests() {
    // SAFETY: no handler is set.
    let before = unsafe { signal(Signal::SIGINT, SigHandler::SigIgn) }.unwrap();
    let ended = try_shielded(|| raise(Signal::SIGINT).unwrap_or(()));
    // SAFETY: it was the one before.
    unsafe { signal(Signal::SIGINT, before) }.unwrap();
    assert!(matches!(&ended, Err(Failure::Vanished(how)) if how.contains("SIGINT")), "{ended:?}");
}

#[test]
fn a_new_name_of_the_host_is_found_and_the_real_one_stays() {
    let real = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let found = findings(try_shielded(|| sethostname("renamed").unwrap()));
    assert!(one(&found).contains(r#"and is "renamed""#), "{found:?}");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), real);
}

#[test]
fn permissions_taken_from_the_kernels_own_files_are_given_back() {
    needs!(root);
    // Each shield has a proc of its own.
    let mode = || fs::metadata("/proc/execdomains").unwrap().permissions().mode() & 0o777;
    let before = shielded(mode);
    assert_ne!(before, 0, "taken away before this test");
    for rest in [Duration::ZERO, Duration::from_mins(1)] {
        let ended = Shield::new().deadline(Duration::from_secs(1)).try_run(|| {
            fs::set_permissions("/proc/execdomains", fs::Permissions::from_mode(0o000)).unwrap();
            std::thread::sleep(rest);
        });
        assert_eq!(matches!(ended, Err(Failure::TooSlow(_))), !rest.is_zero(), "{ended:?}");
        assert_eq!(shielded(mode), before, "after a shield that took {rest:?}");
    }
}

#[test]
fn a_mount_that_escapes_through_a_shared_mount_is_found() {
    // The classic mistake: unshare, and forget MS_PRIVATE. On a machine whose mounts are private it changes nothing.
    let found = findings(try_shielded(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let target = testkit::dir().join("tmp");
        mount(Some("tmpfs"), &target, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    }));
    assert!(one(&found).contains("was mounted"), "{found:?}");
}

#[test]
fn many_mounts_that_changed_are_one_finding() {
    let found = findings(try_shielded(|| {
        let all_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, all_private, None::<&str>).unwrap();
    }));
    let text = one(&found);
    assert!(text.contains(" mounts, ") && text.ends_with("among them, was shared and is private"), "{text}");
    let found = findings(try_shielded(|| {
        for _ in 0..3 {
            let target = testkit::dir().join("tmp");
            mount(Some("tmpfs"), &target, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        }
    }));
    let text = one(&found);
    assert!(text.starts_with("3 mounts, ") && text.ends_with("among them, were mounted"), "{text}");
}

#[test]
fn a_host_whose_proc_was_replaced_by_one_that_is_dead_is_found() {
    let found = findings(try_shielded(|| {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        testkit::in_child(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>).unwrap();
        });
    }));
    assert!(one(&found).contains("its /proc can no longer be read"), "{found:?}");
}

#[test]
fn a_mount_after_ms_private_stays_inside() {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    shielded(|| {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let all_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, all_private, None::<&str>).unwrap();
        mount(Some("tmpfs"), "/tmp", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    });
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}

#[test]
fn the_tree_is_read_only_but_the_tests_own_directories() {
    shielded(|| {
        for path in ["/etc/boxwright-was-here", "/tmp/boxwright-was-here", "/dev/shm/boxwright-was-here"] {
            let error = fs::write(path, "").unwrap_err();
            assert!([Some(libc::EROFS), Some(libc::EACCES)].contains(&error.raw_os_error()), "{path}: {error}");
        }
        fs::write(testkit::dir().join("mine"), "").unwrap();
        fs::write(testkit::disk_dir().join("mine"), "").unwrap();
        fs::write(std::env::temp_dir().join("mine"), "").unwrap();
        assert!(std::env::temp_dir().starts_with(testkit::dir()));
    });
    assert!(!testkit::dir().join("mine").exists(), "a shield's directory is its own");
}

#[test]
fn the_tests_directory_takes_device_nodes_and_set_uid_files() {
    needs!(root);
    shielded(|| {
        let node = testkit::dir().join("null");
        mknod(&node, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(1, 3)).unwrap();
        fs::write(&node, "nothing").unwrap();
        let options = &inside().mounts.iter().find(|mount| mount.point == testkit::dir()).unwrap().options.clone();
        assert!(!options.iter().any(|option| option == "nosuid" || option == "nodev"), "{options:?}");
    });
}

#[test]
fn id_maps_can_be_written() {
    // A read-only /proc would make uid_map read-only too.
    shielded(|| {
        unshare(CloneFlags::CLONE_NEWUSER).unwrap();
        fs::write("/proc/self/setgroups", "deny").unwrap();
        fs::write("/proc/self/uid_map", "0 0 1").unwrap();
        assert_eq!(inside().uid_map, [[0, 0, 1]]);
    });
}

#[test]
fn the_first_calls_are_refused_and_the_rest_are_the_kernels() {
    let seen = shielded(|| {
        let renamed = || sethostname("renamed").map_err(|errno| errno as i32);
        let seen = refused_at_first(nix::libc::SYS_sethostname, Errno::EAGAIN, 2, || {
            unshare(CloneFlags::CLONE_NEWUTS).unwrap();
            [renamed(), renamed(), renamed(), renamed()]
        });
        assert_eq!(sethostname(inside().hostname), Ok(()), "the filter stays where it was");
        seen
    });
    let refused = Err(Errno::EAGAIN as i32);
    assert_eq!(seen, [refused, refused, Ok(()), Ok(())]);
}

#[test]
fn a_closure_that_returns_twice_answers_once() {
    // SAFETY: under the shield there is one thread.
    let answer = shielded(|| match unsafe { fork() }.unwrap() {
        ForkResult::Child => "the copy".to_owned(),
        ForkResult::Parent { child } => {
            waitpid(child, None).unwrap();
            "the original".to_owned()
        }
    });
    assert_eq!(answer, "the original");
}

#[test]
fn a_process_that_stays_does_not_hang_the_test_and_is_found() {
    // It holds the reply pipe open: waiting for end of file would take an hour.
    let begun = Instant::now();
    let found = findings(try_shielded(|| {
        // SAFETY: under the shield there is one thread.
        if unsafe { fork() }.unwrap().is_child() {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }));
    assert!(one(&found).contains("still runs"), "{found:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn the_deadline_ends_everything() {
    let (read, write) = nix::unistd::pipe().unwrap();
    let begun = Instant::now();
    let slow = Shield::new().deadline(Duration::from_millis(200)).try_run(|| {
        loop {
            // SAFETY: under the shield there is one thread.
            let _ = unsafe { fork() }.map(|_| std::thread::sleep(Duration::from_secs(3600)));
        }
    });
    assert!(matches!(slow, Err::<(), _>(Failure::TooSlow(_))), "{slow:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop((read, write));
}

#[test]
fn a_frozen_cgroup_is_thawed_at_the_deadline() {
    needs!(root, cgroup = freezer);
    let slow = Shield::new().cgroup().deadline(Duration::from_millis(300)).try_run(|| {
        let groups = testkit::cgroup_dirs();
        let of = |knob| groups.iter().map(|group| group.join(knob)).find(|path| path.exists());
        // On v1 the knob of the freezer, where there is one; on v2 every group has it.
        match of("freezer.state") {
            Some(knob) => fs::write(knob, "FROZEN").unwrap(),
            None => fs::write(of("cgroup.freeze").unwrap(), "1").unwrap(),
        }
        std::thread::sleep(Duration::from_secs(3600));
    });
    assert!(matches!(slow, Err(Failure::TooSlow(_))), "{slow:?}");
}

#[test]
fn only_the_tests_own_cgroup_is_writable() {
    needs!(root, cgroup = pids);
    Shield::new().cgroup().run(|| {
        let groups = testkit::cgroup_dirs();
        assert!(!groups.is_empty());
        for group in groups {
            fs::create_dir(group.join("mine")).unwrap();
            fs::remove_dir(group.join("mine")).unwrap();
            let beside = group.parent().unwrap().join("not-mine");
            assert_eq!(fs::create_dir(&beside).unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem, "{beside:?}");
        }
    });
}

#[test]
fn a_cgroup_that_stays_is_found() {
    needs!(root, cgroup = pids);
    let found = findings(Shield::new().cgroup().try_run(|| {
        fs::create_dir(testkit::cgroup_dirs()[0].join("left")).unwrap();
    }));
    assert!(one(&found).contains("/left is left"), "{found:?}");
}

#[test]
fn a_panic_comes_back_as_text_with_its_place_and_no_backtrace() {
    let failed = try_shielded(|| panic!("words of the panic"));
    let Err::<(), _>(Failure::Panicked(text, _)) = failed else { panic!("{failed:?}") };
    assert!(text.starts_with("words of the panic\n  at crates/testkit/tests/shield.rs:"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn an_open_exercise_says_which_file_and_what_to_do() {
    let failed = try_shielded(|| todo!("lab 01, task 2: call sethostname(2)"));
    let Err::<(), _>(Failure::Panicked(text, _)) = failed else { panic!("{failed:?}") };
    assert!(text.starts_with("lab 01, task 2 is not written yet.\n"), "{text}");
    for words in ["crates/testkit/tests/shield.rs:", "call sethostname(2)", "cargo lab hint 1"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_a_panicking_closure_did_to_the_host_is_told_too() {
    let failed = try_shielded(|| {
        sethostname("renamed").unwrap();
        panic!("and then this");
    });
    let Err::<(), _>(failure) = failed else { panic!("{failed:?}") };
    let text = failure.to_string();
    assert!(text.contains("and then this") && text.contains("its hostname was"), "{text}");
}

#[test]
fn queues_zombies_and_descriptors_that_stay_are_found() {
    // SAFETY: msgget touches no memory of ours.
    let found = findings(try_shielded(|| assert!(unsafe { libc::msgget(77, libc::IPC_CREAT | 0o600) } >= 0)));
    assert!(one(&found).contains("message queue (key, id) 77"), "{found:?}");

    let found = findings(try_shielded(|| {
        // SAFETY: under the shield there is one thread.
        if unsafe { fork() }.unwrap().is_child() {
            // SAFETY: _exit takes an integer and does not return.
            unsafe { libc::_exit(0) }
        }
        std::thread::sleep(Duration::from_millis(50));
    }));
    assert!(one(&found).contains("zombie"), "{found:?}");

    let found = findings(try_shielded(|| {
        let _stays = fs::File::open("/").unwrap().into_raw_fd();
    }));
    assert!(one(&found).contains("is still open"), "{found:?}");
}

#[test]
fn a_network_link_that_stays_is_found() {
    needs!(program = ip);
    let found = findings(try_shielded(|| {
        let made = std::process::Command::new("ip").args(["link", "add", "left0", "type", "veth"]).status().unwrap();
        assert!(made.success());
    }));
    assert!(found.iter().any(|finding| finding.what.contains("left0")), "{found:?}");
}

#[test]
fn printing_in_a_child_does_not_deadlock() {
    // Other threads print all the while, so that some fork happens while they hold the lock on stdout.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), b"");
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
        }
        for _ in 0..50 {
            Shield::new().deadline(Duration::from_secs(5)).run(|| {
                #[expect(clippy::print_stdout, reason = "it is what is tested")]
                {
                    print!("");
                }
            });
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_child_is_looked_into_and_its_panic_is_the_tests() {
    assert_eq!(shielded(|| in_child(|| getppid().as_raw())), 2);
    let failed = try_shielded(|| in_child(|| -> i32 { todo!("lab 04, task 1: call unshare(2)") }));
    let Err(Failure::Panicked(text, _)) = failed else { panic!("{failed:?}") };
    assert!(text.starts_with("lab 04, task 1 is not written yet.\n"), "{text}");
}

#[test]
fn programs_that_a_test_starts_run_inside_too() {
    let name = random_name("box");
    let expected = name.clone();
    let seen = shielded(move || {
        unshare(CloneFlags::CLONE_NEWUTS).unwrap();
        sethostname(&name).unwrap();
        let output = std::process::Command::new("hostname").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    assert_eq!(seen.trim(), expected);
}

#[test]
fn an_ordinary_user_maps_a_range_through_newuidmap() {
    needs!(subuid);
    let (maps, groups) = Shield::new().as_user().run(|| {
        assert_eq!(nix::unistd::getuid().as_raw(), testkit::USER);
        assert!(nix::unistd::sethostname("renamed").is_err(), "an ordinary user has no power over the host");
        let (first, count) = testkit::SUBORDINATE;
        let mut child = std::process::Command::new("unshare");
        let mut child = child.args(["--user", "sleep", "5"]).spawn().unwrap();
        let pid = child.id().to_string();
        let own = std::fs::read_link("/proc/self/ns/user").unwrap();
        while fs::read_link(format!("/proc/{pid}/ns/user")).unwrap() == own {
            std::thread::sleep(Duration::from_millis(1));
        }
        for (program, id) in [("newuidmap", testkit::USER), ("newgidmap", testkit::USER)] {
            let lines = [0, id, 1, 1, first, count - 10].map(|number| number.to_string());
            let output = std::process::Command::new(program).arg(&pid).args(lines).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
        let groups = fs::read_to_string(format!("/proc/{pid}/setgroups")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (map, groups)
    });
    let numbers: Vec<u32> = maps.split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers, [0, testkit::USER, 1, 1, testkit::SUBORDINATE.0, testkit::SUBORDINATE.1 - 10]);
    // In a shield with a single id this would be "deny", and the lesson about setgroups would be lost.
    assert_eq!(groups.trim(), "allow");
}

#[test]
fn root_may_have_ids_to_give_away() {
    needs!(subuid);
    Shield::new().with_ids().run(|| {
        assert!(nix::unistd::getuid().is_root());
        // In a shield with a single id it is denied for good.
        assert_eq!(fs::read_to_string("/proc/self/setgroups").unwrap().trim(), "allow");
        let (first, count) = testkit::SUBORDINATE;
        assert_eq!(fs::read_to_string("/etc/subuid").unwrap(), format!("learner:{first}:{count}\n"));
        let file = testkit::dir().join("given");
        fs::write(&file, "").unwrap();
        for id in [testkit::USER, first] {
            std::os::unix::fs::chown(&file, Some(id), Some(id)).unwrap();
        }
    });
}

#[test]
fn many_shields_at_once_do_not_meet() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    shielded(|| fs::write(testkit::dir().join("mine"), "").unwrap());
                }
            });
        }
    });
}
