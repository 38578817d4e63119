//! `pull` and `push`, with a registry on the loopback of a shield's own network.

#![cfg(feature = "solutions")]

mod on_the_way;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::media_type::{INDEXES, MANIFESTS};
use model::image::Digest;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use serde_json::{Value, json};
use testkit::{Random, Rootfs, Shield, dir, files, needs, start_and_kill, start_silent};

const NAME: &str = "127.0.0.1:5000/me/web:1";
/// A registry, ended with the value.
struct Registry(Child);

impl Registry {
    fn start() -> Self {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success(), "ip link set lo up: {up}");
        let config = dir().join("registry.yml");
        let storage = storage();
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:5000'}}\n",
            storage.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        let quiet = command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Registry(quiet.spawn().unwrap());
        let begin = Instant::now();
        while TcpStream::connect("127.0.0.1:5000").is_err() {
            assert!(begin.elapsed() < testkit::patience(Duration::from_secs(10)), "the registry does not listen");
            sleep(Duration::from_millis(20));
        }
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn storage() -> PathBuf {
    dir().join("registry")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command.env("BOXWRIGHT_DATA", dir().join("data")).args(args);
    command
}

fn boxwright(args: &[&str]) -> assert_cmd::assert::Assert {
    assert_cmd::Command::from_std(command(args)).assert()
}

fn said(args: &[&str]) -> String {
    String::from_utf8(boxwright(args).success().get_output().stdout.clone()).unwrap()
}

/// Makes an image with sh and a file, called [`NAME`], and answers its id.
fn image() -> String {
    let root = Rootfs::build(dir().join("rootfs"), &["sh", "cat"]).unwrap();
    fs::write(root.path().join("file"), "from afar\n").unwrap();
    import(&root)
}

/// Makes an image of the root file system, called [`NAME`], and answers its id.
fn import(root: &Rootfs) -> String {
    let archive = dir().join("root.tar");
    let packed = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(root.path()).arg(".").status().unwrap();
    assert!(packed.success(), "tar: {packed}");
    said(&["import", archive.to_str().unwrap(), NAME]).trim().to_owned()
}

/// Every blob of a registry, and every layer of a store, by its path.
fn paths(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] }).collect()
}

/// Removes the image and all that only it needs.
fn forget() {
    boxwright(&["rmi", NAME]).success();
    boxwright(&["system", "prune", "--all", "--force"]).success();
    assert_eq!(paths(&dir().join("data/store/blobs")), Vec::<PathBuf>::new());
}

fn shield() -> Shield {
    Shield::new().deadline(Duration::from_secs(60))
}

#[test]
fn what_is_pushed_comes_back_and_runs() {
    needs!(program = "docker-registry", program = "skopeo", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        let id = image();
        boxwright(&["push", NAME])
            .success()
            .stdout(is_match("^1: digest: sha256:[0-9a-f]{64} size: [0-9]+\n$").unwrap());
        let seen = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &format!("docker://{NAME}")])
            .output()
            .unwrap();
        let digest = String::from_utf8(seen.stdout).unwrap().trim().to_owned();
        assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
        // What it has already it is not given again.
        boxwright(&["push", "--quiet", NAME]).success().stdout("");

        forget();
        let lines = format!("Digest: {digest}\nStatus: Downloaded newer image for {NAME}\n{NAME}\n");
        boxwright(&["pull", NAME]).success().stdout(lines).stderr("");
        boxwright(&["run", "--rm", NAME, "cat", "/file"]).success().stdout("from afar\n");
        boxwright(&["pull", NAME]).success().stdout(contains("Status: Image is up to date"));
        assert_eq!(said(&["pull", "--quiet", NAME]), format!("{id}\n"));

        forget_and_pull_by_digest(&digest, &id);
    });
}

fn forget_and_pull_by_digest(digest: &str, id: &str) {
    forget();
    let pinned = format!("127.0.0.1:5000/me/web@{digest}");
    assert_eq!(said(&["pull", "--quiet", &pinned]), format!("{id}\n"));
    boxwright(&["inspect", &pinned]).success().stdout(contains(&pinned));
}

#[test]
fn of_an_index_comes_the_image_for_the_platform_alone() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        let (id, many, none) = (image(), "127.0.0.1:5000/me/web:many", "127.0.0.1:5000/me/web:none");
        let own = engine::Platform::own().arch.to_string();
        boxwright(&["run", "--name", "other", NAME, "sh", "-c", "echo other >/file"]).success();
        let other = said(&["commit", "other", "127.0.0.1:5000/me/web:other"]).trim().to_owned();
        boxwright(&["rm", "other"]).success();
        let own = line_of_index(NAME, json!({"os": "linux", "architecture": own}));
        let others = [
            line_of_index("127.0.0.1:5000/me/web:other", json!({"os": "linux", "architecture": "s390x"})),
            line_of_index(NAME, json!({"os": "linux", "architecture": "arm", "variant": "v6"})),
        ];
        put_index("many", &[&others[..], &[own]].concat());
        put_index("none", &others);
        boxwright(&["rmi", "127.0.0.1:5000/me/web:other"]).success();
        forget();

        assert_eq!(said(&["pull", "--quiet", many]), format!("{id}\n"));
        boxwright(&["run", "--rm", many, "cat", "/file"]).success().stdout("from afar\n");
        // Of the others nothing has come: a manifest, a configuration, and a layer.
        assert_eq!(paths(&dir().join("data/store/blobs")).len(), 3);
        for platform in ["linux/arm/v7", "linux/ppc64le"] {
            let words =
                contains(format!("nothing for {platform}, ")).and(contains("linux/s390x, linux/arm/v6, linux/"));
            let told = words.and(contains("\n").count(1));
            boxwright(&["pull", "--platform", platform, many]).code(predicate::ne(0)).stdout("").stderr(told);
        }
        let words = contains("nothing for linux/").and(contains("this is there: linux/s390x, linux/arm/v6\n"));
        boxwright(&["pull", none]).code(predicate::ne(0)).stdout("").stderr(words);
        boxwright(&["images", "--quiet", "--no-trunc"]).success().stdout(format!("{id}\n"));
        assert_eq!(said(&["pull", "--quiet", "--platform", "linux/s390x", many]), format!("{other}\n"));
        boxwright(&["run", "--rm", many, "cat", "/file"]).success().stdout("other\n");
        assert_eq!(said(&["pull", "--quiet", "--platform", "linux/arm", many]), format!("{id}\n"));
    });
}

/// Pushes the image, and answers how an index names it for a platform.
fn line_of_index(name: &str, platform: Value) -> Value {
    let pushed = said(&["push", name]);
    let words: Vec<_> = pushed.split_whitespace().collect();
    let [_, "digest:", digest, "size:", bytes] = words[..] else { panic!("{pushed}") };
    let size: u64 = bytes.parse().unwrap();
    json!({"mediaType": MANIFESTS[0], "digest": digest, "size": size, "platform": platform})
}

/// Gives the registry an index under a tag, as a builder for many platforms does.
fn put_index(tag: &str, lines: &[Value]) {
    let text = json!({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": lines}).to_string();
    let (kind, bytes) = (INDEXES[0], text.len());
    let head = format!("PUT /v2/me/web/manifests/{tag} HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nConnection: close\r\n");
    let head = format!("{head}Content-Type: {kind}\r\nContent-Length: {bytes}\r\n\r\n");
    let mut registry = TcpStream::connect("127.0.0.1:5000").unwrap();
    registry.write_all((head + &text).as_bytes()).unwrap();
    let mut answer = String::new();
    registry.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[test]
fn what_is_not_what_its_digest_says_is_refused() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        image();
        boxwright(&["push", NAME]).success();
        forget();
        // The largest is the layer. As many bytes, and one of them another one.
        let blobs = paths(&storage().join("docker/registry/v2/blobs"));
        let layer = blobs.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
        let mut content = fs::read(&layer).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&layer, content).unwrap();
        let digest = layer.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        boxwright(&["pull", NAME]).code(predicate::ne(0)).stdout("").stderr(contains(digest.clone()));
        boxwright(&["images", "--quiet"]).success().stdout("");
        assert_eq!(paths(&dir().join("data/store/incoming")), Vec::<PathBuf>::new());
        // Neither the layer nor a manifest that would need it.
        let left = paths(&dir().join("data/store/blobs"));
        assert!(left.len() <= 1 && !left.iter().any(|path| path.ends_with(&digest)), "{left:?}");
        boxwright(&["system", "prune", "--force"]).success();
        assert_eq!(paths(&dir().join("data/store/blobs")), Vec::<PathBuf>::new());
    });
}

#[test]
fn what_cannot_be_had_is_said() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        boxwright(&["pull", NAME]).code(predicate::ne(0)).stderr(contains(NAME));
        let _registry = Registry::start();
        boxwright(&["pull", NAME]).code(predicate::ne(0)).stderr(contains("manifest unknown"));
        boxwright(&["pull", "Web"]).code(predicate::ne(0)).stderr(contains("image name"));
        boxwright(&["push", NAME]).code(predicate::ne(0)).stderr(contains(NAME));
    });
}

#[test]
fn whenever_boxwright_is_killed_the_store_is_whole_and_a_pull_ends_what_was_begun() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    let kills = testkit::kills(10);
    Shield::new().deadline(Duration::from_secs(60 + 6 * kills)).run(move || {
        let _registry = Registry::start();
        let layers = push_three_layers();
        let begin = Instant::now();
        boxwright(&["pull", NAME]).success();
        let most = begin.elapsed();
        let commands: [&[&str]; 6] = [
            &["pull", NAME],
            &["pull", NAME],
            &["run", "--rm", NAME],
            &["commit", "made", "next"],
            &["rmi", "-f", NAME],
            &["system", "prune", "--all", "--force"],
        ];
        let mut random = Random::new();
        for _ in 0..kills {
            let args = *random.of(&commands);
            match args[0] {
                "pull" | "run" if random.below(4) > 0 => drop(boxwright(&["rmi", NAME])),
                "commit" => drop(boxwright(&["run", "--name", "made", NAME, "sh", "-c", "echo >/etc/made"]).success()),
                _ => {}
            }
            // Whoever pulls the same, and is not killed, takes over.
            let other = (args[0] == "pull" && random.below(2) == 0).then(|| start_silent(&mut command(args)));
            start_and_kill(&mut command(args), most, &mut random);
            if let Some(mut other) = other {
                assert!(other.wait().unwrap().success(), "beside a killed {args:?}");
            }
            // Else the next one meets what is left.
            if args[0] != "pull" || random.below(2) == 0 {
                verify(&layers, args);
            }
        }
    });
}

/// Pushes an image that prints `whole`, forgets it, and tells what is in each of its layers.
fn push_three_layers() -> BTreeMap<PathBuf, BTreeMap<PathBuf, (u32, Digest)>> {
    image();
    for name in ["one", "two"] {
        let script = format!(
            "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo {name} >/etc/{name}-$i; done; cat $(command -v cat) >/etc/{name}"
        );
        boxwright(&["run", "--name", name, NAME, "sh", "-c", &script]).success();
        boxwright(&["commit", "--change", "CMD [\"sh\", \"-c\", \"echo whole\"]", name, NAME]).success();
        boxwright(&["rm", name]).success();
    }
    boxwright(&["push", NAME]).success();
    boxwright(&["system", "prune", "--force"]).success();
    let layers = layers().into_iter().map(|path| (path.clone(), tree(&path))).collect();
    forget();
    layers
}

/// The directories of the store's layers that have their names, but for the one that every store has.
fn layers() -> Vec<PathBuf> {
    let entries = fs::read_dir(dir().join("data/store/layers")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("diff").is_dir() && path.file_name().unwrap().len() == 64).collect()
}

/// The mode and the content of every file.
fn tree(layer: &Path) -> BTreeMap<PathBuf, (u32, Digest)> {
    let files = files::tree(&layer.join("diff")).unwrap().into_iter();
    files.map(|(path, file)| (path, (file.mode, file.content))).collect()
}

/// What has its name is whole; a pull makes good what is missing; and what was not finished goes with the next prune.
#[track_caller]
fn verify(layers: &BTreeMap<PathBuf, BTreeMap<PathBuf, (u32, Digest)>>, after: &[&str]) {
    for id in said(&["images", "--quiet", "--no-trunc"]).lines() {
        boxwright(&["run", "--rm", id]).success().stdout("whole\n");
    }
    let same = |path: &PathBuf| layers.get(path).is_none_or(|whole| *whole == tree(path));
    assert_eq!(self::layers().into_iter().find(|path| !same(path)), None, "a layer is another after {after:?}");
    for blob in paths(&dir().join("data/store/blobs")) {
        let digest = Digest::of(&fs::read(&blob).unwrap()).hex();
        assert!(blob.ends_with(digest), "{} has other content after {after:?}", blob.display());
    }
    boxwright(&["pull", NAME]).success();
    boxwright(&["run", "--rm", NAME]).success().stdout("whole\n");
    if after[0] == "commit" {
        boxwright(&["rm", "made"]).success();
    }
    if said(&["images"]).contains("next") {
        boxwright(&["rmi", "next"]).success();
    }
    boxwright(&["system", "prune", "--force"]).success();
    let is_unfinished = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
    let entries = fs::read_dir(dir().join("data/store/layers")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(entries.filter(is_unfinished).chain(paths(&dir().join("data/store/incoming"))).next(), None);
    assert_eq!(self::layers().len(), layers.len(), "after {after:?}");
}
