//! What happens while a layer is on its way: it is unpacked, the line breaks, somebody else wants the same.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, scope, sleep, spawn};
use std::time::{Duration, Instant};

use predicates::str::contains;
use testkit::{Rootfs, dir, needs, start_silent};

use crate::{Registry, boxwright, command, forget, import, paths, said, shield, storage};

const HERE: &str = "127.0.0.1:5001";
const NAME: &str = "127.0.0.1:5001/me/web:1";
/// The image is made of two files of this size, and not much more.
const FILE_BYTES: u64 = 4 << 20;

/// A line to the registry, whose name has another port: it tells how much came through, and does something after so many bytes.
struct Line {
    came_bytes: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn start(after_bytes: u64, then: fn() -> io::Result<()>) -> Self {
        let (came_bytes, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (came, over, listener) = (came_bytes.clone(), is_over.clone(), TcpListener::bind(HERE).unwrap());
        let serve = move || {
            scope(|scope| {
                for near in listener.incoming().map_while(|near| near.ok().filter(|_| !over.load(Ordering::Relaxed))) {
                    let far = TcpStream::connect("127.0.0.1:5000").unwrap();
                    let (mut asks, mut is_asked) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                    scope.spawn(move || {
                        io::copy(&mut asks, &mut is_asked).and_then(|_| is_asked.shutdown(Shutdown::Both))
                    });
                    let came = &came;
                    scope.spawn(move || {
                        answer(far, &near, came, after_bytes, then).or_else(|_| near.shutdown(Shutdown::Both))
                    });
                }
            });
        };
        Line { came_bytes, is_over, thread: Some(spawn(serve)) }
    }

    #[track_caller]
    fn has_brought_the_image_once(&self) {
        let came = self.came_bytes.load(Ordering::Relaxed);
        assert!((2 * FILE_BYTES..3 * FILE_BYTES).contains(&came), "{came} bytes came for two files of {FILE_BYTES}");
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It looks when somebody comes.
        let _ = TcpStream::connect(HERE);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the line's own end");
    }
}

/// Until either side ends, or `then` fails.
fn answer(
    mut far: TcpStream,
    mut near: &TcpStream,
    came: &AtomicU64,
    after_bytes: u64,
    then: fn() -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = [0; 1 << 14];
    loop {
        let count = far.read(&mut piece)?;
        if count == 0 {
            return near.shutdown(Shutdown::Both);
        }
        near.write_all(&piece[..count])?;
        let had = came.fetch_add(count as u64, Ordering::Relaxed);
        if (had..had + count as u64).contains(&after_bytes) {
            then()?;
        }
    }
}

/// Puts an image into the registry, and forgets it here.
fn push() {
    let root = Rootfs::build(dir().join("rootfs"), &["sh", "cat"]).unwrap();
    for name in ["one", "two"] {
        fs::write(root.path().join(name), vec![name.as_bytes()[0]; FILE_BYTES as usize]).unwrap();
    }
    import(&root);
    boxwright(&["push", crate::NAME]).success();
    forget();
}

/// Whether something of a layer is unpacked that has not all come.
fn is_begun() -> bool {
    let mut layers = fs::read_dir(dir().join("data/store/layers")).unwrap().flatten();
    let is_new = |name: OsString| name.to_string_lossy().starts_with(".new-");
    layers.any(|layer| is_new(layer.file_name()) && !paths(&layer.path()).is_empty())
}

/// The blob that is on its way to the store, and how much there is of it.
fn on_the_way() -> Option<(PathBuf, u64)> {
    let path = paths(&dir().join("data/store/incoming")).pop()?;
    let size_bytes = fs::metadata(&path).map_or(0, |file| file.len());
    Some((path, size_bytes))
}

fn is_whole() {
    for name in ["one", "two"] {
        let printed = said(&["run", "--rm", NAME, "cat", &format!("/{name}")]);
        assert_eq!(printed.len() as u64, FILE_BYTES, "/{name}");
    }
}

#[test]
fn a_layer_is_unpacked_while_it_comes() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        push();
        static BEGUN: AtomicBool = AtomicBool::new(false);
        // The rest does not come before.
        let _line = Line::start(FILE_BYTES, || {
            let begin = Instant::now();
            while !is_begun() && begin.elapsed() < testkit::patience(Duration::from_secs(10)) {
                sleep(Duration::from_millis(10));
            }
            BEGUN.store(is_begun(), Ordering::Relaxed);
            Ok(())
        });
        boxwright(&["pull", NAME]).success().stderr("");
        assert!(BEGUN.load(Ordering::Relaxed), "nothing was unpacked of half a layer");
        is_whole();
    });
}

#[test]
fn a_pull_goes_on_where_the_line_broke() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        push();
        let line = Line::start(FILE_BYTES * 3 / 2, || Err(io::Error::other("broken")));
        boxwright(&["pull", NAME]).success().stderr("");
        is_whole();
        line.has_brought_the_image_once();
    });
}

#[test]
fn a_pull_goes_on_where_one_was_killed() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        push();
        static IS_KILLED: AtomicBool = AtomicBool::new(false);
        const BEFORE: u64 = FILE_BYTES * 3 / 2;
        // The rest does not come before.
        let line = Line::start(BEFORE, || {
            while !IS_KILLED.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10));
            }
            Err(io::Error::other("nobody wants it"))
        });
        let mut first = start_silent(&mut command(&["pull", NAME]));
        let begin = Instant::now();
        // The answers' heads have come, too.
        while on_the_way().map_or(0, |(_, size_bytes)| size_bytes) < BEFORE - 10_000 {
            assert!(begin.elapsed() < testkit::patience(Duration::from_secs(10)), "{:?}", on_the_way());
            sleep(Duration::from_millis(10));
        }
        first.kill().unwrap();
        first.wait().unwrap();
        IS_KILLED.store(true, Ordering::Relaxed);
        boxwright(&["pull", NAME]).success().stderr("");
        is_whole();
        line.has_brought_the_image_once();
        assert_eq!(on_the_way(), None);
    });
}

#[test]
fn what_a_killed_pull_has_left_is_verified_with_the_rest() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        push();
        let layer = paths(&storage()).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
        let digest = layer.parent().unwrap().file_name().unwrap();
        let left = dir().join("data/store/incoming").join(digest);
        let whole = fs::read(&layer).unwrap();
        let mut wrong = whole[..FILE_BYTES as usize].to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        for wrong in [wrong, [whole, vec![0]].concat()] {
            fs::create_dir_all(left.parent().unwrap()).unwrap();
            fs::write(&left, wrong).unwrap();
            boxwright(&["pull", crate::NAME]).code(1).stderr(contains("its content has the digest"));
            assert_eq!(on_the_way(), None);
        }
        boxwright(&["pull", crate::NAME]).success().stderr("");
    });
}

#[test]
fn of_two_pulls_of_one_image_one_brings_its_layer() {
    needs!(program = "docker-registry", program = "ip", program = "tar");
    shield().run(|| {
        let _registry = Registry::start();
        push();
        // The other one has time to ask for it too.
        let line = Line::start(FILE_BYTES, || {
            sleep(Duration::from_millis(500));
            Ok(())
        });
        let mut other = start_silent(&mut command(&["pull", NAME]));
        boxwright(&["pull", NAME]).success().stderr("");
        assert!(other.wait().unwrap().success());
        is_whole();
        line.has_brought_the_image_once();
    });
}
