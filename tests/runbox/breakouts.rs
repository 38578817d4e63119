//! Ways out of a container that other runtimes had, each tried on runbox by a bundle that means harm, and in the same test where the
//! one thing that stops it is not there: so each is known to bite.
//!
//! Elsewhere: CVE-2019-5736 and how it came back, CVE-2020-14298, in `own_program`, with lab 15's
//! `task5_nobody_in_there_can_look_into_it` for a process that joins. What `boxwright run` does with the same, layer by layer, is
//! in `tests/attacks`.

#![allow(unsafe_code, reason = "name_to_handle_at, renameat2, and a terminal for a process to be")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, RenameFlags, fcntl, renameat2};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, setsid};
use serde_json::json;
use testkit::{Rootfs, Shield, USER, dir, needs, random_name, shielded};

use crate::bundle::{Bundle, Said};
use crate::flags::with_files;
use crate::guests::{end, look_into, sleeper};

/// What a runtime does that believes the paths of an image: `script` in a mount namespace, with the root file system as `$R`.
fn by_hand(bundle: &Bundle, script: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script]).env("R", root(bundle)).env("DIR", dir());
    let output = command.output().expect("start unshare");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn root(bundle: &Bundle) -> PathBuf {
    bundle.path.join("rootfs")
}

/// Adds a mount to those of a configuration.
fn add_mount(bundle: &mut Bundle, at: &str, kind: &str, source: &Path, options: &[&str]) {
    let mount = json!({"destination": at, "type": kind, "source": source, "options": options});
    bundle.config["mounts"].as_array_mut().expect("mounts").push(mount);
}

/// What the container prints, whether it is started or not.
fn tries(bundle: &mut Bundle, script: &str) -> String {
    bundle.config["process"]["args"] = json!(["sh", "-c", script]);
    let Said { out, err, .. } = bundle.run();
    out + &err
}

fn give(bundle: &mut Bundle, caps: &[&str]) {
    bundle.config["process"]["capabilities"] = json!({"bounding": caps, "effective": caps, "permitted": caps});
}

/// A file of the host's, and what is in it.
fn secret() -> (PathBuf, String) {
    let (directory, text) = (dir().join("secrets"), random_name("secret"));
    fs::create_dir_all(&directory).expect("mkdir");
    fs::write(directory.join("secret"), &text).expect("a file");
    (directory, text)
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").expect("/proc")
}

/// CVE-2019-16884: a volume, here by way of a link of the image, is mounted over /proc, and what protects the container (its labels, what
/// `status` says) is asked of and told to files of the attacker's.
#[test]
fn cve_2019_16884_a_volume_where_a_link_leads_to_proc() {
    needs!(root);
    shielded(|| {
        let (mut bundle, text) = (Bundle::new(""), random_name("forged"));
        fs::create_dir(dir().join("forged")).expect("mkdir");
        fs::write(dir().join("forged/status"), &text).expect("a file");
        symlink("proc", root(&bundle).join("elsewhere")).expect("symlink");
        add_mount(&mut bundle, "/elsewhere", "bind", &dir().join("forged"), &["bind"]);
        let said = tries(&mut bundle, "cat /proc/status");
        assert!(said.contains("only a proc can be mounted at /proc") && !said.contains(&text), "{said}");
        let mounts = "mount -t proc proc $R/proc; mount --bind $DIR/forged $R/elsewhere";
        assert_eq!(by_hand(&bundle, &format!("{mounts}; chroot $R cat /proc/status")), text);
    });
}

/// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: `/proc` or `/sys` of the image is a link, to a volume that another container has too,
/// which changes there what the runtime reads and writes.
#[test]
fn cve_2019_19921_proc_and_sys_where_a_link_of_the_image_leads() {
    needs!(root);
    shielded(|| {
        for (place, kind) in [("proc", "proc"), ("sys", "sysfs")] {
            let mut bundle = Bundle::new("true");
            fs::create_dir(root(&bundle).join("volume")).expect("mkdir");
            fs::remove_dir(root(&bundle).join(place)).expect("rmdir");
            symlink("volume", root(&bundle).join(place)).expect("symlink");
            bundle.config["mounts"] = json!([]);
            add_mount(&mut bundle, &format!("/{place}"), kind, Path::new(kind), &[]);
            bundle.run().refused("its place is behind a symbolic link");
            let seen = by_hand(&bundle, &format!("mount -t {kind} {kind} $R/{place}; cat /proc/self/mountinfo"));
            assert!(seen.contains("/rootfs/volume "), "{seen}");
        }
    });
}

/// CVE-2016-9962, which came back as CVE-2020-14300: a process that joins a container has directories of the host open on its way, or is
/// in one; root in there, who may trace it, gets to them by /proc/PID/fd and /proc/PID/cwd. It is held on its way here, at many points.
#[test]
fn cve_2020_14300_what_a_process_has_open_that_joins() {
    needs!(root);
    shielded(|| {
        let (secrets, text) = secret();
        let mut bundle = Bundle::new(
            "while :; do cat /proc/[1-9]*/fd/*/secret /proc/[1-9]*/cwd/secret >> /seen 2>/dev/null; echo >> /looks; done",
        );
        give(&mut bundle, &["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
        bundle.create().ok();
        bundle.tell("start").ok();
        let read = |name| fs::read_to_string(root(&bundle).join(name)).unwrap_or_default();
        // Two, so that one begins after this.
        let wait_for_looks = || {
            let before = read("looks").len();
            while read("looks").len() < before + 2 {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let start = || {
            let mut exec = Command::new("sh");
            exec.args(["-c", "exec 7<. \"$@\"", "sh", env!("CARGO_BIN_EXE_runbox"), "--root"]).arg(dir().join("state"));
            exec.args(["exec", &bundle.id, "true"]).current_dir(&secrets).spawn().expect("start sh")
        };
        let begun = Instant::now();
        assert!(start().wait().expect("wait").success());
        let (whole, mut held) = (begun.elapsed(), 0);
        for point in 0..25 {
            let mut exec = start();
            thread::sleep(whole * point / 25);
            // Those that can be seen from inside. One that has ended meanwhile is no failure.
            let guests: Vec<Pid> = descendants(exec.id()).into_iter().filter(|pid| is_inside(*pid)).collect();
            let send = |signal| guests.iter().filter(|pid| kill(**pid, signal).is_ok()).count();
            if send(Signal::SIGSTOP) > 0 {
                wait_for_looks();
                send(Signal::SIGCONT);
                held += 1;
            }
            assert!(exec.wait().expect("wait").success());
        }
        assert!(held > 0, "nobody was held on the way");
        assert_eq!(read("seen"), "");
        // One that closes nothing.
        let mut joins = Command::new("nsenter");
        joins.args(["--pid", "--mount", "--target", &bundle.state()["pid"].to_string(), "sleep", "600"]);
        let mut joins = joins.stdin(File::open(&secrets).expect("a directory")).spawn().expect("start nsenter");
        while !descendants(joins.id()).into_iter().any(is_inside) {
            thread::sleep(Duration::from_millis(1));
        }
        wait_for_looks();
        end(&bundle);
        joins.wait().expect("wait");
        assert!(read("seen").contains(&text), "it does not bite");
    });
}

/// Children of a process, and theirs, by now.
fn descendants(pid: u32) -> Vec<Pid> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = listed.split_whitespace().map(|pid| pid.parse().expect("a number"));
    children.flat_map(|pid: u32| [Pid::from_raw(pid.cast_signed())].into_iter().chain(descendants(pid))).collect()
}

/// Whether it is in a PID namespace below this one, where it has a number more.
fn is_inside(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
}

/// Exchanges two names, as often as can be, while `body` runs.
fn exchanging(one: &Path, other: &Path, body: impl FnOnce()) {
    let (cwd, is_over) = (nix::fcntl::AT_FDCWD, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                renameat2(cwd, one, cwd, other, RenameFlags::RENAME_EXCHANGE).expect("renameat2");
            }
        });
        body();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// CVE-2021-30465, CVE-2024-45310: between the runtime's look at a mount point and its mkdir and mount, another container that has the
/// same volume puts a link to a directory of the host in its place.
#[test]
fn cve_2021_30465_a_mount_point_that_is_swapped_for_a_link() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("");
        let (shared, outside, mark) = (dir().join("shared"), dir().join("outside"), random_name("mark"));
        for directory in [&shared, &shared.join("point"), &outside] {
            fs::create_dir(directory).expect("mkdir");
        }
        symlink(&outside, shared.join("link")).expect("symlink");
        add_mount(&mut bundle, "/volume", "bind", &shared, &["bind"]);
        add_mount(&mut bundle, "/volume/point/made", "tmpfs", Path::new(&mark), &["size=4k", "nr_inodes=9"]);
        let mut made = 0;
        exchanging(&shared.join("point"), &shared.join("link"), || {
            for _ in 0..10 {
                let said = tries(&mut bundle, "cat /proc/self/mountinfo");
                // In its root file system, wherever the link leads there; or refused, since something has been swapped.
                assert!(said.contains(&format!(" - tmpfs {mark} ")) || said.starts_with("runbox: "), "{said}");
                made += usize::from(said.contains(&mark));
            }
        });
        assert!(made > 0 && !outside.join("made").exists(), "{made} of 10 were made");

        // The same by paths, swapped at the worst moment: both are a link's work, the directory and the mount.
        let _ = fs::remove_dir(shared.join("point/made"));
        if shared.join("point").is_symlink() {
            fs::rename(shared.join("link"), shared.join("dir")).expect("rename");
            fs::rename(shared.join("point"), shared.join("link")).expect("rename");
            fs::rename(shared.join("dir"), shared.join("point")).expect("rename");
        }
        let script = "test $(readlink -f $DIR/shared/point) = $DIR/shared/point; mv $DIR/shared/point $DIR/away
                      mv $DIR/shared/link $DIR/shared/point; mkdir $DIR/shared/point/made
                      mount -t tmpfs MARK $DIR/shared/point/made; cat /proc/self/mountinfo";
        let seen = by_hand(&bundle, script);
        assert!(seen.contains("/outside/made ") && outside.join("made").exists(), "{seen}");
    });
}

/// CVE-2022-0492: whoever may write `release_agent` of a v1 hierarchy, which is in its topmost group, has a program run by the kernel as
/// root of the host. It takes CAP_SYS_ADMIN to mount the hierarchy, and the host's cgroup namespace to see its top.
#[test]
fn cve_2022_0492_the_release_agent_of_a_v1_hierarchy() {
    needs!(root, cgroup = pids);
    if !fs::read_to_string("/proc/self/cgroup").expect("/proc").contains(":pids:") {
        return needs::skip(module_path!(), "cgroup v1: boot with systemd.unified_cgroup_hierarchy=0");
    }
    Shield::new().cgroup().run(|| {
        let opens = |namespace: &str, caps: &[&str]| {
            let mut bundle = Bundle::new("");
            Rootfs::build(root(&bundle), &["mount"]).expect("mount");
            bundle.config["linux"]["namespaces"]
                .as_array_mut()
                .expect("namespaces")
                .retain(|it| it["type"] != namespace);
            give(&mut bundle, caps);
            // Opened, and nothing is written.
            tries(&mut bundle, "mount -t cgroup -o pids x /tmp && : >> /tmp/release_agent && echo opened")
                .contains("opened")
        };
        assert!(!opens("cgroup", &["CAP_KILL", "CAP_DAC_OVERRIDE"]), "without CAP_SYS_ADMIN");
        assert!(!opens("none", &["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]), "in a cgroup namespace");
        assert!(opens("cgroup", &["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]), "with neither");
    });
}

/// CVE-2022-29162: capabilities are inheritable though nobody asked for that, and a program whose file has inheritable ones gives them to
/// a user who is to have none.
#[test]
fn cve_2022_29162_no_capability_is_inheritable_unless_it_is_asked_for() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("");
        let power = root(&bundle).join("power");
        fs::copy(testkit::rootfs::find("cat").expect("cat"), &power).expect("copy");
        // Version 2, effective; nothing permitted, CAP_CHOWN inheritable. Source: capabilities(7), linux/capability.h.
        let words = [0x0200_0001u32, 0, 1, 0, 0];
        xattr::set(&power, "security.capability", &words.map(u32::to_le_bytes).concat()).expect("setxattr");
        bundle.config["process"]["noNewPrivileges"] = json!(false);
        bundle.config["process"]["user"] = json!({"uid": USER, "gid": USER});
        give(&mut bundle, &["CAP_CHOWN"]);
        let (none, chown) = ("CapEff:\t0000000000000000", "CapEff:\t0000000000000001");
        let said = tries(&mut bundle, "/power /proc/self/status");
        assert!(said.contains(none) && said.contains("CapInh:\t0000000000000000"), "{said}");
        bundle.config["process"]["capabilities"]["inheritable"] = json!(["CAP_CHOWN"]);
        let said = tries(&mut bundle, "/power /proc/self/status");
        assert!(said.contains(chown), "{said}");

        let bundle = sleeper();
        let said = bundle.runbox(&["exec", "--cap", "CAP_CHOWN", &bundle.id, "cat", "/proc/self/status"]).ok();
        assert!(said.out.contains("CapInh:\t0000000000000000"), "{}", said.out);
        end(&bundle);
    });
}

/// CVE-2024-21626: a descriptor of a host's directory is open in the container, or is when the runtime enters a working directory of
/// `/proc/self/fd/N`.
#[test]
fn cve_2024_21626_a_descriptor_that_leads_out() {
    needs!(root);
    shielded(|| {
        let (directory, text) = secret();
        let mut bundle = Bundle::new("");
        let run = |bundle: &Bundle, preserved: &str| {
            fs::write(bundle.path.join("config.json"), bundle.config.to_string()).expect("config.json");
            let place = bundle.path.to_str().expect("a path");
            let args = ["run", "--bundle", place, "--preserve-fds", preserved, &bundle.id];
            with_files(&args, &[File::open(&directory).expect("open")]).1
        };
        bundle.config["process"]["args"] = json!(["cat", "/proc/self/fd/3/secret"]);
        assert!(!run(&bundle, "0").contains(&text), "it is closed");
        // Unless the caller wants it to be there.
        assert!(run(&bundle, "1").contains(&text));
        bundle.config["process"]["args"] = json!(["cat", "secret"]);
        bundle.config["process"]["cwd"] = json!("/proc/self/fd/3");
        // Where the runtime goes it is open still, and in the last case it stays so.
        for preserved in ["0", "1"] {
            let said = run(&bundle, preserved);
            assert!(said.contains("which is not in the container") && !said.contains(&text), "{said}");
        }
        let bundle = sleeper();
        for way in ["/proc/self/fd/3", "/proc/self/fd/7"] {
            let args = ["exec", "--cwd", way, &bundle.id, "cat", "secret"];
            let (went_well, said) = with_files(&args, &[File::open(&directory).expect("open")]);
            assert!(!went_well && !said.contains(&text), "{said}");
        }
        end(&bundle);
    });
}

/// CVE-2025-31133: a masked path is covered by the image's own /dev/null, a link to another file of the kernel, which can be written then.
#[test]
fn cve_2025_31133_a_masked_path_under_a_null_of_the_images_own() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("");
        symlink("/proc/sys/kernel/hostname", root(&bundle).join("dev/null")).expect("symlink");
        bundle.config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
        assert_eq!(tries(&mut bundle, "cat /proc/keys; echo nothing"), "nothing\n");
        let mounts = "mount -t proc proc $R/proc; mount --bind $R/dev/null $R/proc/keys";
        assert_eq!(by_hand(&bundle, &format!("{mounts}; chroot $R cat /proc/keys")), host_name());
    });
}

/// CVE-2025-52565: the terminal is mounted on /dev/console by the name that it has in the image's /dev/pts, a link to a file of the kernel.
#[test]
fn cve_2025_52565_a_console_by_a_name_of_the_images_own() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("test -c /dev/console && echo a device; cat /proc/sys/kernel/hostname");
        let pts = root(&bundle).join("dev/pts");
        fs::create_dir(&pts).expect("mkdir");
        // Whichever number it gets.
        (0..64).for_each(|number| symlink("/proc/sys/kernel/hostname", pts.join(number.to_string())).expect("symlink"));
        bundle.config["process"]["terminal"] = json!(true);
        let path = dir().join("console");
        let socket = UnixListener::bind(&path).expect("bind");
        let (place, console) = (bundle.path.to_str().expect("a path"), path.to_str().expect("a path"));
        bundle.runbox(&["create", "--bundle", place, "--console-socket", console, &bundle.id]).ok();
        bundle.tell("start").ok();
        assert_eq!(look_into(&socket), "a device\r\ninside\r\n");
        end(&bundle);
        assert_eq!(by_hand(&bundle, "mount --bind $R/dev/pts/0 $R/dev/console; cat $R/dev/console"), host_name());
    });
}

/// CVE-2025-52881: what the runtime writes to a file in /proc, such as a label, arrives at a file that the container has put there.
#[test]
fn cve_2025_52881_a_label_that_is_told_to_a_file_of_the_images_own() {
    needs!(root);
    shielded(|| {
        let mut bundle = Bundle::new("true");
        let attr = root(&bundle).join("proc/self/attr");
        fs::create_dir_all(&attr).expect("mkdir");
        fs::write(attr.join("exec"), "").expect("a file");
        // No proc of the kernel's in front of it.
        bundle.config["mounts"] = json!([]);
        bundle.config["process"]["selinuxLabel"] = json!("system_u:system_r:container_t:s0");
        bundle.run().refused("/proc");
        assert_eq!(fs::read_to_string(attr.join("exec")).expect("a file"), "");
        let write = "chroot $R sh -c 'echo container_t > /proc/self/attr/exec'";
        assert_eq!(by_hand(&bundle, &format!("{write}; cat $R/proc/self/attr/exec")), "container_t\n");
    });
}

/// Shocker: open_by_handle_at(2) finds a file by the number of its inode, beside a volume too. It takes CAP_DAC_READ_SEARCH.
#[test]
fn shocker_a_file_by_the_number_of_its_inode() {
    needs!(root, program = perl);
    shielded(|| {
        let (directory, text) = secret();
        let path = CString::new(directory.join("secret").as_os_str().as_bytes()).expect("no NUL");
        let (mut handle, mut mount_id) = (vec![0u8; 136], 0i32);
        handle[..4].copy_from_slice(&128u32.to_ne_bytes());
        // SAFETY: a C string, a file_handle with room for 128 bytes, and an int; all outlive the call.
        let handled = Errno::result(unsafe {
            let (handle, mount_id) = (handle.as_mut_ptr(), &raw mut mount_id);
            libc::syscall(libc::SYS_name_to_handle_at, libc::AT_FDCWD, path.as_ptr(), handle, mount_id, 0)
        });
        handled.expect("name_to_handle_at");
        let hex: String = handle.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut bundle = Bundle::new("");
        Rootfs::build(root(&bundle), &["perl"]).expect("perl");
        fs::create_dir(dir().join("volume")).expect("mkdir");
        add_mount(&mut bundle, "/volume", "bind", &dir().join("volume"), &["bind"]);
        let script = format!(
            r#"my $handle = pack("H*", "{hex}"); open(my $volume, "<", "/volume/x"); my $at = "/volume";
               my $fd = syscall({}, syscall({}, {}, $at, 0, 0), $handle, 0); open(my $file, "<&=", $fd) or die "refused"; print <$file>"#,
            libc::SYS_open_by_handle_at,
            libc::SYS_openat,
            libc::AT_FDCWD,
        );
        let mut finds = |caps: &[&str]| {
            give(&mut bundle, caps);
            bundle.config["process"]["args"] = json!(["perl", "-e", script]);
            let Said { out, err, .. } = bundle.run();
            out + &err
        };
        let said = finds(&["CAP_DAC_OVERRIDE"]);
        assert!(said.contains("refused") && !said.contains(&text), "{said}");
        assert_eq!(finds(&["CAP_DAC_READ_SEARCH"]), text);
    });
}

/// TIOCSTI: whoever has the caller's terminal for a controlling one types what its shell reads next. CAP_SYS_ADMIN gets by the session.
#[test]
fn tiocsti_what_is_typed_into_the_callers_terminal() {
    needs!(root, program = perl);
    shielded(|| {
        let mut bundle = Bundle::new("");
        Rootfs::build(root(&bundle), &["perl"]).expect("perl");
        let types = |bundle: &mut Bundle, caps: &[&str]| {
            give(bundle, caps);
            let script = format!(r#"my $key = "!"; syscall({}, 0, {}, $key)"#, libc::SYS_ioctl, libc::TIOCSTI);
            bundle.config["process"]["args"] = json!(["perl", "-e", script]);
            fs::write(bundle.path.join("config.json"), bundle.config.to_string()).expect("config.json");
            let terminal = openpty(None, None).expect("openpty");
            let mut raw = tcgetattr(&terminal.slave).expect("tcgetattr");
            cfmakeraw(&mut raw);
            tcsetattr(&terminal.slave, SetArg::TCSANOW, &raw).expect("tcsetattr");
            let mut command = Command::new(env!("CARGO_BIN_EXE_runbox"));
            command.arg("--root").arg(dir().join("state")).args(["run", "--bundle"]).arg(&bundle.path).arg(&bundle.id);
            command.stdin(terminal.slave.try_clone().expect("dup"));
            // SAFETY: both calls may be made between fork and exec.
            unsafe {
                command.pre_exec(|| {
                    setsid()?;
                    Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0)).map(drop).map_err(Into::into)
                });
            }
            let output = command.output().expect("start runbox");
            assert!(output.status.code().is_some(), "{output:?}");
            fcntl(&terminal.slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("fcntl");
            let mut typed = [0; 1];
            File::from(terminal.slave).read(&mut typed).is_ok_and(|count| count == 1 && &typed == b"!")
        };
        assert!(!types(&mut bundle, &[]));
        assert!(types(&mut bundle, &["CAP_SYS_ADMIN"]));
    });
}

/// The state directory: what is in there the runtime believes, the hooks that it calls as root of the host too. Neither a container nor
/// another user has a hand in it, unless somebody mounts it there.
#[test]
fn a_state_that_the_container_can_write() {
    needs!(root);
    shielded(|| {
        let mark = dir().join("mark");
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo > {}", mark.display())]});
        let attack = |mounted: bool| {
            let mut bundle = Bundle::new("");
            let state = dir().join("state");
            fs::create_dir_all(&state).expect("mkdir");
            let hostile = json!({"ociVersion": "1.2.0", "hooks": {"poststop": [hook]}}).to_string();
            let own = state.join(&bundle.id).join("config.json");
            let at = if mounted { Path::new("/state").join(&bundle.id).join("config.json") } else { own.clone() };
            if mounted {
                add_mount(&mut bundle, "/state", "bind", &state, &["bind"]);
            }
            give(&mut bundle, &["CAP_DAC_OVERRIDE"]);
            // Whose hooks are looked for, as it has some.
            bundle.config["hooks"] = json!({"poststop": [{"path": "/bin/true"}]});
            bundle.config["process"]["args"] = json!(["sh", "-c", format!("echo '{hostile}' > {}", at.display())]);
            bundle.create().ok();
            // Whoever is not root of the host, but knows the path.
            let mut other = Command::new("sh");
            other.args(["-c", &format!("cat {0}; echo x >> {0}", own.display())]).uid(USER).gid(USER);
            let other = other.output().expect("start sh");
            assert!(!other.status.success() && other.stdout.is_empty(), "{other:?}");
            bundle.tell("start").ok();
            bundle.wait_for("stopped");
            bundle.tell("delete").ok();
            mark.exists()
        };
        assert!(!attack(false), "its hook was called");
        assert!(attack(true), "where it has a hand in it");
    });
}

/// A hook is a program of the host's: the one of that name in the image is nobody's business, but for hooks that are called inside.
#[test]
fn a_hook_that_the_container_can_write() {
    needs!(root);
    shielded(|| {
        let name = format!("/{}", random_name("hook"));
        for (kind, is_the_images) in [("createRuntime", false), ("createContainer", false), ("startContainer", true)] {
            let mut bundle = Bundle::new("true");
            let (program, mark) = (root(&bundle).join(&name[1..]), root(&bundle).join("mark"));
            fs::write(&program, "#!/bin/sh\necho > /mark\n").expect("a file");
            fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("chmod");
            fs::copy(testkit::rootfs::find("sh").expect("sh"), root(&bundle).join("sh")).expect("copy");
            bundle.config["hooks"] = json!({kind: [{"path": name}]});
            fs::write(&program, "#!/sh\necho > /mark\n").expect("a file");
            let said = bundle.run();
            assert_eq!((said.code == 0, mark.exists()), (is_the_images, is_the_images), "{kind}: {}", said.err);
        }
    });
}
