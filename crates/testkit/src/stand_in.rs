//! What the kernel says seldom, said by the test in its place.
#![allow(unsafe_code, reason = "seccomp(2) has no safe wrapper")]

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JUMP, BPF_K, BPF_LD, BPF_RET, BPF_STMT, BPF_W, c_long, sock_filter};
use nix::errno::Errno;
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::children::{in_child, start_child};
use crate::injury::{listener, send_descriptor};
use crate::sys::opened;

/// Runs `body` in a plain child where the first `times` calls of the system call `number` return `errno` and do nothing;
/// those after them are the kernel's. Source: seccomp_unotify(2), Linux 5.5.
///
/// To be called under a [`Shield`](crate::Shield).
pub fn refused_at_first<T: Serialize + DeserializeOwned>(
    number: c_long,
    errno: Errno,
    times: usize,
    body: impl FnOnce() -> T,
) -> T {
    in_child(|| {
        let calls = listen(&[number]).expect("a filter of system calls");
        // A child that answers; it is killed when the body has returned.
        let answers = start_child::<()>(|| {
            for asked in 0.. {
                answer(&calls, (asked < times).then_some(errno));
            }
        });
        let value = body();
        drop(answers);
        value
    })
}

/// Runs `body` where the first call of one of the system calls `numbers` waits until `happens` has, in another process: what could
/// happen at this moment, at the worst one there is.
///
/// To be called in a [child](in_child): the calling process has the filter from then on.
pub fn meanwhile<T>(numbers: &[c_long], happens: impl FnOnce(), body: impl FnOnce() -> T) -> T {
    let (own, theirs) = UnixStream::pair().expect("a pair of sockets");
    // Before the filter, so that what happens may make these calls itself.
    // SAFETY: under a shield the process has one thread.
    let answers = match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            set_pdeathsig(Signal::SIGKILL).expect("PR_SET_PDEATHSIG");
            let calls = listener(&theirs).expect("a filter of system calls");
            let first = received(&calls);
            happens();
            send(&calls, first, None);
            loop {
                answer(&calls, None);
            }
        }
    };
    let calls = listen(numbers).expect("a filter of system calls");
    send_descriptor(&own, &calls).expect("somebody who answers");
    drop((calls, own, theirs));
    let value = body();
    kill(answers, Signal::SIGKILL).expect("kill");
    waitpid(answers, None).expect("waitpid");
    value
}

/// From here on, whoever makes one of these calls in this process waits for an answer from the other end.
fn listen(numbers: &[c_long]) -> nix::Result<OwnedFd> {
    let count = numbers.len() as u8;
    // SAFETY: these put numbers into a struct.
    let program: Vec<sock_filter> = unsafe {
        let first = BPF_STMT((BPF_LD | BPF_W | BPF_ABS) as u16, 0); // seccomp_data's first word: the number
        // Over those that follow, and the one that allows.
        let is_one =
            |(number, left): (&c_long, u8)| BPF_JUMP((BPF_JMP | BPF_JEQ | BPF_K) as u16, *number as u32, left, 0);
        let ends = [libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_USER_NOTIF];
        let ends = ends.map(|action| BPF_STMT((BPF_RET | BPF_K) as u16, action));
        [first].into_iter().chain(numbers.iter().zip((1..=count).rev()).map(is_one)).chain(ends).collect()
    };
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    set_no_new_privs()?;
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the program and its length, alive during the call; the descriptor is new and nobody else's.
    unsafe { opened(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)) }
}

/// Waits for one call, and lets it fail or go on to the kernel.
fn answer(calls: &OwnedFd, errno: Option<Errno>) {
    send(calls, received(calls), errno);
}

/// Waits for one call: its id.
fn received(calls: &OwnedFd) -> u64 {
    // SAFETY: all zeroes is a valid seccomp_notif, and what the kernel wants to be given.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: a descriptor of the right kind and a struct that is ours; so below.
    let status = unsafe { libc::ioctl(calls.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    Errno::result(status).expect("a call");
    call.id
}

fn send(calls: &OwnedFd, id: u64, errno: Option<Errno>) {
    let mut answer = libc::seccomp_notif_resp { id, val: 0, error: 0, flags: 0 };
    match errno {
        Some(errno) => answer.error = -(errno as i32),
        None => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    }
    // SAFETY: as above.
    Errno::result(unsafe { libc::ioctl(calls.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) })
        .expect("to answer");
}
