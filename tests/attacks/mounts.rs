//! Attacks by what an image holds, on the runtime that mounts something in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use testkit::{dir, random_name};

use super::Container::Plain;
use super::{attack, jail};

/// A directory of the attacker's that looks like a proc, and what its file `status` says.
fn forged_proc() -> (PathBuf, String) {
    let (path, text) = (dir().join("forged"), random_name("forged"));
    fs::create_dir(&path).expect("mkdir");
    fs::write(path.join("status"), &text).expect("a file");
    (path, text)
}

/// CVE-2019-16884: what protects a container is told to a file of its own.
#[test]
fn a_volume_in_the_place_of_proc() {
    attack(Plain, |container| {
        let (forged, text) = forged_proc();
        let said = container.run(&format!("-v {}:/proc", forged.display()), "cat /proc/status");
        container.judge(&["guard"], said.contains(&text), &said);
    });
}

/// The same by a link, which the words of the flag do not show.
#[test]
fn a_volume_where_a_link_leads_to_proc() {
    attack(Plain, |container| {
        let (forged, text) = forged_proc();
        symlink("proc", jail(&["sh", "cat"]).join("elsewhere")).expect("symlink");
        let said = container.run(&format!("-v {}:/elsewhere", forged.display()), "cat /proc/status");
        container.judge(&["guard"], said.contains(&text), &said);
    });
}

/// CVE-2019-19921, CVE-2023-27561: proc is mounted where the image wants it, which may be what another container has in its hands.
#[test]
fn proc_where_a_link_of_the_image_leads() {
    attack(Plain, |container| {
        let root = jail(&["sh", "cat"]);
        fs::create_dir(root.join("volume/deep")).expect("mkdir");
        let _ = fs::remove_dir(root.join("proc"));
        symlink("volume/deep", root.join("proc")).expect("symlink");
        let said = container.run("", "cat /proc/self/mountinfo");
        container.judge(&["guard"], said.contains(" /volume/deep "), &said);
    });
}

/// CVE-2021-30465, CVE-2024-45310: a mount point is made on the host.
#[test]
fn a_mount_point_where_a_link_of_the_image_leads() {
    attack(Plain, |container| {
        let (volume, outside) = (dir().join("shared"), dir().join("outside"));
        fs::create_dir(&volume).expect("mkdir");
        fs::create_dir(&outside).expect("mkdir");
        symlink(&outside, jail(&["sh"]).join("way")).expect("symlink");
        let said = container.run(&format!("-v {}:/way/made", volume.display()), "echo started");
        container.judge(&["inside"], outside.join("made").exists(), &said);
    });
}

/// CVE-2025-31133: what covers a masked path is the image's /dev/null, a link to a file of the kernel.
#[test]
fn a_masked_path_under_a_null_of_the_images_own() {
    attack(Plain, |container| {
        let (dev, name) = (dir().join("dev"), random_name("name"));
        fs::create_dir(&dev).expect("mkdir");
        symlink("/proc/sys/kernel/hostname", dev.join("null")).expect("symlink");
        let said = container.run(&format!("--hostname {name} -v {}:/dev", dev.display()), "cat /proc/keys");
        // Without the namespace it is the host's name.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("/proc");
        container.judge(&["null"], said.contains(&name) || said == host, &said);
    });
}
