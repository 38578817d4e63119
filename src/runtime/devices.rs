//! Which devices the processes of a group may use: a list on v1, a program on v2.
//!
//! On v1 a line written to `devices.deny` or `devices.allow` changes the group's list. v2 has no such knobs: the kernel
//! runs an eBPF program that is attached to the group, each time that a process in it opens a device or makes a node,
//! and the program answers 1 (yes) or 0 (EPERM). It is at most eight instructions a rule, assembled by hand: the
//! libraries for BPF (aya, libbpf-rs) are for maps, types and relocations, of which there are none here, and larger
//! than this whole runtime.
//!
//! Source: kernel docs cgroup-v1/devices, cgroup-v2 "Device controller", bpf/standardization/instruction-set; bpf(2).

#![allow(unsafe_code, reason = "bpf has no safe wrapper")]

mod program;

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::{fs, ptr};

use model::cgroup::{Part, Version};
use model::plan::{DeviceAccess, DeviceRule};
use model::{Cgroup, During, Error, Result, borrowed_userns, ids};
use nix::errno::Errno;
use program::{Instruction, program};

/// Lets the processes of `group` use devices as `rules` say. No rules, no change.
///
/// # Errors
/// [`Error::NoController`], or EPERM where the caller may not ([`is_not_ours`] tells); EINVAL from a kernel without BPF
/// for groups.
pub fn limit(group: &Cgroup, rules: &[DeviceRule]) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    // ANCHOR: limit
    let part = group.part("devices")?;
    match part.version() {
        Version::V1 => {
            let (allow, deny) = (part.writer("devices.allow")?, part.writer("devices.deny")?);
            rules.iter().try_for_each(|rule| {
                let knob = if rule.allow { &allow } else { &deny };
                lines(rule).iter().try_for_each(|line| knob.write(line))
            })
        }
        Version::V2 => attach(load(&program(rules))?, part),
    }
    // ANCHOR_END: limit
}

/// Whether `error` tells of a caller for whom there are no rules: one without a group to set them in, or whose powers,
/// if any, end with a user namespace. The machine's own root is never among them when the kernel refuses.
pub fn is_not_ours(error: &Error) -> bool {
    let owns_all = || fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| ids::are_machines(&map));
    let refused = error.errno() == Some(Errno::EPERM);
    matches!(error, Error::NoController { .. }) || (refused && (borrowed_userns::is_needed() || !owns_all()))
}

/// A rule as v1 writes it. There `a` is every device, whatever stands after it.
fn lines(rule: &DeviceRule) -> Vec<String> {
    let kinds = match rule {
        DeviceRule { kind: 'a', major: None, minor: None, access: DeviceAccess::ALL, .. } => return vec!["a".into()],
        DeviceRule { kind: 'a', .. } => vec!['b', 'c'],
        rule => vec![rule.kind],
    };
    let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
    let rest = format!("{}:{} {}", number(rule.major), number(rule.minor), rule.access.letters());
    kinds.into_iter().map(|kind| format!("{kind} {rest}")).collect()
}

/// What BPF_PROG_LOAD reads, the beginning of `union bpf_attr`: the kernel takes what is missing for zeros.
#[repr(C)]
struct Loading {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

/// What BPF_PROG_ATTACH reads.
#[repr(C)]
struct Attaching {
    group: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Hands `program` to the kernel, whose verifier reads it first.
fn load(program: &[Instruction]) -> Result<OwnedFd> {
    let (prog_load, cgroup_device) = (5, 15);
    let mut log = Vec::new();
    let mut attempt = |log_bytes: usize| {
        log.resize(log_bytes, 0);
        let loading = Loading {
            kind: cgroup_device,
            count: program.len() as u32,
            instructions: program.as_ptr().expose_provenance() as u64,
            license: c"MIT".as_ptr().expose_provenance() as u64,
            log_level: u32::from(log_bytes > 0),
            log_bytes: log_bytes as u32,
            log: if log_bytes > 0 { log.as_mut_ptr().expose_provenance() as u64 } else { 0 },
            kernel: 0,
            flags: 0,
            name: *b"boxwright\0\0\0\0\0\0\0",
        };
        bpf(prog_load, &loading)
    };
    let fd = match attempt(0) {
        // Again, for the verifier's words; a refusal of the caller has none.
        Err(errno) if errno != Errno::EPERM => attempt(1 << 16),
        result => result,
    };
    let said = String::from_utf8_lossy(&log);
    let what = match said.trim_end_matches(['\0', '\n']) {
        "" => "the rules for devices, which root may".to_owned(),
        log => format!("the rules for devices, of which the verifier says: {log}"),
    };
    let fd = fd.during("bpf(BPF_PROG_LOAD)", what)?;
    // SAFETY: bpf(2) returned this descriptor a moment ago, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches `program`, beside those that others attach. The group keeps it, and it ends with the group.
fn attach(program: OwnedFd, part: &Part) -> Result<()> {
    let (prog_attach, cgroup_device, allow_multi) = (8, 6, 2);
    let attaching = Attaching {
        group: part.as_fd().as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        kind: cgroup_device,
        flags: allow_multi,
    };
    bpf(prog_attach, &attaching).map(drop).during("bpf(BPF_PROG_ATTACH)", part.path().display())
}

fn bpf<T>(command: i32, attributes: &T) -> nix::Result<i32> {
    // SAFETY: `attributes` is one of the two structs above, integers without padding, of the size given; what the
    // addresses in it name is borrowed by the caller until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(result).map(|number| number as i32)
}

#[cfg(test)]
mod tests {
    use super::program::tests::rule;
    use super::*;

    #[test]
    fn a_program_that_the_verifier_refuses_comes_with_its_words() {
        testkit::needs!(root);
        // It ends without an answer.
        let no_answer = program(&[]).into_iter().filter(|instruction| instruction.code != program::MOVE);
        let refused = load(&no_answer.collect::<Vec<_>>()).unwrap_err();
        assert!(!is_not_ours(&refused) && refused.to_string().contains("R0 !read_ok"), "{refused}");
        drop(load(&program(&[rule("deny a *:* rwm")])).unwrap());
    }

    #[test]
    fn v1_has_a_line_a_kind() {
        assert_eq!(lines(&rule("deny a *:* rwm")), ["a"]);
        assert_eq!(lines(&rule("deny a *:* m")), ["b *:* m", "c *:* m"]);
        assert_eq!(lines(&rule("allow c 136:* rw")), ["c 136:* rw"]);
    }
}
