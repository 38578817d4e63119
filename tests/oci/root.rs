//! config.md, "Root"; config-linux.md, "Rootfs Mount Propagation", "Masked Paths", "Readonly Paths", "Default Devices",
//! "Devices", "Sysctl", "Time offsets", "Namespaces".

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use serde_json::json;
use testkit::{dir, needs, shielded};

use super::bundle::Bundle;
use super::{Mounted, bundle, mount, mountinfo, prints, with};

fn add_namespace(bundle: &mut Bundle, kind: &str) {
    bundle.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": kind}));
}

#[test]
fn a_readonly_root_can_be_read_and_not_written() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        mount(&mut bundle, "/tmp", "tmpfs", "tmpfs", &[]);
        bundle.config["root"]["readonly"] = json!(true);
        assert_eq!(
            prints(&mut bundle, "echo x > /file || echo refused; echo x > /tmp/file; ls /tmp"),
            "refused\nfile\n"
        );
        assert!(!bundle.path.join("rootfs/file").exists());
    });
}

#[test]
fn the_root_propagates_as_it_is_told() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        for (word, seen) in [
            ("private", ""),
            ("rprivate", ""),
            ("slave", ""),
            ("rslave", ""),
            ("shared", "shared:"),
            ("rshared", "shared:"),
            ("unbindable", "unbindable"),
            ("runbindable", "unbindable"),
        ] {
            bundle.config["linux"]["rootfsPropagation"] = json!(word);
            let spread = Mounted::at(&mountinfo(&mut bundle), "/").spread.join(" ");
            assert!(spread.starts_with(seen) && spread.is_empty() == seen.is_empty(), "{word}: {spread}");
        }
        with(&mut bundle, "linux.rootfsPropagation", json!("sideways")).refused("linux.rootfsPropagation \"sideways\"");
    });
}

/// Nothing of the container's own is seen on the host, even of one that shares: the host audit of the shield looks, too.
#[test]
fn a_slave_hears_of_the_hosts_mounts_and_tells_nothing() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let source = dir().join("source");
        fs::create_dir(&source).unwrap();
        let (none, empty) = (None::<&str>, nix::mount::MsFlags::empty());
        nix::mount::mount(Some("tmpfs"), &source, Some("tmpfs"), empty, none).unwrap();
        nix::mount::mount(none, &source, none, nix::mount::MsFlags::MS_SHARED, none).unwrap();
        fs::create_dir(source.join("later")).unwrap();
        for (word, hears) in [("rslave", true), ("rshared", true), ("rprivate", false)] {
            mount(&mut bundle, "/a", "bind", source.to_str().unwrap(), &["rbind", word]);
            bundle.config["process"]["args"] = json!(["sleep", "600"]);
            bundle.create().ok();
            bundle.tell("start").ok();
            let pid = bundle.state()["pid"].to_string();
            nix::mount::mount(Some("tmpfs"), &source.join("later"), Some("tmpfs"), empty, none).unwrap();
            let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
            nix::mount::umount2(&source.join("later"), nix::mount::MntFlags::MNT_DETACH).unwrap();
            assert_eq!(!Mounted::all(&text, "/a/later").is_empty(), hears, "{word}: {text}");
            bundle.runbox(&["delete", "--force", &bundle.id]).ok();
            bundle.config["mounts"].as_array_mut().unwrap().pop();
        }
        nix::mount::umount2(&source, nix::mount::MntFlags::MNT_DETACH).unwrap();
    });
}

#[test]
fn masked_paths_cannot_be_read() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let root = bundle.path.join("rootfs");
        fs::create_dir(root.join("directory")).unwrap();
        fs::write(root.join("directory/file"), "secret").unwrap();
        fs::write(root.join("file"), "secret").unwrap();
        bundle.config["linux"]["maskedPaths"] = json!(["/directory", "/file", "/missing", "/proc/kcore"]);
        assert_eq!(prints(&mut bundle, "ls -A /directory; cat /file; cat /proc/kcore | head -c 1"), "");
        with(&mut bundle, "linux.maskedPaths", json!(["file"])).refused("linux.maskedPaths");
    });
}

#[test]
fn readonly_paths_cannot_be_written() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let root = bundle.path.join("rootfs");
        fs::create_dir(root.join("directory")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        bundle.config["linux"]["readonlyPaths"] = json!(["/directory", "/file", "/missing", "/proc/sys"]);
        let script =
            "for f in /directory/x /file /proc/sys/kernel/domainname; do echo x > $f || echo refused; done 2>/dev/null";
        assert_eq!(prints(&mut bundle, script), "refused\n".repeat(3));
    });
}

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

#[test]
fn the_default_devices_and_links_are_there_whatever_dev_is() {
    needs!(root);
    shielded(|| {
        for options in [None, Some(&["nosuid", "strictatime", "mode=755", "size=65536k"][..]), Some(&["noexec"])] {
            let mut bundle = bundle();
            if let Some(options) = options {
                mount(&mut bundle, "/dev", "tmpfs", "tmpfs", options);
            }
            mount(&mut bundle, "/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666"]);
            let script = "cd /dev; ls -l null zero full random urandom tty | cut -c1; echo x > null; head -c 1 zero | wc -c; \
                          readlink fd stdin stdout stderr ptmx";
            let links = "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n";
            assert_eq!(prints(&mut bundle, script), format!("{}1\n{links}", "c\n".repeat(6)), "{options:?}");
            // Once more, where they are by now.
            prints(&mut bundle, "true");
            let own = bundle.path.join("rootfs/dev");
            if options.is_none() {
                for device in DEVICES {
                    assert!(fs::metadata(own.join(device)).unwrap().file_type().is_char_device(), "{device}");
                }
            }
        }
    });
}

#[test]
fn devices_are_made_as_they_are_told() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["linux"]["devices"] = json!([
            {"path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 3, "gid": 4},
            {"path": "/some/where/block", "type": "b", "major": 7, "minor": 99, "fileMode": 0o600},
            {"path": "/pipe", "type": "p", "fileMode": 0o622},
            {"path": "/unbuffered", "type": "u", "major": 1, "minor": 3},
        ]);
        let root = bundle.path.join("rootfs");
        prints(&mut bundle, "true");
        let own = fs::metadata(root.join("dev/own")).unwrap();
        assert_eq!((own.mode() & 0o7777, own.uid(), own.gid()), (0o640, 3, 4));
        assert_eq!(own.rdev(), nix::sys::stat::makedev(1, 5));
        assert!(fs::metadata(root.join("some/where/block")).unwrap().file_type().is_block_device());
        assert_eq!(fs::metadata(root.join("pipe")).unwrap().mode() & 0o7777, 0o622);
        assert!(fs::metadata(root.join("pipe")).unwrap().file_type().is_fifo());
        // The same again is no other file, and another is an error.
        prints(&mut bundle, "true");
        fs::write(root.join("file"), "").unwrap();
        let other = json!([{"path": "/file", "type": "c", "major": 1, "minor": 5}]);
        with(&mut bundle, "linux.devices", other).refused("EEXIST");
        let none = json!([{"path": "/x", "type": "c"}]);
        drop(with(&mut bundle, "linux.devices", none));
    });
}

#[test]
fn sysctls_are_set_in_the_containers_namespaces_alone() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let host = fs::read_to_string("/proc/sys/kernel/msgmax").unwrap();
        let sysctl = json!({"kernel.msgmax": "4321", "net/ipv4/ip_forward": "1", "kernel.domainname": "of.sysctl"});
        bundle.config["linux"]["sysctl"] = sysctl.clone();
        bundle.run().refused("linux.sysctl \"net/ipv4/ip_forward\" is not valid: of the host");
        add_namespace(&mut bundle, "network");
        let script = "cd /proc/sys; cat kernel/msgmax net/ipv4/ip_forward kernel/domainname";
        assert_eq!(prints(&mut bundle, script), "4321\n1\nof.sysctl\n");
        assert_eq!(fs::read_to_string("/proc/sys/kernel/msgmax").unwrap(), host);
        for (name, words) in [
            ("vm.swappiness", "one that is a namespace's"),
            ("kernel.hostname", "the field hostname"),
            ("net.ipv4.no_such", "ENOENT"),
            ("../../tmp/x", "a name such as"),
        ] {
            with(&mut bundle, "linux.sysctl", json!({name: "1"})).refused(words);
        }
        // Joined by its path, the host's is the host's.
        let joined = json!([{"type": "mount"}, {"type": "uts"}, {"type": "network", "path": "/proc/self/ns/net"}]);
        with(&mut bundle, "linux.namespaces", joined).refused("of the host");
    });
}

#[test]
fn time_offsets_are_what_the_clocks_of_the_container_are_ahead() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        bundle.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000, "nanosecs": 5}});
        bundle.run().refused("linux.timeOffsets");
        add_namespace(&mut bundle, "time");
        let up = |text: &str| text.split('.').next().unwrap().parse::<u64>().unwrap();
        let host = up(&fs::read_to_string("/proc/uptime").unwrap());
        assert!(up(&prints(&mut bundle, "cat /proc/uptime")) - host >= 1_000_000);
        for (bad, words) in [
            (json!({"realtime": {"secs": 1}}), "monotonic or boottime"),
            (json!({"monotonic": {"nanosecs": 1_000_000_000}}), "less than a second"),
        ] {
            with(&mut bundle, "linux.timeOffsets", bad).refused(words);
        }
    });
}

#[test]
fn every_namespace_that_is_listed_is_new_and_no_other() {
    needs!(root);
    shielded(|| {
        let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "uts"];
        let script = format!("for kind in {}; do readlink /proc/self/ns/$kind; done", kinds.join(" "));
        let mut bundle = bundle();
        bundle.config["linux"]["namespaces"] = json!([
            {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "uts"}, {"type": "ipc"}, {"type": "cgroup"},
            {"type": "time"},
        ]);
        let all = prints(&mut bundle, &script);
        bundle.config["linux"]["namespaces"] = json!([{"type": "mount"}]);
        bundle.config.as_object_mut().unwrap().remove("hostname");
        let one = prints(&mut bundle, &script);
        for ((kind, all), one) in kinds.iter().zip(all.lines()).zip(one.lines()) {
            let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
            assert_ne!(all, own, "{kind}");
            assert_eq!(one == own, *kind != "mnt", "{kind}");
        }
        with(&mut bundle, "linux.namespaces", json!([{"type": "mount"}, {"type": "mount"}])).refused("each type once");
        with(&mut bundle, "linux.namespaces", json!([{"type": "mount"}, {"type": "fun"}]))
            .refused("linux.namespaces[1].type");
        with(&mut bundle, "hostname", json!("a")).refused("used with a UTS namespace");
    });
}

#[test]
fn a_mount_follows_no_link_of_the_image_to_the_host() {
    needs!(root);
    shielded(|| {
        let mut bundle = bundle();
        let outside = dir().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, bundle.path.join("rootfs/way")).unwrap();
        symlink("../../../../../../../../../../", bundle.path.join("rootfs/up")).unwrap();
        mount(&mut bundle, &format!("/up{}", outside.display()), "tmpfs", "tmpfs", &[]);
        bundle.config["process"]["args"] = json!(["true"]);
        bundle.run().ok();
        let inside = bundle.path.join("rootfs").join(outside.strip_prefix("/").unwrap());
        assert!(inside.exists(), "the place is in the root file system");
        mount(&mut bundle, "/way/in", "tmpfs", "tmpfs", &[]);
        bundle.run().ok();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    });
}
