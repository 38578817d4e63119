//! config.md, "Mounts".

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::PathBuf;

use serde_json::json;
use testkit::{dir, needs, shielded};

use super::{Mounted, bundle, mount, mountinfo, prints};

/// A directory of the host with a file in it.
fn host_directory(name: &str) -> PathBuf {
    let path = dir().join(name);
    fs::create_dir(&path).unwrap();
    fs::write(path.join("file"), "of the host\n").unwrap();
    path
}

#[test]
fn mounts_are_made_in_the_listed_order_and_one_may_cover_another() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        mount(&mut bundle, "/a", "tmpfs", "first", &["mode=0711"]);
        mount(&mut bundle, "/a/b", "tmpfs", "second", &[]);
        mount(&mut bundle, "/a", "tmpfs", "third", &["mode=0733"]);
        let text = mountinfo(&mut bundle);
        let sources: Vec<_> = Mounted::all(&text, "/a").into_iter().map(|mount| mount.source).collect();
        assert_eq!(sources, ["first", "third"]);
        assert_eq!(prints(&mut bundle, "ls /a; ls -ld /a | cut -c1-10"), "drwx-wx-wx\n", "the last one is seen");
    });
}

#[test]
fn a_destination_is_absolute_and_a_relative_one_begins_at_the_root() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        mount(&mut bundle, "a/b", "tmpfs", "tmpfs", &[]);
        assert_eq!(Mounted::at(&mountinfo(&mut bundle), "/a/b").kind, "tmpfs");
        mount(&mut bundle, "/a/../../b", "tmpfs", "tmpfs", &[]);
        bundle.run().refused("mounts.destination \"/a/../../b\" is not valid");
    });
}

#[test]
fn a_source_is_absolute_or_relative_to_the_bundle() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        fs::create_dir(bundle.path.join("beside")).unwrap();
        fs::write(bundle.path.join("beside/file"), "of the bundle\n").unwrap();
        mount(&mut bundle, "/a", "bind", "beside", &["rbind"]);
        mount(&mut bundle, "/file", "none", "beside/file", &["bind"]);
        assert_eq!(prints(&mut bundle, "cat /a/file /file"), "of the bundle\nof the bundle\n");
    });
}

#[test]
fn a_bind_has_any_type_or_none() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = host_directory("source");
        for (at, kind, options) in
            [("/1", "bind", &[][..]), ("/2", "none", &["bind"]), ("/3", "", &["rbind"]), ("/4", "ext4", &["bind"])]
        {
            mount(&mut bundle, at, kind, source.to_str().unwrap(), options);
        }
        assert_eq!(prints(&mut bundle, "cat /1/file /2/file /3/file /4/file"), "of the host\n".repeat(4));
        mount(&mut bundle, "/5", "none", source.to_str().unwrap(), &["ro"]);
        bundle.run().refused("mounts.type \"none\" is not valid");
    });
}

#[test]
fn an_rbind_takes_along_what_is_mounted_below_and_a_bind_does_not() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = host_directory("source");
        fs::create_dir(source.join("below")).unwrap();
        mount_tmpfs(&source.join("below"));
        let source = source.to_str().unwrap();
        mount(&mut bundle, "/r", "bind", source, &["rbind"]);
        mount(&mut bundle, "/b", "bind", source, &["bind"]);
        let text = mountinfo(&mut bundle);
        assert_eq!((Mounted::all(&text, "/r/below").len(), Mounted::all(&text, "/b/below").len()), (1, 0));
        unmount(&PathBuf::from(source).join("below"));
    });
}

fn mount_tmpfs(at: &std::path::Path) {
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), at, Some("tmpfs"), flags, None::<&str>).unwrap();
}

fn unmount(at: &std::path::Path) {
    nix::mount::umount2(at, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn every_option_of_a_new_file_system_is_a_flag_or_its_own() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let cases: [(&[&str], &[&str], &[&str]); 9] = [
            (&[], &["rw", "relatime"], &["nosuid", "nodev", "noexec"]),
            (&["nosuid", "nodev", "noexec"], &["nosuid", "nodev", "noexec"], &[]),
            (&["nosuid", "suid", "noexec", "exec", "nodev", "dev"], &[], &["nosuid", "nodev", "noexec"]),
            (&["ro"], &["ro"], &[]),
            (&["ro", "rw"], &["rw"], &["ro"]),
            (&["noatime", "nodiratime"], &["noatime", "nodiratime"], &["relatime"]),
            (&["strictatime"], &[], &["noatime", "relatime"]),
            (&["sync", "dirsync", "mand", "lazytime"], &["sync", "dirsync", "lazytime"], &[]),
            (
                &["size=64k", "nr_inodes=7", "mode=0750", "uid=3"],
                &["size=64k", "nr_inodes=7", "mode=750", "uid=3"],
                &[],
            ),
        ];
        for (number, (options, ..)) in cases.iter().enumerate() {
            mount(&mut bundle, &format!("/{number}"), "tmpfs", "tmpfs", options);
        }
        let text = mountinfo(&mut bundle);
        for (number, (options, has, has_not)) in cases.iter().enumerate() {
            let seen = Mounted::at(&text, &format!("/{number}"));
            for option in *has {
                assert!(seen.has(option), "{options:?}: {option} is not in {seen:?}");
            }
            for option in *has_not {
                assert!(!seen.has(option), "{options:?}: {option} is in {seen:?}");
            }
        }
    });
}

#[test]
fn every_option_of_a_bind_is_the_mounts_and_not_the_hosts() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = host_directory("source");
        let cases: [(&[&str], &[&str], &[&str]); 7] = [
            (&["rbind", "ro"], &["ro"], &[]),
            (&["rbind", "nosuid", "nodev", "noexec"], &["rw", "nosuid", "nodev", "noexec"], &[]),
            (&["bind", "ro", "noexec"], &["ro", "noexec"], &["nodev"]),
            (&["rbind", "noatime"], &["noatime"], &["relatime"]),
            (&["rbind", "strictatime"], &[], &["noatime", "relatime"]),
            (&["rbind", "nosymfollow"], &["nosymfollow"], &[]),
            (&["rbind", "ro", "rw"], &["rw"], &["ro"]),
        ];
        for (number, (options, ..)) in cases.iter().enumerate() {
            mount(&mut bundle, &format!("/{number}"), "bind", source.to_str().unwrap(), options);
        }
        let text = mountinfo(&mut bundle);
        for (number, (options, has, has_not)) in cases.iter().enumerate() {
            let seen = Mounted::at(&text, &format!("/{number}"));
            let all = has.iter().all(|option| seen.options.contains(&option.to_string()));
            let none = has_not.iter().all(|option| !seen.options.contains(&option.to_string()));
            assert!(all && none, "{options:?}: {seen:?}");
        }
        fs::write(source.join("new"), "").expect("the host's is as it was");
    });
}

#[test]
fn a_recursive_attribute_is_for_the_mounts_below_too() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = host_directory("source");
        fs::create_dir(source.join("below")).unwrap();
        mount_tmpfs(&source.join("below"));
        let words = ["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnodiratime", "rnosymfollow"];
        for word in words {
            mount(&mut bundle, &format!("/{word}"), "bind", source.to_str().unwrap(), &["rbind", word]);
        }
        mount(&mut bundle, "/strict", "bind", source.to_str().unwrap(), &["rbind", "rnoatime", "rstrictatime"]);
        mount(&mut bundle, "/back", "bind", source.to_str().unwrap(), &["rbind", "rro", "rrw", "rnodev", "rdev"]);
        let text = mountinfo(&mut bundle);
        for word in words {
            for at in [format!("/{word}"), format!("/{word}/below")] {
                assert!(Mounted::at(&text, &at).options.contains(&word[1..].to_string()), "{at}");
            }
        }
        let strict = Mounted::at(&text, "/strict/below");
        assert!(!strict.has("noatime") && !strict.has("relatime"), "{strict:?}");
        let back = Mounted::at(&text, "/back/below");
        assert!(!back.has("ro") && !back.has("nodev"), "{back:?}");
        // Without the r it is the top alone.
        mount(&mut bundle, "/top", "bind", source.to_str().unwrap(), &["rbind", "ro", "noexec"]);
        let text = mountinfo(&mut bundle);
        assert!(Mounted::at(&text, "/top").has("noexec") && !Mounted::at(&text, "/top/below").has("noexec"));
        assert!(!Mounted::at(&text, "/top/below").has("ro"));
        unmount(&source.join("below"));
    });
}

#[test]
fn a_remount_changes_the_mount_that_is_there() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        mount(&mut bundle, "/a", "tmpfs", "tmpfs", &["nodev"]);
        mount(&mut bundle, "/a", "none", "", &["remount", "ro", "noexec"]);
        let text = mountinfo(&mut bundle);
        assert_eq!(Mounted::all(&text, "/a").len(), 1);
        let seen = Mounted::at(&text, "/a");
        assert!(["ro", "noexec", "nodev"].iter().all(|option| seen.has(option)), "{seen:?}");
    });
}

#[test]
fn an_idmapped_mount_has_the_owners_of_its_mapping() {
    needs!(root, kernel = 6.3);
    shielded(|| {
        let mut bundle = bundle();
        // A tmpfs can be mapped from Linux 6.3 on.
        let source = host_directory("source");
        fs::create_dir(source.join("below")).unwrap();
        mount_tmpfs(&source.join("below"));
        for (name, owner) in [("file", 7), ("below", 7)] {
            chown(source.join(name), Some(owner), Some(owner)).unwrap();
        }
        let map = json!([{"containerID": 0, "hostID": 1000, "size": 100}]);
        for (at, options) in
            [("/plain", &["rbind"][..]), ("/top", &["rbind", "idmap"]), ("/tree", &["rbind", "ridmap"])]
        {
            mount(&mut bundle, at, "bind", source.to_str().unwrap(), options);
            let last = bundle.config["mounts"].as_array_mut().unwrap().last_mut().unwrap();
            if at != "/plain" {
                last["uidMappings"] = map.clone();
                last["gidMappings"] = map.clone();
            }
        }
        let script = "for at in plain top tree; do for of in file below; do ls -ldn /$at/$of; done; done";
        let seen = prints(&mut bundle, script);
        let owners: Vec<&str> = seen.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
        assert_eq!(owners, ["7", "7", "1007", "7", "1007", "1007"], "{seen}");
        assert_eq!(fs::metadata(source.join("file")).unwrap().uid(), 7);
        unmount(&source.join("below"));
    });
}

#[test]
fn an_idmap_without_any_mapping_is_an_error() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = host_directory("source");
        mount(&mut bundle, "/a", "bind", source.to_str().unwrap(), &["rbind", "idmap"]);
        bundle.run().refused("mounts.options \"idmap\" is not valid: used with uidMappings");
        let last = bundle.config["mounts"].as_array_mut().unwrap().last_mut().unwrap();
        last["uidMappings"] = json!([{"containerID": 0, "hostID": 1000, "size": 100}]);
        bundle.run().refused("linux.gidMappings");
    });
}

#[test]
fn tmpcopyup_begins_with_what_the_tmpfs_covers() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let own = bundle.path.join("rootfs/own");
        fs::create_dir(&own).unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o751)).unwrap();
        fs::write(own.join("file"), "of the image\n").unwrap();
        symlink("/etc/passwd", own.join("link")).unwrap();
        mount(&mut bundle, "/own", "tmpfs", "tmpfs", &["tmpcopyup", "nosuid"]);
        mount(&mut bundle, "/empty", "tmpfs", "tmpfs", &["ro", "tmpcopyup"]);
        let seen =
            prints(&mut bundle, "cat /own/file; readlink /own/link; ls -ld /own | cut -c1-10; echo x > /own/file");
        assert_eq!(seen, "of the image\n/etc/passwd\ndrwxr-x--x\n");
        assert_eq!(fs::read_to_string(own.join("file")).unwrap(), "of the image\n");
        assert!(Mounted::at(&mountinfo(&mut bundle), "/empty").has("ro"));
    });
}

#[test]
fn every_file_system_of_the_kernel_can_be_mounted() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        for name in ["lower", "upper", "work"] {
            fs::create_dir(bundle.path.join(name)).unwrap();
        }
        fs::write(bundle.path.join("lower/file"), "lower\n").unwrap();
        let own = bundle.path.clone();
        let at = |name: &str| own.join(name).display().to_string();
        let layers = [
            format!("lowerdir={}", at("lower")),
            format!("upperdir={}", at("upper")),
            format!("workdir={}", at("work")),
        ];
        let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
        bundle.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "network"}));
        mount(&mut bundle, "/over", "overlay", "overlay", &layers);
        mount(&mut bundle, "/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]);
        mount(&mut bundle, "/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]);
        let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
        mount(&mut bundle, "/dev/pts", "devpts", "devpts", &pts);
        mount(&mut bundle, "/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]);
        mount(&mut bundle, "/none", "nosuchfs", "nosuchfs", &[]);
        bundle.run().refused("nosuchfs");
        bundle.config["mounts"].as_array_mut().unwrap().pop();
        let text = mountinfo(&mut bundle);
        for (at, kind) in [
            ("/over", "overlay"),
            ("/sys", "sysfs"),
            ("/dev", "tmpfs"),
            ("/dev/pts", "devpts"),
            ("/dev/mqueue", "mqueue"),
        ] {
            assert_eq!(Mounted::at(&text, at).kind, kind);
        }
        assert!(Mounted::at(&text, "/sys").has("ro") && Mounted::at(&text, "/dev/pts").has("gid=5"));
        assert_eq!(prints(&mut bundle, "cat /over/file; echo new > /over/new; ls /sys/class/net"), "lower\nlo\n");
        assert_eq!(fs::read_to_string(at("upper/new")).unwrap(), "new\n");
    });
}

#[test]
fn a_cgroup_mount_has_every_hierarchy_and_the_containers_group_at_its_top() {
    needs!(root);
    testkit::Shield::new().cgroup().run(|| {
        let mut bundle = bundle();
        mount(&mut bundle, "/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
        let text = mountinfo(&mut bundle);
        let host = fs::read_to_string("/proc/self/cgroup").unwrap();
        let top = Mounted::at(&text, "/sys/fs/cgroup");
        assert!(top.has("ro"), "{top:?}");
        if host.lines().eq(["0::/"]) || host.lines().count() == 1 {
            assert_eq!(top.kind, "cgroup2");
        } else {
            assert_eq!(top.kind, "tmpfs");
            let below =
                text.lines().filter(|line| line.contains(" /sys/fs/cgroup/") && line.contains(" - cgroup")).count();
            assert_eq!(below, host.lines().count(), "{text}\n{host}");
        }
        // Nobody but the container's own process is in sight.
        let script =
            "cd /sys/fs/cgroup; for d in . *; do cat $d/cgroup.procs 2>/dev/null; done | sort -un | head -c 100";
        assert!(prints(&mut bundle, script).lines().all(|pid| pid.len() < 3));
        bundle.config["linux"]["namespaces"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
        let text = mountinfo(&mut bundle);
        assert!(text.contains(" /sys/fs/cgroup"), "{text}");
    });
}
