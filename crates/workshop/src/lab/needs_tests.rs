use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A root directory with these files.
fn machine(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

#[test]
fn the_setting_that_blocks_user_namespaces_is_named_with_its_command() {
    let ubuntu = machine(&[
        ("proc/sys/user/max_user_namespaces", "96365\n"),
        ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"),
    ]);
    let need = user_namespaces(ubuntu.path(), Err("EPERM".into()));
    assert_eq!(need.detail, "kernel.apparmor_restrict_unprivileged_userns is 1");
    assert!(need.fix.starts_with("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 "), "{}", need.fix);

    let debian = machine(&[("proc/sys/kernel/unprivileged_userns_clone", "0\n")]);
    let (_, fix) = user_namespace_blocker(debian.path()).unwrap();
    assert!(fix.starts_with("sudo sysctl -w kernel.unprivileged_userns_clone=1 "), "{fix}");

    let hardened = machine(&[("proc/sys/user/max_user_namespaces", "0\n")]);
    let (why, fix) = user_namespace_blocker(hardened.path()).unwrap();
    assert_eq!(why, "user.max_user_namespaces is 0");
    assert!(fix.starts_with("sudo sysctl -w user.max_user_namespaces=15000 "), "{fix}");
}

#[test]
fn nothing_is_blamed_when_trying_works_or_no_setting_forbids_it() {
    let open = machine(&[("proc/sys/kernel/unprivileged_userns_clone", "1\n")]);
    assert_eq!(user_namespaces(open.path(), Ok(())).state, State::Met);
    assert_eq!(user_namespace_blocker(open.path()), None);
    let need = user_namespaces(open.path(), Err("unshare: EPERM".into()));
    assert_eq!(need.detail, "unshare: EPERM");
    assert!(need.fix.contains("--privileged"));
}

#[test]
fn the_three_layouts_of_cgroups_are_told_apart() {
    let v1_mount = ("proc/self/mounts", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n");
    let v2_mount = ("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    let kind = |files: &[(&str, &str)]| cgroup_kind(machine(files).path());
    assert_eq!(kind(&[v1_mount]), Some("v1"));
    assert_eq!(kind(&[v1_mount, ("sys/fs/cgroup/unified/cgroup.controllers", "")]), Some("hybrid"));
    assert_eq!(kind(&[v2_mount, ("sys/fs/cgroup/cgroup.controllers", "cpu memory")]), Some("v2"));
    assert_eq!(kind(&[]), None);
}

#[test]
fn an_old_kernel_is_refused_and_a_middling_one_says_what_it_lacks() {
    let root = machine(&[("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n")]);
    assert_eq!(linux(root.path(), (5, 10)).state, State::Missing);
    let middling = linux(root.path(), (5, 15));
    assert_eq!(middling.state, State::Met);
    assert!(middling.detail.ends_with("rootless overlay on a tmpfs (lab 12) comes with 6.6"), "{}", middling.detail);
    assert!(!linux(root.path(), (6, 6)).detail.contains("comes with"));
}

#[test]
fn wsl_is_seen_in_the_kernels_name() {
    let wsl2 = machine(&[("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n")]);
    assert_eq!(wsl(wsl2.path()).unwrap().state, State::Met);
    let wsl1 = machine(&[("proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n")]);
    assert_eq!(wsl(wsl1.path()).unwrap().state, State::Missing);
    assert_eq!(wsl(machine(&[("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")]).path()), None);
}

#[test]
fn being_in_a_container_is_seen_by_its_pid_namespace_or_its_mark() {
    let with_namespace = |target: &str, files: &[(&str, &str)]| {
        let root = machine(files);
        fs::create_dir_all(root.path().join("proc/self/ns")).unwrap();
        symlink(target, root.path().join("proc/self/ns/pid")).unwrap();
        container(root.path())
    };
    assert_eq!(with_namespace("pid:[4026531836]", &[]), None);
    assert!(with_namespace("pid:[4026532201]", &[]).is_some());
    let docker = with_namespace("pid:[4026532201]", &[(".dockerenv", "")]).unwrap();
    assert!(docker.detail.contains("/.dockerenv"), "{}", docker.detail);
}

#[test]
fn seccomp_is_read_from_the_kernels_list() {
    let root =
        machine(&[("proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread errno user_notif log allow\n")]);
    assert_eq!(seccomp(root.path()).detail, "filters, and notifications");
    assert_eq!(seccomp(machine(&[]).path()).state, State::Missing);
}
