//! Lab 02, `labs/lab02_ipc.rs`: message queues that nobody else can see. Chapter: `book/src/lab02-ipc.md`.
//!
//! Every test runs under Shield, in an IPC namespace that stands for the host's.

#![allow(unsafe_code, reason = "message queues: std and nix wrap few of their calls")]

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use boxwright::steps::ipc;
use model::{NsKind, Queue, Result};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::sys::statfs::{FsType, fstatfs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use testkit::{Explained, check, drop_capabilities, host_mqueue, in_child, moves_only, random_name, shielded};

const RULES: &str = "lab02-ipc.md, The kernel's rules";
/// What each errno of unshare(2) and msgget(2) means here.
const REASONS: [(Errno, &str); 4] = [
    (Errno::EPERM, "the process lacks CAP_SYS_ADMIN in the user namespace that owns this IPC namespace"),
    (Errno::EINVAL, "unshare: a flag that does not exist, or one that threads forbid"),
    (
        Errno::EEXIST,
        "a queue with this key was there already: the caller was still in the host's namespace, since a new one is empty",
    ),
    (Errno::ENOENT, "no queue has this key, and without IPC_CREAT none is made"),
];
/// What each errno of mq_open(3) means.
const MQ_REASONS: [(Errno, &str); 4] = [
    (
        Errno::EINVAL,
        "a name without its leading slash, which mq_open(3) wants; or, with nix's mq_open, no attributes: it then leaves the mode out too, use libc's",
    ),
    (
        Errno::EACCES,
        "more than one slash in the name (it is no path: /dev/mqueue is no part of it), or a queue that is another user's",
    ),
    (Errno::ENOENT, "no queue has this name, and without O_CREAT none is made"),
    (Errno::EEXIST, "the queue was there already, and O_EXCL refuses that"),
];
const FORGOTTEN_MODE: &str = "the mode is the low nine bits of msgget's flags; left out, nobody may use the queue";
/// `MQUEUE_MAGIC` of the kernel: what statfs(2) says of a POSIX queue.
const MQUEUE: FsType = FsType(0x1980_0202);

/// The table of the caller's IPC namespace.
fn table() -> String {
    fs::read_to_string("/proc/sysvipc/msg").expect("/proc/sysvipc/msg")
}

/// Which IPC namespace the calling process lives in.
fn ipc_namespace() -> Option<model::NsId> {
    testkit::namespaces().get(&NsKind::Ipc).copied()
}

/// Whether `unshare_ipc` does what it is for: task 4 leans on it.
fn unshare_ipc_moves() -> bool {
    let before = ipc_namespace();
    in_child(|| ipc::unshare_ipc().is_ok() && ipc_namespace() != before)
}

/// What the table says of `key`, read here without the learner's parser: id and permission bits.
fn lookup(key: i32) -> Option<(i32, u32)> {
    table().lines().skip(1).find_map(|line| {
        let mut cells = line.split_whitespace();
        let found: i32 = cells.next()?.parse().ok()?;
        let id = cells.next()?.parse().ok()?;
        (found == key).then_some((id, u32::from_str_radix(cells.next()?, 8).ok()?))
    })
}

/// A System V queue; removed on drop.
struct SysvQueue {
    key: i32,
    id: i32,
}

impl SysvQueue {
    fn new(key: i32, mode: i32) -> Self {
        // SAFETY: msgget takes two integers.
        let id = unsafe { libc::msgget(key, libc::IPC_CREAT | libc::IPC_EXCL | mode) };
        SysvQueue { key, id: Errno::result(id).expect("msgget") }
    }

    fn send(&self, bytes: usize) {
        let mut message = libc::c_long::to_ne_bytes(1).to_vec();
        message.resize(message.len() + bytes, b'.');
        // SAFETY: a type that is not 0, then `bytes` bytes: what msgsnd reads.
        let status = unsafe { libc::msgsnd(self.id, message.as_ptr().cast(), bytes, libc::IPC_NOWAIT) };
        Errno::result(status).expect("msgsnd");
    }
}

impl Drop for SysvQueue {
    fn drop(&mut self) {
        // SAFETY: IPC_RMID uses no buffer.
        unsafe { libc::msgctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

/// Removes the POSIX queue of this name, in the caller's namespace, on drop.
struct PosixName(String);

impl PosixName {
    fn new() -> Self {
        PosixName(format!("/{}", random_name("queue")))
    }

    /// Where the host shows the queue of this name.
    fn on_host(&self) -> std::path::PathBuf {
        host_mqueue().join(&self.0[1..])
    }

    /// Makes the queue, without the learner's help.
    fn make(&self) {
        fs::File::create_new(self.on_host()).expect("a queue");
    }
}

impl Drop for PosixName {
    fn drop(&mut self) {
        let name = CString::new(self.0.as_str()).expect("no NUL");
        // SAFETY: a C string.
        unsafe { libc::mq_unlink(name.as_ptr()) };
    }
}

/// A key that no solution can know; every bit may be set, since keys are signed.
fn random_key(negative: bool) -> i32 {
    let name = random_name("");
    let key = i32::from_str_radix(&name[2..], 16).unwrap_or(1).max(1);
    if negative { -key } else { key }
}

#[test]
fn task1_the_caller_gets_a_new_ipc_namespace() {
    shielded(|| {
        let verb = || ipc::unshare_ipc().explained("unshare_ipc()", &REASONS, RULES);
        let likely = |changed: &[NsKind]| {
            (changed == [NsKind::Uts]).then_some("that is the flag of lab 01: CLONE_NEWIPC is the one for queues")
        };
        moves_only(NsKind::Ipc, "CLONE_NEWIPC", verb, likely, RULES);
    });
}

#[test]
fn task1_the_hosts_queues_are_out_of_sight_and_still_there() {
    shielded(|| {
        let (sysv, posix) = (SysvQueue::new(random_key(false), 0o600), PosixName::new());
        posix.make();
        let (seen, reachable) = in_child(|| {
            ipc::unshare_ipc().explained("unshare_ipc()", &REASONS, RULES);
            let name = CString::new(posix.0.as_str()).expect("no NUL");
            // SAFETY: a C string; without O_CREAT no further argument is read. The descriptor ends with the child.
            let reachable = unsafe { libc::mq_open(name.as_ptr(), libc::O_RDONLY) } != -1;
            (lookup(sysv.key), reachable)
        });
        check!(
            seen.is_none() && !reachable,
            expected: format!("neither the host's queue of key {} nor its queue {} in the new namespace", sysv.key, posix.0),
            seen: format!("System V: {}, POSIX: {}", if seen.is_some() { "visible" } else { "hidden" }, if reachable { "can be opened" } else { "hidden" }),
            likely: "the caller is still in the host's IPC namespace",
            read: RULES,
        );
        check!(
            lookup(sysv.key).is_some() && posix.on_host().exists(),
            expected: "the host to keep both queues",
            seen: "one is gone",
            likely: "something was removed; unshare(2) hides, it deletes nothing",
            read: RULES,
        );
    });
}

#[test]
fn task1_without_the_capability_the_refusal_is_reported() {
    shielded(|| {
        drop_capabilities();
        check_errno(ipc::unshare_ipc(), &[Errno::EPERM], "unshare_ipc() without CAP_SYS_ADMIN", "task 1");
    });
}

#[test]
fn task2_the_kernels_own_table_is_read() {
    shielded(|| {
        let queues = [
            (SysvQueue::new(random_key(false), 0o640), vec![7, 40]),
            (SysvQueue::new(random_key(true), 0o604), vec![]),
            (SysvQueue::new(random_key(false) / 2, 0o200), vec![123]),
        ];
        let mut expected = Vec::new();
        for ((queue, messages), mode) in queues.iter().zip([0o640, 0o604, 0o200]) {
            messages.iter().for_each(|bytes| queue.send(*bytes));
            let (bytes, count) = (messages.iter().sum::<usize>() as u64, messages.len() as u64);
            expected.push(Queue { key: queue.key, id: queue.id, mode, bytes, messages: count });
        }
        check_table(&table(), expected);
    });
}

#[test]
fn task2_columns_are_found_by_their_names() {
    shielded(|| {
        let queue = Queue { key: random_key(true), id: random_key(false), mode: 0o640, bytes: 77, messages: 3 };
        // A kernel that is not written yet: one column more, and another order.
        let table = format!(
            "  qnum secret      msqid perms       key      uid cbytes\n     {} 999999 {:>10}   {:o} {:>9}     1000     {}\n",
            queue.messages, queue.id, queue.mode, queue.key, queue.bytes
        );
        check_table(&table, vec![queue]);
    });
}

#[test]
fn task2_a_namespace_without_queues_has_an_empty_list() {
    shielded(|| {
        check_table(&table(), vec![]);
    });
}

#[test]
fn task2_a_table_that_makes_no_sense_is_refused() {
    shielded(|| {
        let header = "key msqid perms cbytes qnum";
        let tables = [
            ("a key that is no number", format!("{header}\n1 2 600 0 0\nx 2 600 0 0\n")),
            ("permissions that are not octal", format!("{header}\n1 2 600 0 0\n1 2 698 0 0\n")),
            ("a line that is cut short", format!("{header}\n1 2 600 0 0\n1 2 600 0\n")),
            ("no column qnum", "key msqid perms cbytes\n1 2 600 0\n3 4 600 0\n".to_owned()),
        ];
        for (what, table) in tables {
            let seen = ipc::queues(&table);
            check!(
                matches!(seen, Err(model::Error::Invalid { .. })),
                expected: format!("Error::Invalid for a table with {what}"),
                seen: match &seen {
                    Ok(queues) => format!("Ok with {} of its 2 queues", queues.len()),
                    Err(error) => format!("the error \"{error}\""),
                },
                likely: match &seen {
                    Ok(queues) if queues.is_empty() => "no line was read, so no fault was found",
                    Ok(queues) if queues.len() == 2 => "what could not be read was made up; octal digits go from 0 to 7",
                    Ok(_) => "a line that could not be read was dropped: a list that looks whole and is not misleads",
                    Err(_) => "Error::invalid() is for values that cannot be right; no system call was made here",
                },
                read: RULES,
            );
        }
    });
}

#[test]
fn task3_a_queue_is_made_when_it_is_not_there() {
    shielded(|| {
        let name = PosixName::new();
        umask(Mode::empty());
        let queue = ipc::open_posix_queue(&name.0).explained("open_posix_queue() of a new name", &MQ_REASONS, RULES);
        check_is_queue(&queue);
        let mode = fs::metadata(name.on_host()).map(|file| file.permissions().mode() & 0o7777);
        check!(
            mode.as_ref().is_ok_and(|mode| *mode == 0o600),
            expected: format!("a queue {} of mode 0600 in the caller's namespace", name.0),
            seen: match mode {
                Ok(mode) => format!("mode {mode:04o}"),
                Err(error) => format!("no queue of this name: {error}"),
            },
            likely: "the mode was left out or is another one; with O_CREAT, mq_open(3) takes it as its third argument",
            read: RULES,
        );
    });
}

#[test]
fn task3_a_queue_that_is_there_is_opened_for_both_directions() {
    shielded(|| {
        let name = PosixName::new();
        let open = |call: &str| ipc::open_posix_queue(&name.0).explained(call, &MQ_REASONS, RULES);
        let first = open("open_posix_queue() of a new name");
        let second = open("open_posix_queue() of a name that is there");
        check_is_queue(&first);
        check_is_queue(&second);
        let text = random_name("hello");
        let mut seen = vec![0_u8; 8192];
        // SAFETY: the text and its length; the descriptor is open.
        let sent = Errno::result(unsafe { libc::mq_send(first.as_raw_fd(), text.as_ptr().cast(), text.len(), 0) });
        let received = sent.and_then(|_| {
            // Nothing to wait for: an empty queue shall fail, not hang.
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            let (queue, buffer, length) = (second.as_raw_fd(), seen.as_mut_ptr().cast(), seen.len());
            // SAFETY: a buffer of the length given and a timespec, both alive during the call; no priority is asked for.
            Errno::result(unsafe { libc::mq_timedreceive(queue, buffer, length, std::ptr::null_mut(), &at_once) })
        });
        check!(
            received.is_ok_and(|length| seen[..length as usize] == *text.as_bytes()),
            expected: "what is sent into the first descriptor to come out of the second",
            seen: match received {
                Ok(length) => format!("{:?}", String::from_utf8_lossy(&seen[..length as usize])),
                Err(errno) => errno.to_string(),
            },
            likely: match received {
                Err(Errno::EBADF) => "the queue was opened for one direction alone: O_RDWR is for both",
                Err(Errno::ETIMEDOUT) => "the second call made another queue: was the first one unlinked?",
                _ => "the two descriptors are not one and the same queue",
            },
            read: RULES,
        );
    });
}

#[test]
fn task3_the_queue_belongs_to_the_callers_namespace() {
    shielded(|| {
        let name = PosixName::new();
        in_child(|| {
            unshare(CloneFlags::CLONE_NEWIPC).expect("unshare");
            let queue =
                ipc::open_posix_queue(&name.0).explained("open_posix_queue() in a new namespace", &MQ_REASONS, RULES);
            check_is_queue(&queue);
        });
        check!(
            !name.on_host().exists(),
            expected: "a queue that is made in a new namespace not to be seen on the host",
            seen: format!("{} is there", name.0),
            likely: "the queue was made through a mounted mqueue file system, which belongs to the namespace that mounted it",
            read: RULES,
        );
    });
}

#[test]
fn task3_a_refusal_is_reported_with_its_errno() {
    shielded(|| {
        let there = PosixName::new();
        there.make();
        let open = |name: &str| ipc::open_posix_queue(name).map(drop);
        // Whoever checks a name first may refuse it with an error of their own.
        for (name, what) in
            [("no-slash", "a name without its slash"), ("/a/b", "a name with two slashes"), ("/", "a slash alone")]
        {
            check_errno(open(name), &[], &format!("open_posix_queue() of {what}, {name:?},"), "task 3");
        }
        check_errno(open(&format!("/{}", "x".repeat(256))), &[], "open_posix_queue() of a name of 256 bytes", "task 3");
        check_errno(open("/nul\0inside"), &[], "open_posix_queue() of a name with a NUL in it", "task 3");
        in_child(|| {
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("getrlimit");
            setrlimit(Resource::RLIMIT_NOFILE, 0, hard).expect("setrlimit");
            let refused = open(&there.0);
            // The check's own message needs a descriptor.
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("setrlimit");
            check_errno(refused, &[Errno::EMFILE], "open_posix_queue() with no descriptor left", "task 3");
        });
        fs::set_permissions(there.on_host(), fs::Permissions::from_mode(0o000)).expect("chmod");
        in_child(|| {
            drop_capabilities();
            check_errno(
                open(&there.0),
                &[Errno::EACCES],
                "open_posix_queue() of a queue of mode 0000, without capabilities,",
                "task 3",
            );
        });
    });
}

#[test]
fn task4_the_queue_is_inside_and_the_host_has_none() {
    shielded(|| {
        for negative in [false, true] {
            let key = random_key(negative);
            let before = ipc_namespace();
            let (id, found, after) = in_child(|| {
                let id = ipc::enter_with_queue(key).explained("enter_with_queue()", &REASONS, RULES);
                (id, table(), ipc_namespace())
            });
            check_inside(key, id, &found, before != after);
        }
    });
}

/// The cells of the table by the names of their columns.
fn named(rows: &[Vec<&str>]) -> String {
    let queues: Vec<String> =
        rows.iter().map(|row| format!("a queue of key {}, id {}, mode {:0>4}", row[0], row[1], row[2])).collect();
    if queues.is_empty() { "no queue".to_owned() } else { queues.join(" and ") }
}

/// `found` is the table that the caller of `enter_with_queue` saw; called on the host.
fn check_inside(key: i32, id: i32, found: &str, moved: bool) {
    let rows: Vec<Vec<&str>> = found.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let left = lookup(key);
    let others = table().lines().count() - 1;
    let host = match (left, others) {
        (Some(_), _) => "a queue of this key".to_owned(),
        (None, 0) => "no queue".to_owned(),
        (None, _) => "a queue of another key".to_owned(),
    };
    let expected = [key.to_string(), id.to_string(), "600".to_owned()];
    let right = rows.len() == 1 && rows[0][..3] == expected;
    check!(
        right && others == 0,
        expected: format!("inside, one queue of key {key}, id {id}, mode 0600; on the host, none"),
        seen: format!("inside, {}; on the host, {host}", named(&rows)),
        likely: match (rows.as_slice(), others) {
            ([], 0) => "no queue was made, neither inside nor on the host",
            _ if !moved && !unshare_ipc_moves() => "unshare_ipc() does not leave the host's IPC namespace: see task 1",
            _ if !moved => "the caller never left the host's IPC namespace, and the queue is there for all to see",
            ([], _) => "the queue was made first: it stayed in the namespace that it was made in, and its maker left it",
            ([_, ..], 0) if rows[0][0] == "0" => "IPC_PRIVATE is no key but the lack of one: nobody finds such a queue by key, and it has nothing to do with namespaces",
            ([_], 0) if rows[0][..2] == expected[..2] => FORGOTTEN_MODE,
            ([_], 0) if rows[0][0] == expected[0] => "the id to return is the one that msgget(2) gave",
            (_, 0) => "a queue of another key, or more than one, was made",
            _ => "a second queue was left behind on the host: what is made before unshare(2) stays there until somebody removes it",
        },
        read: RULES,
    );
}

#[test]
fn task4_a_key_that_the_host_uses_is_free_inside() {
    shielded(|| {
        let host = SysvQueue::new(random_key(false), 0o640);
        let inside = in_child(|| {
            ipc::enter_with_queue(host.key).explained(
                "enter_with_queue() of a key that the host uses",
                &REASONS,
                RULES,
            );
            lookup(host.key)
        });
        let (kept, moved) = (lookup(host.key) == Some((host.id, 0o640)), unshare_ipc_moves());
        let described = |queue: Option<(i32, u32)>| {
            queue.map_or("none of this key".to_owned(), |(id, mode)| format!("id {id}, mode {mode:04o}"))
        };
        check!(
            inside.is_some_and(|(_, mode)| mode == 0o600) && kept,
            expected: "a new queue of mode 0600 inside, and the host's queue of the same key, mode 0640, as it was",
            seen: format!("inside, {}; on the host, {}", described(inside), described(lookup(host.key))),
            likely: match inside {
                None => "no queue has this key inside: was one made at all, after unshare(2), and with the key that was asked for?",
                Some((_, mode)) if kept && moved && mode != 0o640 => FORGOTTEN_MODE,
                Some(_) => "the queue that was reached is the host's: IPC_EXCL refuses one that is there, a new namespace has none",
            },
            read: RULES,
        );
    });
}

#[test]
fn task4_without_the_capability_nothing_is_made() {
    shielded(|| {
        let key = random_key(false);
        in_child(|| {
            drop_capabilities();
            let result = ipc::enter_with_queue(key).map(drop);
            check_errno(result, &[Errno::EPERM], "enter_with_queue() without CAP_SYS_ADMIN", "task 4");
        });
        check!(
            table().lines().count() == 1,
            expected: "no queue on the host after a refused unshare(2)",
            seen: table(),
            likely: "msgget(2) was called although unshare(2) had failed, or before it",
            read: RULES,
        );
    });
}

#[test]
fn run_hides_the_hosts_queues_or_shares_them() {
    shielded(|| {
        let queue = SysvQueue::new(random_key(false), 0o600);
        let row = contains(format!("{} {:>10}", queue.key, queue.id));
        let run = |ipc: &str| {
            testkit::boxwright!().args(["run", "--ipc", ipc, "--", "cat", "/proc/sysvipc/msg"]).assert().success()
        };
        run("private").stdout(contains("msqid").and(row.clone().not()));
        run("host").stdout(row);
    });
}

/// Calls `queues` and holds it against what the table was made from.
fn check_table(table: &str, expected: Vec<Queue>) {
    let sorted = |mut queues: Vec<Queue>| {
        queues.sort_by_key(|queue| queue.key);
        queues
    };
    let parsed = ipc::queues(table);
    let seen = match &parsed {
        Ok(queues) => format!("{queues:?}"),
        Err(error) => error.to_string(),
    };
    let expected = sorted(expected);
    let found = sorted(parsed.as_ref().cloned().unwrap_or_default());
    let same_but = |change: fn(&mut Queue)| {
        let changed = |queues: &[Queue]| {
            queues
                .iter()
                .map(|queue| {
                    let mut queue = *queue;
                    change(&mut queue);
                    queue
                })
                .collect::<Vec<_>>()
        };
        changed(&found) == changed(&expected)
    };
    let standard = table.trim_start().starts_with("key");
    check!(
        parsed.is_ok() && found == expected,
        expected: format!("{expected:?}\n  from:\n{table}"),
        seen: seen,
        likely: match () {
            () if ipc::queues(table.lines().next().unwrap_or_default()).is_err() => "the first line names the columns; it is no queue",
            () if !standard && !read_in_usual_order(&expected) => "this queue is misread in the usual order too: compare it field by field with what was expected",
            () if !standard => "a column was taken by its place: in this table they stand in another order, and the first line says where",
            () if parsed.is_err() && expected.iter().any(|queue| queue.key < 0) => "a number did not parse: which one may be negative? the kernel prints keys signed",
            () if parsed.is_err() => "a line of the kernel's own table was refused",
            () if same_but(|queue| queue.mode = 0) => "the permissions are octal digits: 640 there is 0o640 here",
            () if found.len() < expected.len() && !found.is_empty() => "a line is missing: the first queue stands in the second line",
            () if found.len() < expected.len() => "nothing was listed: each line after the first is a queue",
            () if same_but(|queue| (queue.bytes, queue.messages) = (0, 0)) => "cbytes counts bytes, qnum counts messages; the columns between them are others",
            () => "a value was read from the wrong column",
        },
        read: RULES,
    );
}

/// Whether `queues` reads these in the order of columns that every kernel so far has.
fn read_in_usual_order(queues: &[Queue]) -> bool {
    let line = |queue: &Queue| {
        let Queue { key, id, mode, bytes, messages } = queue;
        format!("{key} {id} {mode:o} {bytes} {messages}\n")
    };
    let table: String = queues.iter().map(line).collect();
    ipc::queues(&format!("key msqid perms cbytes qnum\n{table}")).is_ok_and(|read| read == queues)
}

/// A descriptor of a POSIX queue, and of nothing else.
fn check_is_queue(descriptor: &OwnedFd) {
    let kind = fstatfs(descriptor.as_fd()).map(|answer| answer.filesystem_type());
    check!(
        kind == Ok(MQUEUE),
        expected: "a descriptor of a POSIX message queue",
        seen: format!("a descriptor of something else ({kind:?})"),
        likely: "the descriptor is not the one that mq_open(3) returned",
        read: RULES,
    );
}

/// Holds a refusal of the kernel against what the verb made of it; without `errnos`, any error will do.
fn check_errno(result: Result<()>, errnos: &[Errno], call: &str, task: &str) {
    let right = match &result {
        Ok(()) => false,
        Err(error) => errnos.is_empty() || error.errno().is_some_and(|errno| errnos.contains(&errno)),
    };
    check!(
        right,
        expected: match errnos {
            [] => format!("{call} to be refused"),
            errnos => format!("{call} to return {errnos:?}"),
        },
        seen: match &result {
            Ok(()) => "Ok".to_owned(),
            Err(error) => format!("the error \"{error}\""),
        },
        likely: format!("a result was thrown away, or its errno was; see {task}"),
        read: RULES,
    );
}
