//! Images from outside, on the reference: other tools read what boxwright writes, and the other way.
//!
//! Every test runs under a shield, with a store of its own.

#![cfg(feature = "solutions")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::files::{self, File};
use testkit::{Rootfs, Shield, dir, needs, random_name, shielded};

#[test]
fn skopeo_reads_what_save_writes_and_load_what_skopeo_writes() {
    needs!(program = skopeo, program = tar);
    shielded(|| {
        let word = random_name("word");
        import("box:1", &word);
        let archive = path("box.tar");
        boxwright(&["save", "-o", &archive, "box:1"]).success();
        let seen = tool(&["skopeo", "inspect", "--config", &format!("docker-archive:{archive}")]);
        let id = boxwright(&["images", "-q", "--no-trunc"]).success();
        let id = String::from_utf8_lossy(&id.get_output().stdout).trim().to_owned();
        let inspected: serde_json::Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(inspected["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(1), "{seen}");

        let layout = path("layout");
        tool(&["skopeo", "copy", "--quiet", &format!("docker-archive:{archive}"), &format!("oci:{layout}:box:2")]);
        boxwright(&["rmi", "box:1"]).success();
        boxwright(&["load", "-i", &layout]).success().stdout(contains("Loaded image"));
        let again = boxwright(&["images", "-q", "--no-trunc"]).success();
        let again = String::from_utf8_lossy(&again.get_output().stdout).trim().to_owned();
        boxwright(&["run", "--rm", &again, "cat", "/etc/word"]).success().stdout(format!("{word}\n"));
        assert!(id.starts_with("sha256:") && again.starts_with("sha256:"), "{id} {again}");
    });
}

#[test]
fn an_image_that_umoci_made_runs() {
    needs!(root, program = umoci);
    shielded(|| {
        let (layout, word) = (path("layout"), random_name("word"));
        let root = Rootfs::build(dir().join("tmp-root"), &["sh", "cat"]).unwrap();
        fs::write(root.path().join("etc/word"), format!("{word}\n")).unwrap();
        let image = format!("{layout}:mine");
        tool(&["umoci", "init", "--layout", &layout]);
        tool(&["umoci", "new", "--image", &image]);
        tool(&["umoci", "insert", "--image", &image, root.path().to_str().unwrap(), "/"]);
        tool(&["umoci", "config", "--image", &image, "--config.cmd", "cat", "--config.cmd", "/etc/word"]);
        boxwright(&["load", "-i", &layout]).success();
        let id = boxwright(&["images", "-q"]).success();
        let id = String::from_utf8_lossy(&id.get_output().stdout).trim().to_owned();
        boxwright(&["run", "--rm", &id]).success().stdout(format!("{word}\n"));
    });
}

#[test]
fn an_image_that_buildah_made_runs_and_podman_reads_the_same_of_what_becomes_of_it() {
    needs!(root, program = buildah, program = podman);
    Shield::new().deadline(Duration::from_secs(120)).run(|| {
        let (layout, word) = (path("layout"), random_name("word"));
        buildah(&layout, &word);
        boxwright(&["load", "-i", &layout]).success().stdout(contains("Loaded image: mine:1"));
        boxwright(&["run", "--rm", "mine:1"]).success().stdout(format!("{word}\n"));
        let script = "rm /etc/gone; rm -r /srv/old; mkdir /srv/old; ln /etc/word /etc/again; chmod 2755 /srv; touch -d @1 /srv/old";
        boxwright(&["run", "--name", "writer", "mine:1", "sh", "-c", script]).success();
        boxwright(&["commit", "writer", "mine:2"]).success();
        let archive = path("saved.tar");
        boxwright(&["save", "-o", &archive, "mine:2"]).success();

        engine("podman", &["load", "-q", "-i", &archive]);
        let theirs = engine("podman", &["image", "mount", "localhost/mine:2"]);
        let (theirs, ours) = (tree(Path::new(theirs.trim())), tree(&flat("mine:2")));
        assert!(theirs.contains_key(Path::new("etc/again")) && !theirs.contains_key(Path::new("srv/old/deep")), "{theirs:?}");
        // Of the root itself no layer says anything, and places for mounts are the store's own.
        let own = ["", "dev", "dev/pts", "dev/shm", "proc", "sys", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf"];
        for path in theirs.keys().chain(ours.keys()).filter(|path| !own.iter().any(|own| **path == Path::new(own))) {
            assert_eq!(ours.get(path), theirs.get(path), "{}", path.display());
        }
        engine("podman", &["image", "umount", "localhost/mine:2"]);
    });
}

/// An image of two layers, with what is not plain in them.
fn buildah(layout: &str, word: &str) {
    let root = Rootfs::build(dir().join("tmp-root"), &["sh", "cat", "rm", "mkdir", "ln", "chmod", "touch"]).unwrap();
    let at = |path: &str| root.path().join(path);
    fs::create_dir_all(at("srv/old/deep")).unwrap();
    for (path, text) in [("etc/word", word), ("etc/gone", "below"), ("srv/old/deep/file", "below"), ("srv/owned", "7")]
    {
        fs::write(at(path), format!("{text}\n")).unwrap();
    }
    fs::hard_link(at("etc/word"), at("srv/linked")).unwrap();
    fs::set_permissions(at("srv/owned"), fs::Permissions::from_mode(0o4711)).unwrap();
    std::os::unix::fs::chown(at("srv/owned"), Some(7), Some(8)).unwrap();
    xattr::set(at("srv/owned"), "user.own", b"kept").unwrap();
    let container = engine("buildah", &["from", "scratch"]);
    let container = container.trim();
    engine("buildah", &["copy", "-q", container, root.path().to_str().unwrap(), "/"]);
    engine("buildah", &["config", "--cmd", r#"["cat", "/etc/word"]"#, container]);
    engine("buildah", &["commit", "-q", container, &format!("oci:{layout}:mine:1")]);
}

/// buildah or podman, with all that they keep in the shield's directory.
#[track_caller]
fn engine(name: &str, args: &[&str]) -> String {
    let [root, run, networks, config] = ["engine", "engine-run", "engine-networks", "engine.conf"].map(path);
    // In memory nothing can be written here.
    let places = format!("[engine]\nlock_type = \"file\"\n[network]\nnetwork_config_dir = \"{networks}\"\n");
    fs::write(&config, places).unwrap();
    let (config, tmp) = (format!("CONTAINERS_CONF={config}"), path("engine-tmp"));
    // Where root's have a directory for networks, whatever they are told.
    let with_own_run = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh"];
    let own = ["env", &config, name, "--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    let podmans = ["--tmpdir", &tmp, "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
    tool(&[&with_own_run[..], &own, if name == "podman" { &podmans } else { &[] }, args].concat())
}

/// The tree of an image without overlays: where a container on vfs had it copied from.
fn flat(name: &str) -> PathBuf {
    boxwright(&["run", "--rm", "--storage-driver", "vfs", name]).success();
    let mut trees = fs::read_dir(dir().join("data/store/flat")).unwrap().map(|entry| entry.unwrap().path());
    trees.find(|path| path.is_dir()).unwrap()
}

/// Of an archive's times, which podman has in whole seconds.
fn tree(root: &Path) -> BTreeMap<PathBuf, File> {
    let mut files = files::tree(root).unwrap();
    files.values_mut().for_each(|file| file.changed.1 = 0);
    files
}

#[test]
fn an_image_that_a_container_uses_is_not_removed() {
    needs!(program = tar);
    shielded(|| {
        import("box", "word");
        boxwright(&["run", "--name", "user", "box", "true"]).success();
        boxwright(&["rmi", "box"]).failure().stderr(contains("user").and(contains("\n").count(1)));
        boxwright(&["run", "--rm", "box", "cat", "/etc/word"]).success().stdout("word\n");
        boxwright(&["rm", "user"]).success();
        boxwright(&["rmi", "box"]).success();
        boxwright(&["images", "-q"]).success().stdout("");
    });
}

#[test]
fn a_blob_that_was_changed_is_refused_and_nothing_is_left() {
    needs!(program = skopeo, program = tar);
    shielded(|| {
        import("box", "word");
        let (archive, layout) = (path("box.tar"), path("layout"));
        boxwright(&["save", "-o", &archive, "box"]).success();
        tool(&["skopeo", "copy", "--quiet", &format!("docker-archive:{archive}"), &format!("oci:{layout}:box")]);
        boxwright(&["rmi", "box"]).success();
        let blobs = fs::read_dir(Path::new(&layout).join("blobs/sha256")).unwrap();
        let largest =
            blobs.map(|entry| entry.unwrap().path()).max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut bytes = fs::read(&largest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&largest, bytes).unwrap();
        let told = contains("digest").and(contains("\n").count(1));
        boxwright(&["load", "-i", &layout]).failure().stdout("").stderr(told);
        boxwright(&["images", "-q"]).success().stdout("");
        verify();
    });
}

/// Every blob is what it is called, and nothing half-made is about.
#[track_caller]
fn verify() {
    let blobs = dir().join("data/store/blobs/sha256");
    for entry in fs::read_dir(&blobs).into_iter().flatten() {
        let entry = entry.unwrap();
        let digest = model::image::Digest::of(&fs::read(entry.path()).unwrap());
        assert_eq!(Path::new(&entry.file_name()), Path::new(&digest.hex()), "a blob has another digest than its name");
    }
}

/// An image of this machine's own programs, with `word` in a file.
fn import(name: &str, word: &str) {
    let root = Rootfs::build(dir().join(random_name("root")), &["sh", "cat", "true"]).unwrap();
    fs::write(root.path().join("etc/word"), format!("{word}\n")).unwrap();
    let archive = path("root.tar");
    tool(&["tar", "-C", root.path().to_str().unwrap(), "-cf", &archive, "."]);
    boxwright(&["import", &archive, name]).success();
}

fn path(name: &str) -> String {
    dir().join(name).to_str().unwrap().to_owned()
}

/// Runs another program, which is to succeed: what it says.
#[track_caller]
fn tool(args: &[&str]) -> String {
    let home: PathBuf = dir();
    let output =
        Command::new(args[0]).args(&args[1..]).env("HOME", &home).env("XDG_RUNTIME_DIR", &home).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    command.env("BOXWRIGHT_DATA", dir().join("data")).args(args);
    command
}

fn boxwright(args: &[&str]) -> assert_cmd::assert::Assert {
    assert_cmd::Command::from_std(command(args)).assert()
}
