//! Lab 16, `labs/lab16_lifecycle.rs`: create, start, state, kill, delete. Chapter: `book/src/lab16-lifecycle.md`.
//!
//! What a command finds is put there by the test: a state directory as an earlier command has left it, at its end or in the middle, and a
//! process for the first of a container. Task 4 makes whole containers, and so do the tests of the command line.

#![allow(unsafe_code, reason = "setrlimit has no safe wrapper here")]

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boxwright::runtime::door::{self, AtTheDoor, Door};
use boxwright::runtime::handshake;
use boxwright::runtime::hooks::{Caller, Told};
use boxwright::runtime::making::{Looker, Order};
use boxwright::steps::{cpu, lifecycle};
use model::plan::hooks::Hooks;
use model::{Cgroup, Claim, Config, Container, Message, Oci, Plan, State, StateDir, Status, write_config};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::{
    Explained, Random, Rootfs, Running, Shield, cgroup_dirs, check, dir, in_child, needs, patience, random_name,
    shielded, start_child, written,
};

const RULES: &str = "lab16-lifecycle.md, The kernel's rules";
const TASKS: &str = "lab16-lifecycle.md, Tasks";

// ---- task 1 ----

#[test]
fn task1_all_of_it_is_there() {
    shielded(|| {
        let place = dir().join(random_name("place"));
        fs::create_dir(&place).expect("mkdir");
        let path = place.join("file");
        for length in [0, 5, 70_000] {
            let content = letters(length);
            lifecycle::write_whole(&path, &content).explained(
                "write_whole(a path, some bytes)",
                &[
                    (
                        Errno::EXDEV,
                        "rename(2) does not cross file systems: the new file belongs into the directory of the old one",
                    ),
                    (Errno::EROFS, "only the file's own directory is sure to be writable"),
                    (Errno::ENOENT, "the new file has to be there, under its own name, before it is renamed"),
                ],
                TASKS,
            );
            let seen = fs::read(&path).unwrap_or_default();
            check!(
                seen == content,
                expected: format!("a file of {length} bytes, as they were given"),
                seen: format!("{} bytes", seen.len()),
                likely: "fs::write to the new name, then fs::rename to the old one",
                read: TASKS,
            );
        }
        let others: Vec<_> = names(&place).into_iter().filter(|name| name != "file").collect();
        check!(
            others.is_empty(),
            expected: "the file, and nothing beside it",
            seen: others.join(", "),
            likely: "a copy leaves its source; a rename does not",
            read: TASKS,
        );
    });
}

#[test]
fn task1_a_reader_sees_the_old_or_the_new() {
    task1_all_of_it_is_there();
    shielded(|| {
        let (path, reader) = (dir().join("file"), dir().join("reader"));
        fs::write(&path, "the old").expect("a file");
        // Another name of the old file: as a reader who has it open.
        fs::hard_link(&path, &reader).expect("a link");
        lifecycle::write_whole(&path, b"the new").expect("write_whole");
        let seen = fs::read_to_string(&reader).expect("read");
        check!(
            seen == "the old",
            expected: "a reader that has opened the file before to read the old content to its end",
            seen: format!("{seen:?}"),
            likely: "the file was written in place: it is emptied first, and a reader, or a runtime that is killed, comes between",
            read: RULES,
        );
        let (count, torn) = read_while_written(&path);
        check!(
            torn.is_none(),
            expected: "every reader to see all of one content",
            seen: format!("{} after {count} whole ones", torn.unwrap_or_default()),
            likely: "the path has to have a whole file at every moment: only rename(2) puts one in place of another",
            read: RULES,
        );
    });
}

#[test]
fn task1_what_cannot_be_written_leaves_the_old() {
    task1_a_reader_sees_the_old_or_the_new();
    shielded(|| {
        let path = dir().join("file");
        fs::write(&path, "the old").expect("a file");
        let refused = in_child(|| {
            limit_files_to(1000);
            lifecycle::write_whole(&path, &letters(5000)).is_err()
        });
        let seen = fs::read_to_string(&path).ok();
        check!(
            refused && seen.as_deref() == Some("the old"),
            expected: "an error, and the old file, when there is no room for the new one",
            seen: format!("an error: {refused}; the file: {seen:?}"),
            likely: "the old one was removed or emptied before the new one was whole",
            read: RULES,
        );
    });
}

// ---- task 2 ----

#[test]
fn task2_every_moment_of_a_life() {
    shielded(|| {
        // Whether its process lives, whether a command holds its lock, whether it is at the door, whether create came to its end.
        let table = [
            (
                (true, true, true, false),
                Status::Creating,
                "create is on its way: the process has its state, and create is not done",
            ),
            ((true, false, true, true), Status::Created, "create is done, and the process waits at the door"),
            (
                (true, true, true, true),
                Status::Created,
                "create is done; the lock is held by another command, which is no create",
            ),
            ((true, false, false, true), Status::Running, "nobody waits at the door any more: the command was let in"),
            (
                (true, true, false, true),
                Status::Running,
                "a command that holds the lock changes nothing about the process",
            ),
        ];
        for ((lives, held, at_the_door, made), right, why) in table {
            let it = Put { lives, held, at_the_door, made }.container();
            is_told(&it.found(), right, why);
        }
    });
}

#[test]
fn task2_a_create_that_was_killed() {
    task2_every_moment_of_a_life();
    shielded(|| {
        let it = Put { lives: true, held: false, at_the_door: true, made: false }.container();
        let why = "create was killed after its process had come to the door: nobody holds the lock. It can be started and deleted, and \
                   would be neither if it were told as creating for ever";
        is_told(&it.found(), Status::Created, why);
        let states = states();
        let claim = states.claim("early").expect("a name");
        let why = "there is a name, a lock that is held, and no process yet: its pid is 0";
        is_told(&states.container("early").expect("it is there"), Status::Creating, why);
        claim.keep();
        let why = "create was killed before it had a process: nobody holds the lock, and nobody will go on";
        is_told(&states.container("early").expect("it is there"), Status::Stopped, why);
    });
}

#[test]
fn task2_it_has_ended() {
    task2_every_moment_of_a_life();
    shielded(|| {
        let mut it = Put { lives: true, held: false, at_the_door: false, made: true }.container();
        it.first.kill().expect("kill");
        eventually("the process has ended", || stat(it.pid()).is_none_or(|state| state == "Z"));
        is_told(
            &it.found(),
            Status::Stopped,
            "a process that has ended and that nobody has waited for has its number still: a zombie",
        );
        it.first.wait().expect("wait");
        is_told(&it.found(), Status::Stopped, "its first process is gone");
    });
}

#[test]
fn task2_another_has_its_number() {
    task2_every_moment_of_a_life();
    shielded(|| {
        let it = Put { lives: false, held: false, at_the_door: false, made: true }.container();
        let why = "the number is another's, which started later: state.is_alive() compares what was noted";
        is_told(&it.found(), Status::Stopped, why);
    });
}

#[test]
fn task2_paused() {
    needs!(cgroup = freezer);
    task2_every_moment_of_a_life();
    Shield::new().cgroup().run(|| {
        for at_the_door in [false, true] {
            let it = Put { lives: true, held: false, at_the_door, made: true }.container();
            let group = it.with_group();
            boxwright::steps::limits::freeze(&group).expect("lab 08: freeze");
            let seen = it.found();
            let told = lifecycle::status(&seen);
            boxwright::steps::limits::thaw(&group).expect("lab 08: thaw");
            drop(it);
            cpu::remove(&group).expect("lab 07: remove");
            check!(
                told == Status::Paused,
                expected: "paused, for a container whose cgroup is frozen",
                seen: told,
                likely: if at_the_door {
                    "is_frozen() comes before the door: a start would let in a process that cannot take a step, and wait for it"
                } else {
                    "is_frozen(): a paused process is alive, and not at the door"
                },
                read: TASKS,
            );
        }
    });
}

// ---- task 3 ----

#[test]
fn task3_the_maker_is_told_and_the_command_waits() {
    shielded(|| {
        let mut waiting = Waiting::with(&json!([]));
        let told = waiting.tells_the_maker();
        check!(
            told == Some(Ok(())),
            expected: "whoever makes the container to be told that all is made, while nobody has come to start it",
            seen: shown(told.as_ref()),
            likely: "it waits at the door first, and create waits for it: the two would wait for each other for ever",
            read: RULES,
        );
        sleep(patience(Duration::from_millis(20)));
        check!(
            waiting.log().is_empty(),
            expected: "nothing to run before the start",
            seen: waiting.log(),
            likely: "accept(2) on at.socket() returns when somebody comes; until then the command has to wait",
            read: RULES,
        );
        let started = waiting.start();
        check!(
            started == Some(Ok(())),
            expected: "the start to return as soon as the command has been started",
            seen: shown(started.as_ref()),
            likely: match started {
                None => "the command has the line to `start` open, and with it whoever is in the container holds `start` for as long as they \
                         like: a descriptor that accept(2) returns is open after an exec, unless accept4(2) is told SOCK_CLOEXEC",
                Some(_) => "the line that accept4(2) returned is what at.answer() takes",
            },
            read: RULES,
        );
        eventually("the command runs", || waiting.log() == "command\n");
        let open = descriptors(waiting.pid);
        check!(
            open.iter().all(|to| !to.contains("socket:") && !to.ends_with("waiting")),
            expected: "the command to have neither the door nor the line open",
            seen: open.join(", "),
            likely: "close-on-exec was taken from a descriptor: whoever is in the container could take in the next one who knocks",
            read: RULES,
        );
    });
}

#[test]
fn task3_hooks_after_the_start() {
    task3_the_maker_is_told_and_the_command_waits();
    shielded(|| {
        let log = dir().join("log");
        let mut waiting = Waiting::with(&json!([hook(&log, "echo hook >> LOG")]));
        assert_eq!(waiting.tells_the_maker(), Some(Ok(())));
        sleep(patience(Duration::from_millis(20)));
        check!(
            waiting.log().is_empty(),
            expected: "no startContainer hook to be called before the start",
            seen: waiting.log(),
            likely: "they are called as part of the start: after accept4(2)",
            read: RULES,
        );
        assert_eq!(waiting.start(), Some(Ok(())));
        eventually("the command runs", || waiting.log().contains("command"));
        check!(
            waiting.log() == "hook\ncommand\n",
            expected: "the hook, then the command",
            seen: waiting.log().replace('\n', " "),
            likely: "at.run_hooks() is the last step of wait_for_start, and the command comes after it",
            read: RULES,
        );
    });
}

#[test]
fn task3_whoever_starts_it_hears_what_went_wrong() {
    task3_hooks_after_the_start();
    shielded(|| {
        let log = dir().join("log");
        let mut waiting = Waiting::with(&json!([hook(&log, "echo a word from the hook; exit 3")]));
        assert_eq!(waiting.tells_the_maker(), Some(Ok(())));
        let started = waiting.start();
        let heard = matches!(&started, Some(Err(words)) if words.contains("a word from the hook"));
        check!(
            heard,
            expected: "the start to fail with what the hook has said",
            seen: shown(started.as_ref()),
            likely: "nobody was told: the line that accept4(2) returned goes to at.answer() before the hooks are called",
            read: RULES,
        );
    });
}

// ---- task 4 ----

#[test]
fn task4_all_but_the_command() {
    task1_all_of_it_is_there();
    written!(16, leans on 3, 4, 5, 6, 7);
    shielded(|| {
        let bundle = Bundle::new();
        let pid = bundle.creates();
        let found = bundle.found();
        let what = found.as_ref().map(|it| (it.state.pid, it.state.oci.as_ref().is_some_and(|oci| oci.made)));
        check!(
            what == Some((pid, true)),
            expected: format!("the container to be there when create has ended, with process {pid} as its first, and `made` noted"),
            seen: format!("{what:?}"),
            likely: match what {
                None if !bundle.pid_file().exists() => "it was not made: the name first, then all the rest, in the order of the chapter",
                None => "the claim was dropped, and gave the name back: claim.keep(), at the very end",
                Some((_, false)) => "State's oci.made is set when all is done, and written again",
                Some(_) => "the state is order.state(first.pid())",
            },
            read: TASKS,
        );
        let found = found.expect("it is there");
        check!(
            found.state.is_alive() && found.is_at_the_door() && !bundle.has_started(),
            expected: "its first process to wait at the door, and the command not to have been started",
            seen: format!("alive: {}, at the door: {}, command started: {}", found.state.is_alive(), found.is_at_the_door(), bundle.has_started()),
            likely: match found.state.is_alive() {
                false => "it was ended with what kept it: first.let_go(), before create returns",
                true => "create lets it take its steps to the door, and no further: starting it is another command's part",
            },
            read: RULES,
        );
        let noted = fs::read_to_string(bundle.pid_file()).unwrap_or_default();
        check!(
            noted == pid.to_string(),
            expected: format!("{pid} in the PID file, and nothing else"),
            seen: format!("{noted:?}"),
            likely: "engines read the number as it is; without a PID file they take the container for lost",
            read: TASKS,
        );
        let config = found.config().map(|config| config.hostname().clone());
        check!(
            matches!(&config, Ok(Some(name)) if *name == bundle.id),
            expected: "the configuration to be kept with the container",
            seen: format!("{config:?}"),
            likely: "write_config(): exec, start and delete need it, and the bundle's may be another by then",
            read: TASKS,
        );
    });
}

#[test]
fn task4_hooks_between() {
    task4_all_but_the_command();
    shielded(|| {
        let mut bundle = Bundle::new();
        // Its own namespaces; what it was told; whether there is a state, and a PID file.
        let script = "echo NAME $(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/mnt) $(grep -o 'status\": *\"[a-z]*' | grep -o '[a-z]*$') \
                      $(test -s STATE && echo known) $(test -e PIDFILE && echo early) >> LOG";
        for (name, kind) in
            [("prestart", "prestart"), ("createRuntime", "createRuntime"), ("createContainer", "createContainer")]
        {
            bundle.hook(kind, &script.replace("NAME", name));
        }
        bundle.creates();
        let log = fs::read_to_string(bundle.log()).unwrap_or_default();
        let link =
            |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace").display().to_string();
        let lines: Vec<Vec<_>> = log.lines().map(|line| line.split(' ').collect()).collect();
        let order: Vec<_> = lines.iter().map(|line| line[0]).collect();
        check!(
            order == ["prestart", "createRuntime", "createContainer"],
            expected: "prestart, then createRuntime, then createContainer, each once",
            seen: order.join(", "),
            likely: "the runtime's hooks are called in what lead_to_the_door() is given: when the namespaces are made, and before the root is \
                     switched. After it has returned, the root is switched, and those of the container were called",
            read: RULES,
        );
        for line in &lines[..2] {
            check!(
                line[1] == link("pid") && line[2] == link("mnt"),
                expected: format!("the {} hook to run in the runtime's own namespaces", line[0]),
                seen: format!("PID namespace {} (the runtime's: {}), mount namespace {}", line[1], link("pid"), line[2]),
                likely: "whoever has forked PID 1 of a new namespace has its next children in there too: a hook as well, unless the caller goes \
                         back_to_own_pids()",
                read: RULES,
            );
            check!(
                line[3..] == ["creating", "known"],
                expected: format!("the {} hook to be told `creating`, to find the state written down, and no PID file", line[0]),
                seen: line[3..].join(", "),
                likely: match (line.contains(&"known"), line.contains(&"early")) {
                    (false, _) => "the state was not written before the process takes a step: a process that nobody knows of is one that nobody ends",
                    (_, true) => "the PID file came too soon: whoever waits for it starts the container, and create is not done",
                    _ => "Told has the status that the container is in",
                },
                read: RULES,
            );
        }
        check!(
            lines[2][1] != link("pid") && lines[2][2] != link("mnt"),
            expected: "the createContainer hook to run in the container's namespaces",
            seen: format!("PID namespace {}, mount namespace {}", lines[2][1], lines[2][2]),
            likely: "it is called inside, in src/runtime/init.rs, not by create",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_state_is_replaced_not_rewritten() {
    task1_a_reader_sees_the_old_or_the_new();
    task4_all_but_the_command();
    shielded(|| {
        let mut bundle = Bundle::new();
        let kept = dir().join("kept");
        // Another name for the file, as for a reader who has it open.
        bundle.hook("createRuntime", &format!("ln STATE {}", kept.display()));
        bundle.creates();
        let kept: Option<Value> = fs::read(&kept).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let made = kept.as_ref().map(|state| state["oci"]["made"].clone());
        check!(
            made == Some(json!(false)),
            expected: "a reader that has opened the state during create to see all of what was true by then: not made yet",
            seen: format!("made: {made:?}"),
            likely: "the state was written in place: write_whole() puts a new file in place of the old one",
            read: RULES,
        );
    });
}

#[test]
fn task4_the_pid_file_last() {
    task4_hooks_between();
    task4_a_state_is_replaced_not_rewritten();
    shielded(|| {
        let mut bundle = Bundle::new();
        let (waits, go, kept) = (dir().join("waits"), dir().join("go"), dir().join("kept"));
        bundle.hook(
            "createRuntime",
            &format!("echo > {}; until [ -e {} ]; do sleep 0.01; done", waits.display(), go.display()),
        );
        fs::write(bundle.pid_file(), "the old").expect("a file");
        fs::hard_link(bundle.pid_file(), &kept).expect("a link");
        let creating = start_child(|| bundle.create());
        eventually("the hook is called", || waits.exists());
        // From here on, one queue for both directories: it keeps the order.
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).expect("inotify_init1");
        for directory in [states().directory(&bundle.id), dir()] {
            let changes = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
            watch.add_watch(&directory, changes).expect("inotify_add_watch");
        }
        fs::write(go, "").expect("a file");
        assert_eq!(creating.wait().value.map(|created| created.is_ok()), Some(true), "create");
        let changed: Vec<_> = watch.read_events().expect("read").into_iter().filter_map(|event| event.name).collect();
        let first = |name: &str| changed.iter().position(|it| *it == *name);
        let (noted, told) = (first("state.json"), first(&format!("pid-{}", bundle.id)));
        check!(
            noted.is_some() && told.is_some() && noted < told,
            expected: "the state to say that the container is made, and then its PID file",
            seen: format!("{changed:?}"),
            likely: "the PID file was there before the container was noted as made: who waits for that file sends `start` at once",
            read: TASKS,
        );
        let kept = fs::read_to_string(&kept).unwrap_or_default();
        check!(
            kept == "the old",
            expected: "a reader that has opened an old PID file to see all of it",
            seen: format!("{kept:?}"),
            likely: "the PID file was written in place: who waits for it may read half a number, or none",
            read: RULES,
        );
    });
}

#[test]
fn task4_a_pid_file_that_cannot_be_written() {
    task4_a_failure_takes_all_of_it_back();
    shielded(|| {
        let mut bundle = Bundle::new();
        bundle.hook("createRuntime", "cat STATE > LOG");
        fs::create_dir(bundle.pid_file()).expect("a directory where the file should be");
        let created = bundle.create();
        let (lives, left) = (bundle.has_process(), bundle.found().is_some());
        check!(
            matches!(created, Some(Err(_))) && !lives && !left,
            expected: "an error when the PID file cannot be written, and neither process nor name to be left",
            seen: format!("{}; process: {lives}, name: {left}", shown(created.as_ref())),
            likely: "the PID file is a step that can fail: nothing is let go, and nothing kept, before it",
            read: TASKS,
        );
    });
}

#[test]
fn task4_a_failure_takes_all_of_it_back() {
    task4_hooks_between();
    shielded(|| {
        let mut bundle = Bundle::new();
        bundle.hook("createRuntime", "cat STATE > LOG; echo no network today; exit 1");
        let created = bundle.create();
        check!(
            matches!(&created, Some(Err(words)) if words.contains("no network today")),
            expected: "create to fail with what the createRuntime hook has said",
            seen: shown(created.as_ref()),
            likely: "an error of a hook ends create: lead_to_the_door() returns what its closure has failed with",
            read: RULES,
        );
        let (lives, left) = (bundle.has_process(), bundle.found().is_some());
        check!(
            !lives && !left && !bundle.pid_file().exists(),
            expected: "neither process, nor name, nor PID file to be left",
            seen: format!("process: {lives}, name: {left}, PID file: {}", bundle.pid_file().exists()),
            likely: "what was kept too early is not taken back: first, the cgroup and the claim are let go at the very end",
            read: RULES,
        );
    });
}

#[test]
fn task4_the_second_with_the_name_changes_nothing() {
    task4_all_but_the_command();
    shielded(|| {
        let mut bundle = Bundle::new();
        let pid = bundle.creates();
        let before = files_of(&states().directory(&bundle.id));
        bundle.config["hostname"] = json!("another");
        bundle.hook("createRuntime", "echo called > LOG");
        let second = bundle.create();
        let same = files_of(&states().directory(&bundle.id)) == before;
        let lives = bundle.found().is_some_and(|it| it.state.pid == pid && it.state.is_alive());
        check!(
            matches!(&second, Some(Err(words)) if words.contains("EEXIST")) && same && lives && !bundle.log().exists(),
            expected: "EEXIST for the second, and everything of the first as it was",
            seen: format!("{}; files as before: {same}; its process lives: {lives}; a hook was called: {}", shown(second.as_ref()), bundle.log().exists()),
            likely: "states.claim(id) comes before everything else: only one can have the name",
            read: RULES,
        );
    });
}

// ---- task 5 ----

#[test]
fn task5_lets_it_in_and_calls_its_hooks() {
    shielded(|| {
        let it = AtDoor::new(
            "1.2.0",
            &[("poststart", "echo poststart $(cat) >> LOG"), ("startContainer", "echo startContainer >> LOG")],
        );
        let started = within(|| it.start());
        check!(
            started == Some(Ok(0)),
            expected: "start to return Ok, without a warning",
            seen: shown(started.as_ref()),
            likely: "door::knock() lets it in, and tells what its command has failed with",
            read: TASKS,
        );
        let log = it.log();
        let lines: Vec<_> = log.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        check!(
            lines == ["in", "poststart"],
            expected: "the container to be let in, then the poststart hook",
            seen: lines.join(", "),
            likely: match &lines[..] {
                ["poststart", "in"] => "poststart is after the start: the hooks are called when door::knock() has returned",
                lines if lines.contains(&"startContainer") => {
                    "startContainer hooks belong to the container's namespaces: they are called inside, by wait_for_start. Start calls those of the \
                     runtime, poststart"
                }
                ["in"] => "no poststart hook was called",
                _ => "door::knock(), then the hooks",
            },
            read: RULES,
        );
        let told = log.contains(&format!("\"pid\":{}", it.put.pid())) && log.contains("\"status\":\"running\"");
        check!(
            told,
            expected: "the hook to be told that the container runs, and the PID of its first process",
            seen: log,
            likely: "Told has Status::Running and the PID of the state",
            read: TASKS,
        );
    });
}

#[test]
fn task5_not_while_it_is_being_made() {
    task5_lets_it_in_and_calls_its_hooks();
    shielded(|| {
        let it = AtDoor::new("1.2.0", &[]);
        // As if create were busy: it holds the lock, and has not noted that it is done.
        let lock = fs::File::create(it.put.directory().join("lock")).expect("the lock");
        lock.lock().expect("flock");
        it.put.note(false);
        let starting = start_child(|| it.start().is_ok());
        sleep(patience(Duration::from_millis(40)));
        let early = it.log();
        it.put.note(true);
        // Not by closing it: the other process has a copy.
        lock.unlock().expect("unlock");
        let done = starting.ends_within(Duration::from_secs(2));
        check!(
            early.is_empty(),
            expected: "nobody to be let in while create holds the lock",
            seen: early.trim(),
            likely: "start did not wait for create: states.hold(id) returns when no other command is busy with the container. The door is there \
                     before create is done",
            read: RULES,
        );
        check!(
            done && it.log() == "in\n",
            expected: "the start to go on when create is done",
            seen: format!("returned: {done}, let in: {:?}", it.log()),
            likely: "what was looked at before the wait is old: states.hold(id) looks after it",
            read: RULES,
        );
    });
}

#[test]
fn task5_nobody_comes_between() {
    task5_not_while_it_is_being_made();
    shielded(|| {
        let it = AtDoor::new("1.2.0", &[("poststart", "flock -n $(dirname STATE)/lock true || echo held >> LOG")]);
        assert_eq!(within(|| it.start()), Some(Ok(0)));
        check!(
            it.log().contains("held"),
            expected: "the lock to be held until start is done",
            seen: "a poststart hook could take it",
            likely: "the hold was dropped at once: `_` is no name, and keeps nothing. `let (container, _hold) = …` holds until the end",
            read: RULES,
        );
    });
}

#[test]
fn task5_what_a_killed_create_has_left_at_the_door() {
    task5_lets_it_in_and_calls_its_hooks();
    shielded(|| {
        let it = AtDoor::new("1.2.0", &[]);
        it.put.note(false);
        let started = within(|| it.start());
        check!(
            started == Some(Ok(0)) && it.log() == "in\n",
            expected: "a container to be started whose process waits at the door, though create was killed before it could note that it is done",
            seen: shown(started.as_ref()),
            likely: "require(), which asks your status(): nobody else holds the lock, so that it is created",
            read: RULES,
        );
    });
}

#[test]
fn task5_only_what_waits_is_started() {
    task5_lets_it_in_and_calls_its_hooks();
    shielded(|| {
        let it = AtDoor::new("1.2.0", &[("poststart", "echo poststart >> LOG")]);
        assert_eq!(within(|| it.start()), Some(Ok(0)));
        let before = it.log();
        let again = within(|| it.start());
        check!(
            matches!(&again, Some(Err(words)) if words.contains("running, not")) && it.log() == before,
            expected: "a container that runs to be refused, in words that say why, and no hook to be called",
            seen: format!("{}, {:?}", shown(again.as_ref()), it.log()),
            likely: "require(&container, \"start\", &[Status::Created]) before anything else",
            read: RULES,
        );
    });
}

#[test]
fn task5_the_hooks_of_the_container_not_the_bundle() {
    task5_lets_it_in_and_calls_its_hooks();
    shielded(|| {
        let it = AtDoor::new("1.2.0", &[("poststart", "echo own >> LOG")]);
        let mut other = it.config.clone();
        other["hooks"]["poststart"] = json!([hook(&it.put.log(), "echo another >> LOG")]);
        fs::write(it.put.bundle().join("config.json"), other.to_string()).expect("write");
        let started = within(|| it.start());
        check!(
            started == Some(Ok(0)) && it.log() == "in\nown\n",
            expected: "the hooks of the configuration that the container was made of",
            seen: format!("{:?}", it.log()),
            likely: "the bundle's config.json was read again. Since create it may be another, or gone",
            read: RULES,
        );
    });
}

#[test]
fn task5_a_poststart_hook_that_fails() {
    task5_lets_it_in_and_calls_its_hooks();
    shielded(|| {
        let hooks = [("poststart", "echo a word; exit 1"), ("poststart", "echo second >> LOG")];
        let new = AtDoor::new("1.2.0", &hooks);
        let seen = (within(|| new.start()), new.put.found().state.is_alive());
        check!(
            matches!(&seen, (Some(Err(words)), false) if words.contains("a word")),
            expected: "by version 1.2 of the specification: an error, and the container to be ended",
            seen: format!("{}; it lives: {}", shown(seen.0.as_ref()), seen.1),
            likely: "since 1.2 a poststart hook that fails is an error, and the container is stopped: pidfd::end()",
            read: RULES,
        );
        let old = AtDoor::new("1.0.2", &hooks);
        let seen = (within(|| old.start()), old.put.found().state.is_alive());
        check!(
            seen == (Some(Ok(1)), true) && old.log().contains("second"),
            expected: "before 1.2: one warning, the next hook called, and the container to go on",
            seen: format!("{}; it lives: {}; log: {:?}", shown(seen.0.as_ref()), seen.1, old.log()),
            likely: "Oci::only_warns() tells the two apart; hooks::run_all() goes on after a failure",
            read: RULES,
        );
    });
}

// ---- task 6 ----

#[test]
fn task6_the_signal_comes() {
    shielded(|| {
        let signal = [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGHUP][Random::new().below(3) as usize];
        let mut it = Put { lives: true, held: false, at_the_door: false, made: true }.container();
        lifecycle::kill(ID, signal as i32, false, &states()).expect("kill");
        let ended = eventually_ends(&mut it.first);
        check!(
            ended == Some(signal as i32),
            expected: format!("the first process to be ended by {signal}"),
            seen: format!("{ended:?}"),
            likely: "pidfd::signal() with the state and the signal that was given",
            read: TASKS,
        );
        let after = lifecycle::kill(ID, signal as i32, false, &states());
        check!(
            matches!(&after, Err(error) if error.to_string().contains("not running")),
            expected: "a container that has ended to be refused with `container not running`, words that engines look for",
            seen: format!("{after:?}"),
            likely: "refuse(), unless its first process is alive",
            read: TASKS,
        );
    });
}

#[test]
fn task6_nobody_else_is_hit() {
    task6_the_signal_comes();
    shielded(|| {
        let mut it = Put { lives: false, held: false, at_the_door: false, made: true }.container();
        let refused = lifecycle::kill(ID, Signal::SIGKILL as i32, false, &states()).is_err();
        sleep(Duration::from_millis(20));
        let hit = it.first.try_wait().expect("wait").is_some();
        check!(
            refused && !hit,
            expected: "an error, and no signal: another process has the number by now",
            seen: format!("refused: {refused}; the other process was killed: {hit}"),
            likely: "kill(2) by number hits whoever has it now. state.is_alive() compares the start, and pidfd::signal() holds the process first",
            read: RULES,
        );
    });
}

#[test]
fn task6_while_another_command_is_busy() {
    task6_the_signal_comes();
    shielded(|| {
        let mut it = Put { lives: true, held: true, at_the_door: false, made: true }.container();
        let killed = within(|| lifecycle::kill(ID, Signal::SIGTERM as i32, false, &states()).is_ok());
        check!(
            killed == Some(true) && eventually_ends(&mut it.first) == Some(Signal::SIGTERM as i32),
            expected: "the signal to be sent while another command holds the container",
            seen: shown(killed.map(|ok| if ok { Ok(()) } else { Err("refused".to_owned()) }).as_ref()),
            likely: "kill waits for the lock. A start whose hook hangs holds it, and kill is what ends that: states.container(id)",
            read: RULES,
        );
    });
}

#[test]
fn task6_all_of_them() {
    needs!(cgroup = pids);
    task6_the_signal_comes();
    Shield::new().cgroup().run(|| {
        for lives in [true, false] {
            let mut it = Put { lives, held: false, at_the_door: false, made: true }.container();
            let group = it.with_group();
            let mut second = sleeper();
            cpu::join(&group, Pid::from_raw(second.id() as i32)).expect("lab 07: join");
            let killed = lifecycle::kill(ID, Signal::SIGTERM as i32, true, &states());
            let ended = (eventually_ends(&mut it.first), eventually_ends(&mut second));
            let _ = (second.kill(), second.wait());
            let right = Some(Signal::SIGTERM as i32);
            drop(it);
            cpu::remove(&group).expect("lab 07: remove");
            check!(
                killed.is_ok() && ended == (right, right),
                expected: match lives {
                    true => "every process of the container's cgroup to get the signal",
                    false => "what a container has left whose first process has ended to get the signal",
                },
                seen: format!("{killed:?}; ended by {ended:?}"),
                likely: match (lives, ended.1.is_none()) {
                    (true, _) => "the first process alone was meant: with `all`, pidfd::signal_all()",
                    (false, true) => "a container that is stopped was refused: without a PID namespace, its other processes live on, and `kill --all` \
                                      is how they are ended",
                    (false, false) => "pidfd::signal_all()",
                },
                read: RULES,
            );
        }
    });
}

// ---- task 7 ----

#[test]
fn task7_nothing_is_left_and_then_the_hooks() {
    shielded(|| {
        let put = Put { lives: false, held: false, at_the_door: false, made: true };
        let script = "echo poststop $(test -e STATE && echo early) $(cat) >> LOG";
        let it = put.with_hooks("1.2.0", &[("poststop", "exit 1"), ("poststop", script)]).0;
        let deleted = within(|| deletes(false));
        let log = fs::read_to_string(it.log()).unwrap_or_default();
        let is_there = it.directory().exists();
        check!(
            deleted == Some(Ok(1)) && !is_there,
            expected: "the container to be gone, and one warning, of the first hook",
            seen: format!("{}; its directory is there: {is_there}", shown(deleted.as_ref())),
            likely: match &deleted {
                Some(Err(_)) => "a poststop hook that fails changes nothing: hooks::run_all(), and what went wrong is returned",
                _ if is_there => "container.remove() was not called",
                Some(Ok(0)) => "no hook was called: the configuration goes with the directory, and has to be read before",
                _ => "hooks::run_all() returns what went wrong with each",
            },
            read: RULES,
        );
        check!(
            log.starts_with("poststop {") && log.contains("\"status\":\"stopped\""),
            expected: "the second hook to be called too, when the container is gone, and to be told that it is stopped",
            seen: format!("{log:?}"),
            likely: match (log.is_empty(), log.contains("early")) {
                (true, _) => "after the first hook has failed, the second one is called all the same",
                (_, true) => "the hooks were called before the container was removed: poststop is after it",
                _ => "Told has Status::Stopped",
            },
            read: RULES,
        );
    });
}

#[test]
fn task7_what_runs_is_not_deleted() {
    task2_every_moment_of_a_life();
    task7_nothing_is_left_and_then_the_hooks();
    shielded(|| {
        let mut it = Put { lives: true, held: false, at_the_door: false, made: true }.container();
        let refused = within(|| deletes(false));
        let still = states().container(ID).is_ok_and(|it| it.state.is_alive());
        check!(
            matches!(&refused, Some(Err(words)) if words.contains("running")) && still,
            expected: "a container that runs to be refused, and to go on",
            seen: format!("{}; it lives: {still}", shown(refused.as_ref())),
            likely: "without force: require(&container, \"delete\", &[Status::Stopped])",
            read: RULES,
        );
        let forced = within(|| deletes(true));
        let ended = eventually_ends(&mut it.first);
        check!(
            forced == Some(Ok(0)) && ended == Some(Signal::SIGKILL as i32) && !it.directory().exists(),
            expected: "with force: its process to be killed, and nothing left",
            seen: format!("{}; ended by {ended:?}", shown(forced.as_ref())),
            likely: "pidfd::end() kills it and waits for its end; then container.remove()",
            read: TASKS,
        );
        let again = (within(|| deletes(true)), within(|| deletes(false)));
        check!(
            again.0 == Some(Ok(0)) && matches!(&again.1, Some(Err(words)) if words.contains("ENOENT")),
            expected: "for a container that is not there: nothing to do with force, ENOENT without",
            seen: format!("{}, {}", shown(again.0.as_ref()), shown(again.1.as_ref())),
            likely: "engines send `delete --force` after every end, whoever was first: that it is gone is what they want",
            read: RULES,
        );
    });
}

#[test]
fn task7_half_made() {
    task7_nothing_is_left_and_then_the_hooks();
    shielded(|| {
        let states = states();
        for has_state in [false, true] {
            // create was killed before it had a process, and before it had a configuration.
            let claim = states.claim(ID).expect("a name");
            if has_state {
                claim
                    .write(&State { pid: 0, oci: Some(Oci::default()), ..State::new(ID, getpid(), Vec::new()) })
                    .expect("write");
            }
            claim.keep();
            let deleted = within(|| deletes(has_state));
            check!(
                deleted == Some(Ok(0)) && !states.directory(ID).exists(),
                expected: "what a killed create has left to be deleted: a name, and no configuration",
                seen: shown(deleted.as_ref()),
                likely: "one that is half-made has no configuration to read hooks from: that is no reason to keep it",
                read: RULES,
            );
        }
    });
}

#[test]
fn task7_its_cgroup_goes() {
    needs!(cgroup = pids);
    task7_nothing_is_left_and_then_the_hooks();
    Shield::new().cgroup().run(|| {
        let it = Put { lives: true, held: false, at_the_door: false, made: true }.container();
        let group = it.with_group();
        // What its first process has left in there.
        let mut second = sleeper();
        cpu::join(&group, Pid::from_raw(second.id() as i32)).expect("lab 07: join");
        let deleted = within(|| deletes(true));
        let left: Vec<_> = group.paths().into_iter().filter(|path| path.exists()).collect();
        let ended = eventually_ends(&mut second);
        let _ = (second.kill(), second.wait());
        if !left.is_empty() {
            cpu::remove(&group).expect("lab 07: remove");
        }
        check!(
            deleted == Some(Ok(0)) && left.is_empty() && ended.is_some(),
            expected: "its cgroup to be gone, with whatever ran in it",
            seen: format!("{}; groups left: {left:?}; its second process ended: {}", shown(deleted.as_ref()), ended.is_some()),
            likely: "the cgroup was left: container.remove() is told how a group is removed, by lab 07's verb",
            read: RULES,
        );
    });
}

// ---- the command line ----

#[test]
fn run_a_life() {
    written!(16, leans on 1, 3, 4, 5, 6, 7, 10);
    Shield::new().cgroup().run(|| {
        let bundle = Bundle::new();
        bundle.runbox(&["create", "--bundle", &bundle.path(), "--pid-file", &bundle.pid_file().display().to_string(), &bundle.id]).ok();
        let state = bundle.state();
        let pid = state["pid"].as_i64().unwrap_or_default();
        check!(
            state["status"] == "created" && fs::read_to_string(bundle.pid_file()).is_ok_and(|text| text == pid.to_string()) && !bundle.has_started(),
            expected: "status created, its PID in the PID file, and its command not started",
            seen: format!("{state}; command started: {}", bundle.has_started()),
            likely: "create, task 4, and status, task 2",
            read: RULES,
        );
        let group = bundle.found().expect("the container").cgroup().expect("its groups").paths();
        let is_in = |path: &PathBuf| {
            let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            processes.lines().any(|line| line == pid.to_string())
        };
        check!(
            group.iter().all(is_in),
            expected: "its first process in its group, in each hierarchy",
            seen: format!("not in all of {group:?}"),
            likely: "the group was made, and Materials::gather() was not told of it",
            read: TASKS,
        );
        bundle.runbox(&["start", &bundle.id]).ok();
        eventually("the command runs", || bundle.has_started());
        let state = bundle.state();
        let open = descriptors(Pid::from_raw(pid as i32));
        check!(
            state["status"] == "running" && open.is_empty(),
            expected: "status running, and a command that has its standard descriptors open and no other",
            seen: format!("{state}; open besides: {}", open.join(", ")),
            likely: "a descriptor leaked into the container: wait_for_start, task 3",
            read: RULES,
        );
        let refused = bundle.runbox(&["delete", &bundle.id]);
        check!(
            refused.0 != 0 && bundle.state()["status"] == "running",
            expected: "a container that runs not to be deleted",
            seen: refused.1,
            likely: "delete, task 7",
            read: RULES,
        );
        bundle.runbox(&["kill", &bundle.id, "KILL"]).ok();
        eventually("it is stopped", || bundle.state()["status"] == "stopped");
        bundle.runbox(&["delete", &bundle.id]).ok();
        nothing_is_left(&bundle);
    });
}

#[test]
fn run_killed_at_any_moment() {
    written!(16, leans on 3, 4, 5, 6, 7);
    Shield::new().cgroup().run(|| {
        let bundle = Bundle::new();
        let mut random = Random::new();
        for _ in 0..8 {
            let path = bundle.path();
            let mut create = bundle.command(&["create", "--bundle", &path, &bundle.id]).spawn().expect("spawn");
            sleep(Duration::from_micros(random.below(30_000)));
            create.kill().expect("kill");
            create.wait().expect("wait");
            let Said(code, said) = bundle.runbox(&["state", &bundle.id]);
            let is_told = code != 0 && said.contains("does not exist") || serde_json::from_str::<Value>(&said).is_ok();
            check!(
                is_told,
                expected: "the state of a container whose create was killed, or that there is none",
                seen: said,
                likely: "state.json is there in pieces: write_whole, task 1",
                read: RULES,
            );
            let Said(code, said) = bundle.runbox(&["delete", "--force", &bundle.id]);
            check!(
                code == 0,
                expected: "delete --force to remove whatever a killed create has left",
                seen: said,
                likely: "delete, task 7: half-made containers",
                read: RULES,
            );
            nothing_is_left(&bundle);
        }
    });
}

// ---- what the tests are made of ----

/// The container of most tests.
const ID: &str = "it";
/// What is started in no time, and may take long on a busy machine.
const SOON: Duration = Duration::from_secs(1);
/// A whole container, on a machine that is at work with others.
const MADE: Duration = Duration::from_secs(4);

fn states() -> StateDir {
    StateDir::open(&dir().join("state")).expect("a state directory")
}

/// A container as a command finds it, in words of what is so.
struct Put {
    /// Whether its first process is there; else another process has its number.
    lives: bool,
    /// Whether a command is busy with it.
    held: bool,
    at_the_door: bool,
    /// Whether `create` has noted that it came to its end.
    made: bool,
}

impl Put {
    fn container(self) -> It<Child> {
        self.with_hooks("1.2.0", &[]).0
    }

    fn with_hooks(self, version: &str, hooks: &[(&str, &str)]) -> (It<Child>, Value) {
        let first = sleeper();
        let pid = Pid::from_raw(first.id() as i32);
        let (mut it, claim, config) = It::place(ID, first, pid, version, hooks);
        if !self.lives {
            it.state.started_ticks -= 1;
        }
        it.note(self.made);
        it.door = self.at_the_door.then(|| Door::make(&it.directory()).expect("a door"));
        if self.held {
            it.claim = Some(claim)
        } else {
            claim.keep()
        }
        (it, config)
    }
}

/// A container whose first process is `first`.
struct It<P> {
    first: P,
    state: State,
    claim: Option<Claim>,
    door: Option<Door>,
}

impl<P> It<P> {
    fn place(id: &str, first: P, pid: Pid, version: &str, hooks: &[(&str, &str)]) -> (It<P>, Claim, Value) {
        let states = states();
        let claim = states.claim(id).expect("a name");
        let bundle = dir().join(format!("bundle-{id}"));
        let oci = Oci { version: version.to_owned(), bundle, ..Oci::default() };
        let state = State { oci: Some(oci), ..State::new(id, pid, Vec::new()) };
        let it = It { first, state, claim: None, door: None };
        let mut config = json!({"ociVersion": version, "root": {"path": "rootfs"}, "process": {"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}});
        for (kind, script) in hooks {
            let script = script.replace("STATE", &it.directory().join("state.json").display().to_string());
            add_hook(&mut config, kind, hook(&it.log(), &script));
        }
        fs::create_dir_all(it.bundle()).expect("mkdir");
        fs::write(it.bundle().join("config.json"), config.to_string()).expect("write");
        write_config(&claim, &Config::read(config.to_string().as_bytes()).expect("a configuration").spec)
            .expect("write");
        (it, claim, config)
    }

    /// Writes its state, with whether `create` has come to its end.
    fn note(&self, made: bool) {
        let oci = self.state.oci.clone().map(|oci| Oci { made, ..oci });
        let state = State { oci, ..self.state.clone() };
        let new = self.directory().join("test.new");
        fs::write(&new, state.to_json().expect("a state")).expect("write");
        fs::rename(new, self.directory().join("state.json")).expect("rename");
    }

    fn pid(&self) -> Pid {
        self.state.pid()
    }

    fn directory(&self) -> PathBuf {
        states().directory(&self.state.id)
    }

    fn bundle(&self) -> PathBuf {
        self.state.oci.as_ref().map(|oci| oci.bundle.clone()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        dir().join(format!("log-{}", self.state.id))
    }

    fn found(&self) -> Container {
        states().container(&self.state.id).expect("the container")
    }

    /// Gives it a cgroup with its first process in it, and notes that.
    fn with_group(&self) -> Cgroup {
        let base = Cgroup::open(&cgroup_dirs()).expect("the test's group");
        let group = cpu::create(&base, &random_name("it")).expect("lab 07: create");
        cpu::join(&group, self.pid()).expect("lab 07: join");
        let inode = |path: &Path| fs::metadata(path).map(|it| std::os::unix::fs::MetadataExt::ino(&it)).expect("stat");
        let noted: Vec<_> = group.paths().iter().map(|path| json!({"path": path, "inode": inode(path)})).collect();
        fs::write(self.directory().join("cgroup.json"), json!(noted).to_string()).expect("write");
        group
    }
}

impl<P> Drop for It<P> {
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.pid(), None);
        self.claim.take();
        let _ = fs::remove_dir_all(self.directory());
    }
}

/// A container whose first process waits at the door, and says when it is let in.
struct AtDoor {
    put: It<Running<()>>,
    config: Value,
}

impl AtDoor {
    fn new(version: &str, hooks: &[(&str, &str)]) -> AtDoor {
        let id = random_name("c");
        // Its directory is there before it is; its number is known after.
        let log = dir().join(format!("log-{id}"));
        let place = states().directory(&id);
        let there = dir().join(format!("ready-{id}"));
        let first = start_child(|| {
            eventually("the door is there", || there.exists());
            let door = Door::make(&place).expect("a door");
            fs::write(there.with_extension("door"), "").expect("write");
            let line = nix::sys::socket::accept(std::os::fd::AsRawFd::as_raw_fd(&at(&door, &mut None).socket()))
                .expect("accept");
            append(&log, "in");
            // In this order: who started it may look as soon as the line is closed.
            drop(door);
            nix::unistd::close(line).expect("close");
            loop {
                nix::unistd::pause();
            }
        });
        let pid = first.pid();
        let (put, claim, config) = It::place(&id, first, pid, version, hooks);
        put.note(true);
        claim.keep();
        fs::write(&there, "").expect("write");
        eventually("somebody waits at the door", || there.with_extension("door").exists());
        AtDoor { put, config }
    }

    fn start(&self) -> Result<usize, String> {
        lifecycle::start(&self.put.state.id, &states())
            .map(|warnings| warnings.len())
            .map_err(|error| error.to_string())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.put.log()).unwrap_or_default()
    }
}

/// Somebody for whom nothing is to be told.
fn at<'a>(door: &'a Door, line: &'a mut Option<handshake::ChildEnd>) -> AtTheDoor<'a> {
    static NOTHING: std::sync::LazyLock<Oci> = std::sync::LazyLock::new(Oci::default);
    let told = Told { oci: &NOTHING, id: ID, status: Status::Created, pid: 1 };
    AtTheDoor { door, line, hooks: &[], caller: Caller::default(), told }
}

/// A process in `wait_for_start`, which then becomes a command; and whoever makes it.
struct Waiting {
    process: Option<Running<()>>,
    pid: Pid,
    maker: handshake::ParentEnd,
}

impl Waiting {
    fn with(hooks: &Value) -> Waiting {
        let config = json!({"ociVersion": "1.2.0", "hooks": {"startContainer": hooks}});
        let hooks = Hooks::from_spec(&Config::read(config.to_string().as_bytes()).expect("a configuration").spec)
            .expect("hooks");
        let place = Waiting::place();
        fs::create_dir(&place).expect("mkdir");
        let door = Door::make(&place).expect("a door");
        let (maker, inner) = handshake::pair().expect("pipes");
        let mut inner = Some(inner);
        let process = start_child(|| {
            let mut line = inner.take();
            let mut at = at(&door, &mut line);
            at.hooks = &hooks.start_container;
            match lifecycle::wait_for_start(&mut at) {
                Ok(()) => {
                    let script = format!("echo command >> {}; exec sleep 100", dir().join("log").display());
                    let error = std::os::unix::process::CommandExt::exec(Command::new("sh").args(["-c", &script]));
                    panic!("exec: {error}");
                }
                Err(error) => line.into_iter().for_each(|line| line.send(&Message::from(&error))),
            }
        });
        drop(inner);
        Waiting { pid: process.pid(), process: Some(process), maker }
    }

    fn place() -> PathBuf {
        dir().join("place")
    }

    fn log(&self) -> String {
        fs::read_to_string(dir().join("log")).unwrap_or_default()
    }

    fn tells_the_maker(&mut self) -> Option<Result<(), String>> {
        let pid = self.pid;
        let told = within(|| match self.maker.make(pid, || Ok(())) {
            Ok(None) => Ok(()),
            Ok(Some(message)) => Err(message.into_error().to_string()),
            Err(error) => Err(error.to_string()),
        });
        // A panic in there is the test's.
        if let Some(process) = self.process.take_if(|process| process.ends_within(Duration::ZERO)) {
            let _ = process.wait();
        }
        told
    }

    fn start(&mut self) -> Option<Result<(), String>> {
        within(|| door::knock(&Waiting::place()).map_err(|error| error.to_string()))
    }
}

/// A bundle in the test's own directory, whose command says that it has been started.
struct Bundle {
    id: String,
    config: Value,
}

impl Bundle {
    fn new() -> Bundle {
        let id = random_name("c");
        let path = dir().join(&id);
        fs::create_dir(&path).expect("mkdir");
        Rootfs::build(path.join("rootfs"), &["sh", "sleep"]).expect("a root file system");
        let config = json!({
            "ociVersion": "1.2.0",
            "process": {
                "args": ["sh", "-c", "echo > /started; exec sleep 100"],
                "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"],
                "cwd": "/",
                "user": {"uid": 0, "gid": 0},
            },
            "root": {"path": "rootfs"},
            "hostname": id,
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "uts"}]},
        });
        let bundle = Bundle { id, config };
        bundle.write();
        bundle
    }

    fn write(&self) {
        fs::write(dir().join(&self.id).join("config.json"), self.config.to_string()).expect("write");
    }

    fn path(&self) -> String {
        dir().join(&self.id).display().to_string()
    }

    fn pid_file(&self) -> PathBuf {
        dir().join(format!("pid-{}", self.id))
    }

    fn log(&self) -> PathBuf {
        dir().join(format!("log-{}", self.id))
    }

    fn has_started(&self) -> bool {
        dir().join(&self.id).join("rootfs/started").exists()
    }

    /// Whether the process lives that a hook, `cat STATE > LOG`, has seen.
    fn has_process(&self) -> bool {
        let state = fs::read(self.log()).expect("a hook notes the state");
        serde_json::from_slice::<State>(&state).expect("a state").is_alive()
    }

    fn hook(&mut self, kind: &str, script: &str) {
        let state = states().directory(&self.id).join("state.json");
        let script = script.replace("PIDFILE", &self.pid_file().display().to_string());
        let script = script.replace("STATE", &state.display().to_string());
        let hook = hook(&self.log(), &script);
        add_hook(&mut self.config, kind, hook);
    }

    /// create, in a process that ends then, as a runtime does: the PID.
    fn create(&self) -> Option<Result<i32, String>> {
        let path = dir().join(&self.id);
        let config = Config::read(self.config.to_string().as_bytes()).expect("a configuration").spec;
        let plan = Plan::from_spec(&self.id, &config, &path).expect("a plan");
        let (mut plan, _) = boxwright::runtime::run::leave_out_unwritten(plan);
        plan.cgroup = false;
        let oci = Oci { version: "1.2.0".into(), bundle: path.clone(), rootfs: path.join("rootfs"), ..Oci::default() };
        let (looker, pid_file) = (Looker::Caller, Some(self.pid_file()));
        let order = Order { plan, config, oci, looker, pid_file, stays: false, was_led: Cell::new(false) };
        within_time(MADE, || {
            let made = lifecycle::create(&order, &states());
            made.map(|made| made.pid.as_raw()).map_err(|error| error.to_string())
        })
    }

    /// As [`Bundle::create`], for one that must not fail.
    fn creates(&self) -> i32 {
        match self.create() {
            Some(Ok(pid)) => pid,
            other => testkit::teach(
                "create to return when all is made",
                shown(other.as_ref()),
                match other {
                    None => {
                        "create waits for something that does not come: lead_to_the_door() lets the process take its steps, and returns when \
                             wait_for_start, task 3, has told it"
                    }
                    Some(_) => "an error of a step inside names the step, and the lab that it is of",
                },
                TASKS,
            ),
        }
    }

    fn found(&self) -> Option<Container> {
        states().container(&self.id).ok()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxwright"));
        command.args(["runbox", "--root"]).arg(dir().join("state")).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn runbox(&self, args: &[&str]) -> Said {
        let (out, err) = (dir().join("out"), dir().join("err"));
        // Files, not pipes: nobody waits for what a container that goes on has open.
        let files = [&out, &err].map(|path| fs::File::create(path).expect("create"));
        let [stdout, stderr] = files;
        let status = self.command(args).stdout(stdout).stderr(stderr).status().expect("boxwright runbox");
        let text = fs::read_to_string(if status.success() { out } else { err }).unwrap_or_default();
        Said(status.code().unwrap_or(-1), text)
    }

    fn state(&self) -> Value {
        let Said(code, text) = self.runbox(&["state", &self.id]);
        assert_eq!(code, 0, "boxwright runbox state: {text}");
        serde_json::from_str(&text).expect("a state")
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        // What a test has left when it ends early, too.
        if let Some(container) = self.found().filter(|it| it.state.is_alive()) {
            let _ = kill(container.state.pid(), Signal::SIGKILL);
            let start = Instant::now();
            while stat(container.state.pid()).is_some() && start.elapsed() < SOON {
                sleep(Duration::from_millis(1));
            }
        }
    }
}

/// An exit code, and what was said: on standard output, or when it failed, on the other.
struct Said(i32, String);

impl Said {
    #[track_caller]
    fn ok(self) {
        assert_eq!(self.0, 0, "boxwright runbox: {}", self.1);
    }
}

fn nothing_is_left(bundle: &Bundle) {
    let names: Vec<_> = names(&dir().join("state")).into_iter().filter(|name| !name.starts_with('.')).collect();
    let mut groups = Vec::new();
    for group in cgroup_dirs() {
        groups.extend(self::names(&group).into_iter().filter(|name| name.contains(&bundle.id)));
    }
    check!(
        names.is_empty() && groups.is_empty(),
        expected: "neither state nor cgroup to be left after delete",
        seen: format!("state: {}; cgroups: {}", names.join(", "), groups.join(", ")),
        likely: "delete, task 7",
        read: RULES,
    );
}

fn hook(log: &Path, script: &str) -> Value {
    let script = script.replace("LOG", &log.display().to_string());
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]})
}

fn add_hook(config: &mut Value, kind: &str, hook: Value) {
    let hooks = config.as_object_mut().expect("an object").entry("hooks").or_insert(json!({}));
    let list = hooks.as_object_mut().expect("an object").entry(kind).or_insert(json!([]));
    list.as_array_mut().expect("a list").push(hook);
}

fn deletes(force: bool) -> Result<usize, String> {
    lifecycle::delete(ID, force, &states()).map(|warnings| warnings.len()).map_err(|error| error.to_string())
}

fn is_told(container: &Container, right: Status, why: &str) {
    let seen = lifecycle::status(container);
    check!(seen == right, expected: right, seen: seen, likely: why, read: RULES);
}

/// What `body` returns, in a process of its own, when it returns in time.
fn within<T: Serialize + DeserializeOwned>(body: impl FnOnce() -> T) -> Option<T> {
    within_time(SOON, body)
}

fn within_time<T: Serialize + DeserializeOwned>(time: Duration, body: impl FnOnce() -> T) -> Option<T> {
    let child = start_child(body);
    child.ends_within(time).then(|| child.wait().value)
}

fn shown<T: std::fmt::Debug>(result: Option<&Result<T, String>>) -> String {
    match result {
        None => "it does not return".to_owned(),
        Some(Ok(value)) => format!("Ok({value:?})"),
        Some(Err(words)) => format!("the error: {words}"),
    }
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < patience(SOON), "{what}: not within {:?}", patience(SOON));
        sleep(Duration::from_millis(2));
    }
}

/// The signal that ends it, when one does.
fn eventually_ends(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < patience(Duration::from_millis(200)) {
        if let Some(status) = child.try_wait().expect("wait") {
            return status.signal();
        }
        sleep(Duration::from_millis(1));
    }
    None
}

fn sleeper() -> Child {
    let null = || Stdio::null();
    Command::new("sleep").arg("100").stdin(null()).stdout(null()).stderr(null()).spawn().expect("sleep")
}

/// The letter of a process's state; none when it is gone.
fn stat(pid: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest[..1].to_owned())
}

/// Where the descriptors of a process lead to, but the standard three.
fn descriptors(pid: Pid) -> Vec<String> {
    let directory = PathBuf::from(format!("/proc/{pid}/fd"));
    let others = names(&directory).into_iter().filter(|number| !["0", "1", "2"].contains(&number.as_str()));
    others.filter_map(|number| fs::read_link(directory.join(number)).ok()).map(|to| to.display().to_string()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = read.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The files of a directory, and what is in them.
fn files_of(directory: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    names(directory).into_iter().map(|name| (name.clone(), fs::read(directory.join(name)).ok())).collect()
}

fn append(path: &Path, line: &str) {
    let mut file = fs::File::options().create(true).append(true).open(path).expect("open");
    writeln!(file, "{line}").expect("write");
}

fn letters(length: usize) -> Vec<u8> {
    let mut random = Random::new();
    (0..length).map(|_| b'a' + random.below(26) as u8).collect()
}

/// From here on, the caller's files cannot be longer.
fn limit_files_to(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: a signal that is ignored, and a limit that outlives the call.
    let set = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
    };
    assert_eq!(set, 0, "setrlimit");
}

/// Reads `path` in one process while another writes it: how many were whole, and the first that was not.
fn read_while_written(path: &Path) -> (u32, Option<String>) {
    let end = path.with_file_name("end");
    lifecycle::write_whole(path, &[b'a'; 20_000]).expect("write_whole");
    let reader = start_child(|| {
        let mut count = 0;
        while !end.exists() {
            match fs::read(path) {
                Ok(text) if text == [b'a'; 20_000] || text == [b'b'; 30_000] => count += 1,
                Ok(text) => return (count, Some(format!("{} bytes", text.len()))),
                Err(error) => return (count, Some(error.to_string())),
            }
        }
        (count, None)
    });
    for _ in 0..60 {
        lifecycle::write_whole(path, &[b'b'; 30_000]).expect("write_whole");
        lifecycle::write_whole(path, &[b'a'; 20_000]).expect("write_whole");
    }
    fs::write(&end, "").expect("write");
    reader.wait().value
}
