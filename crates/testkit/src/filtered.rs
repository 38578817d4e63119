//! What the kernel makes of system calls under a filter: [`bpf`]'s other half, for every number there is.
#![allow(unsafe_code, reason = "raw system calls, a listener's ioctls and i386's door")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::thread;

use libc::c_long;
use model::plan::seccomp::Insn;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, alarm, fork};
use serde::{Deserialize, Serialize};

use crate::bpf::{self, Call, End};
use crate::children::in_child;
use crate::report::exit_now;

/// What is seen of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// It was made.
    Made,
    /// It was not, and failed with this errno.
    Failed(i64),
    /// It was not; SIGSYS came, with these data.
    Trapped(i32),
    /// A listener was told, and answered.
    Told,
    /// It ended its process.
    Killed,
}

/// The only calls that are ever made: they take nothing, change nothing, and never return 0. All others end at a filter below
/// the one that is tried, as those do that nobody traces.
pub const HARMLESS: [c_long; 3] = [libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid];
/// A filter that is tried has to allow this one: SIGSYS' handler returns by it.
pub const NEEDED: c_long = libc::SYS_rt_sigreturn;

/// x86_64's uretprobe and uprobe, which no filter is asked about: the kernel puts them into programs itself. SIGILL for others.
const UNFILTERED: [u32; 2] = [335, 336];

/// AUDIT_ARCH_* of this machine, and of i386.
const NATIVE: u32 = if cfg!(target_arch = "x86_64") { model::plan::seccomp::X86_64 } else { 0xc000_00b7 };
const X86: u32 = 0x4000_0003;
/// What the listener answers; no call returns it.
const ANSWER: i64 = 0x7e57_7e57;

/// What no call of a test has in its fourth argument.
const OURS: u32 = 0x0f17_7e25;

/// What is to be seen of `call` when a filter returns `value`. Source: seccomp(2).
#[must_use]
pub fn effect(value: u32, call: &Call) -> Seen {
    let data = value & libc::SECCOMP_RET_DATA;
    let is_made = call.arch == NATIVE && HARMLESS.contains(&c_long::from(call.number));
    match value & libc::SECCOMP_RET_ACTION_FULL {
        libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG if is_made => Seen::Made,
        // The one below, or this one: nobody traces.
        libc::SECCOMP_RET_ALLOW | libc::SECCOMP_RET_LOG | libc::SECCOMP_RET_TRACE => Seen::Failed(libc::ENOSYS.into()),
        // MAX_ERRNO is the highest.
        libc::SECCOMP_RET_ERRNO => Seen::Failed(data.min(4095).into()),
        libc::SECCOMP_RET_TRAP => Seen::Trapped(data as i32),
        libc::SECCOMP_RET_USER_NOTIF => Seen::Told,
        _ => Seen::Killed,
    }
}

/// Whether [`filtered`] can make `call`.
#[must_use]
pub fn can_be_tried(call: &Call) -> bool {
    call.arch != NATIVE || !(UNFILTERED.contains(&call.number) || c_long::from(call.number) == NEEDED)
}

/// Makes each of `calls`, of those that [can be tried](can_be_tried), under `filter`, for real. The filter has to allow
/// [`NEEDED`]; calls are of this machine, or of i386, whose arguments have 32 bits.
///
/// To be called under a [`Shield`](crate::Shield).
///
/// # Panics
/// When the kernel does not take the filter.
#[must_use]
pub fn filtered(filter: &[Insn], calls: &[Call]) -> Vec<Seen> {
    let kills = |call: &Call| match bpf::run(filter, 0, call) {
        Ok(End::Returned(value)) => effect(value, call) == Seen::Killed,
        other => panic!("{other:?}"),
    };
    let others: Vec<Call> = calls.iter().filter(|call| !kills(call)).copied().collect();
    let mut seen = in_child(|| one_after_the_other(filter, &others)).into_iter();
    calls.iter().filter_map(|call| if kills(call) { Some(alone(filter, call)) } else { seen.next() }).collect()
}

/// Whether this kernel runs programs of i386.
#[must_use]
pub fn has_i386() -> bool {
    const GETPID: u32 = 20;
    let call = Call { number: GETPID, arch: X86, args: [0; 6] };
    let goes_on = || {
        made(&call);
        exit_now(0)
    };
    cfg!(target_arch = "x86_64") && ending(goes_on).is_none()
}

/// The descriptor by which calls are answered, once the thread that makes them has the filter.
static LISTENER: AtomicI32 = AtomicI32::new(-1);
/// What became of the calls so far, and whether these are all.
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
static DONE: AtomicBool = AtomicBool::new(false);
/// What SIGSYS brought; -1 for nothing.
static TRAPPED: AtomicI32 = AtomicI32::new(-1);

/// A thread has the filter and makes the calls; the caller, who has none, answers for those that a listener is told of.
fn one_after_the_other(filter: &[Insn], calls: &[Call]) -> Vec<Seen> {
    catch_sigsys();
    let (filter, calls) = (filter.to_vec(), calls.to_vec());
    let thread = thread::spawn(move || {
        let own = HARMLESS.map(|number| made(&Call { number: number as u32, arch: NATIVE, args: [0; 6] }));
        let mut seen = SEEN.lock().expect("nobody else's yet");
        // No call but theirs from here on: not for memory either.
        seen.reserve_exact(calls.len());
        LISTENER.store(load(&filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER), SeqCst);
        for call in &calls {
            TRAPPED.store(-1, SeqCst);
            let result = made(call);
            let is_own = HARMLESS.iter().zip(own).any(|pair| pair == (&c_long::from(call.number), result));
            seen.push(match (TRAPPED.load(SeqCst), result) {
                (data @ 0.., _) => Seen::Trapped(data),
                (_, ANSWER) => Seen::Told,
                (_, _) if is_own => Seen::Made,
                (_, result) => Seen::Failed(-result),
            });
        }
        drop(seen);
        DONE.store(true, SeqCst);
        // It could not even end, if the filter has it so: it does with the process.
        loop {
            std::hint::spin_loop();
        }
    });
    while LISTENER.load(SeqCst) == -1 {
        assert!(!thread.is_finished(), "the kernel does not take the filter");
        thread::yield_now();
    }
    // SAFETY: the descriptor is new, and the thread that got it does nothing with it.
    let listener = unsafe { OwnedFd::from_raw_fd(LISTENER.load(SeqCst)) };
    while !DONE.load(SeqCst) {
        answer_one(&listener);
    }
    SEEN.lock().expect("all of them").clone()
}

/// A process has the filter and makes one call.
fn alone(filter: &[Insn], call: &Call) -> Seen {
    match ending(|| {
        load(filter, 0);
        made(call);
    }) {
        Some(Signal::SIGSYS) => Seen::Killed,
        // It went on, and may have no call left to say so.
        _ => Seen::Made,
    }
}

/// The signal that ends a process which runs `body`, if one does; SIGALRM when it returns.
fn ending(body: impl FnOnce()) -> Option<Signal> {
    // SAFETY: under a shield the process has one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => match waitpid(child, None).expect("waitpid") {
            WaitStatus::Signaled(_, signal, _) => Some(signal),
            _ => None,
        },
        ForkResult::Child => {
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            alarm::set(1);
            body();
            loop {
                std::hint::spin_loop();
            }
        }
    }
}

/// Gives the calling thread `filter`, above one that lets nothing but [`HARMLESS`] calls happen.
fn load(filter: &[Insn], flags: u64) -> i32 {
    let insn = |code: u32, jt, jf, k| Insn { code: code as u16, jt, jf, k };
    let word = |offset| insn(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let end = |action| insn(libc::BPF_RET | libc::BPF_K, 0, 0, action);
    let is = |k, jt, jf| insn(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let mut below = vec![word(4), is(NATIVE, 1, 0), end(libc::SECCOMP_RET_TRACE), word(0)];
    for number in HARMLESS.iter().chain(&[NEEDED]) {
        below.extend([is(*number as u32, 0, 1), end(libc::SECCOMP_RET_ALLOW)]);
    }
    // The other filter comes by this call, which has three arguments, and not four.
    below.extend([is(libc::SYS_seccomp as u32, 0, 3), word(16 + 8 * 3), is(OURS, 0, 1), end(libc::SECCOMP_RET_ALLOW)]);
    below.push(end(libc::SECCOMP_RET_TRACE));
    prctl::set_no_new_privs().expect("prctl");
    let install = |filter: &[Insn], flags: u64| {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut().cast() };
        // SAFETY: the program and its instructions, of sock_filter's layout, outlive the call, which reads them alone.
        let result = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program, u64::from(OURS))
        };
        Errno::result(result).expect("a filter that the kernel takes") as i32
    };
    install(&below, 0);
    install(filter, flags)
}

/// Makes the call by the door of its architecture; what the kernel returns, an errno as a number below 0.
fn made(call: &Call) -> i64 {
    let [a, b, c, d, e, f] = call.args;
    if call.arch == NATIVE {
        // SAFETY: a filter answers for all but the harmless ones, which take no argument.
        let result = unsafe { libc::syscall(c_long::from(call.number), a, b, c, d, e, f) };
        return if result == -1 { -i64::from(Errno::last_raw()) } else { result };
    }
    i386(call)
}

/// By i386's door: numbers and arguments are its own, of 32 bits.
#[cfg(target_arch = "x86_64")]
fn i386(call: &Call) -> i64 {
    let words: [u32; 7] = std::array::from_fn(|at| if at == 0 { call.number } else { call.args[at - 1] as u32 });
    let result: u64;
    // SAFETY: the seven words are read; a filter answers the call, or it is getpid. The door keeps all but r8 to r11, and
    // what it wants in rbx and rbp is put back.
    unsafe {
        std::arch::asm!(
            "push rbx", "push rbp",
            "mov ebx, [rax + 4]", "mov ecx, [rax + 8]", "mov edx, [rax + 12]",
            "mov esi, [rax + 16]", "mov edi, [rax + 20]", "mov ebp, [rax + 24]", "mov eax, [rax]",
            "int 0x80", "pop rbp", "pop rbx",
            inout("rax") words.as_ptr() => result,
            out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    i64::from(result as i32)
}

#[cfg(not(target_arch = "x86_64"))]
fn i386(call: &Call) -> i64 {
    panic!("{call:?}: not on this machine")
}

/// Keeps what SIGSYS brings: the data of the action.
fn catch_sigsys() {
    extern "C" fn trapped(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel hands a siginfo over.
        TRAPPED.store(unsafe { (*info).si_errno }, SeqCst);
    }
    let action = SigAction::new(SigHandler::SigAction(trapped), SaFlags::SA_SIGINFO, SigSet::empty());
    // SAFETY: the handler does nothing but store a number.
    unsafe { sigaction(Signal::SIGSYS, &action) }.expect("sigaction");
}

/// Answers a call, if one comes soon. Source: seccomp_unotify(2).
fn answer_one(listener: &OwnedFd) {
    let soon = PollTimeout::from(1_u8);
    if poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], soon) != Ok(1) {
        return;
    }
    // SAFETY: both structures are numbers alone, for which 0 is a value.
    let (mut asked, mut answer): (libc::seccomp_notif, libc::seccomp_notif_resp) = unsafe { std::mem::zeroed() };
    let fd = listener.as_raw_fd();
    // SAFETY: the descriptor is a listener, and each structure the one that the request is for.
    unsafe {
        Errno::result(libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked)).expect("receive");
        (answer.id, answer.val) = (asked.id, ANSWER);
        Errno::result(libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer)).expect("send");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shielded;

    #[test]
    fn each_action_is_seen() {
        let insn = |code: u32, jf, k| Insn { code: code as u16, jt: 0, jf, k };
        let cases = [
            (libc::SYS_getpid, libc::SECCOMP_RET_ALLOW, Seen::Made),
            (libc::SYS_getppid, libc::SECCOMP_RET_ERRNO | 7, Seen::Failed(7)),
            (libc::SYS_gettid, libc::SECCOMP_RET_LOG, Seen::Made),
            (NEEDED, libc::SECCOMP_RET_ALLOW, Seen::Made),
            (600, libc::SECCOMP_RET_TRAP | 9, Seen::Trapped(9)),
            (libc::SYS_kill, libc::SECCOMP_RET_USER_NOTIF, Seen::Told),
            (libc::SYS_sync, libc::SECCOMP_RET_ALLOW, Seen::Failed(libc::ENOSYS.into())),
            (libc::SYS_exit_group, libc::SECCOMP_RET_TRACE, Seen::Failed(libc::ENOSYS.into())),
            (601, libc::SECCOMP_RET_KILL_PROCESS, Seen::Killed),
            (602, libc::SECCOMP_RET_ERRNO | 0xffff, Seen::Failed(4095)),
        ];
        let mut filter = vec![insn(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
        let end = |action| insn(libc::BPF_RET | libc::BPF_K, 0, action);
        for (number, action, _) in cases {
            filter.extend([insn(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number as u32), end(action)]);
        }
        filter.push(end(libc::SECCOMP_RET_ERRNO | 1));
        let call = |number: c_long| Call { number: number as u32, arch: NATIVE, args: [1, 2, 3, 4, 5, 6] };
        let calls: Vec<Call> = cases.iter().map(|case| call(case.0)).chain([call(603)]).filter(can_be_tried).collect();
        let wanted = cases.iter().filter(|case| case.0 != NEEDED).map(|case| case.2).chain([Seen::Failed(1)]);
        let wanted: Vec<Seen> = wanted.collect();
        shielded(|| assert_eq!(filtered(&filter, &calls), wanted));
    }
}
