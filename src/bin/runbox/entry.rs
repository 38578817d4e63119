//! Where a static runbox begins (`build.rs`): what `own_program::seal` does, before the C library.
//!
//! Of a start's two exec(2) the first does nothing but the second. To set up the C library for that takes a fourteenth of a run: some
//! forty pages are touched that are thrown away at once. So nothing here may need it: no memcpy and no memset, whose addresses it
//! has yet to look up, nothing that is a thread's own. Whatever goes wrong here, the program begins as always, and finds out again.
//!
//! Source: execve(2); System V ABI, "Process Initialization"; open_tree(2), mount_setattr(2).

use std::arch::naked_asm;
use std::mem::MaybeUninit;

use syscalls::{Sysno, raw_syscall};

const OWN: *const u8 = c"/proc/self/exe".as_ptr().cast();
const EMPTY: *const u8 = c"".as_ptr().cast();

/// Has the stack as the kernel has left it, and goes on with the C library's own.
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn start_sealed() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("mov rdi, rsp", "call {}", "xor edx, edx", "jmp _start", sym seal);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x0, sp", "bl {}", "mov x0, #0", "b _start", sym seal);
}

/// Starts the program once more, from a read-only mount of its own, if it is not on one and goes where it is not trusted.
///
/// # Safety
/// `stack` is what the kernel has put there: the number of arguments, the arguments, null, the environment, null.
unsafe extern "C" fn seal(stack: *const usize) {
    // SAFETY: as the kernel has put it there.
    let (argv, environment) = unsafe { (stack.add(1), stack.add(*stack + 2)) };
    // SAFETY: the same; each is a C string.
    let goes_in = unsafe { goes_in(argv.cast()) };
    if !goes_in || is_read_only() {
        return;
    }
    let attr = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the kernel reads this and C strings, of which those from the stack are still where it has put them; on success of the
    // last call nothing of this is left.
    unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
        let tree = raw_syscall!(Sysno::open_tree, libc::AT_FDCWD, OWN, flags);
        let (size, by_descriptor) = (size_of::<libc::mount_attr>(), libc::AT_EMPTY_PATH);
        if raw_syscall!(Sysno::mount_setattr, tree, EMPTY, by_descriptor, &raw const attr, size) == 0 {
            raw_syscall!(Sysno::execveat, tree, EMPTY, argv, environment, by_descriptor);
        }
        raw_syscall!(Sysno::close, tree);
    }
}

/// Whether the program is on a read-only mount.
fn is_read_only() -> bool {
    let mut fs = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: the kernel fills the structure, unless it says otherwise.
    unsafe {
        raw_syscall!(Sysno::statfs, OWN, fs.as_mut_ptr()) == 0 && (*fs.as_ptr()).f_flags as u64 & libc::ST_RDONLY != 0
    }
}

/// As `command::main` looks for it.
///
/// # Safety
/// `argv` leads to C strings, and a null after them.
unsafe fn goes_in(mut argv: *const *const u8) -> bool {
    // SAFETY: not beyond the null.
    unsafe {
        while !(*argv).is_null() {
            if is(*argv, c"create".as_ptr()) || is(*argv, c"run".as_ptr()) || is(*argv, c"exec".as_ptr()) {
                return true;
            }
            argv = argv.add(1);
        }
    }
    false
}

/// Whether two C strings are the same.
///
/// # Safety
/// They are C strings.
unsafe fn is(mut word: *const u8, other: *const libc::c_char) -> bool {
    let mut other = other.cast::<u8>();
    // SAFETY: not beyond the first difference, which the end of one is.
    unsafe {
        while *word == *other {
            if *word == 0 {
                return true;
            }
            (word, other) = (word.add(1), other.add(1));
        }
    }
    false
}
