//! Which system calls a container may make: an OCI policy, with every name a number.

mod names;

use std::path::PathBuf;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag, LinuxSeccompOperator, LinuxSyscall,
};

use crate::error::{Error, Result};
use names::{OWN, Table};

/// What is done about a system call, as a filter returns it: an action and, in the lower 16 bits, what goes with it.
/// Source: seccomp(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action(pub u32);

impl Action {
    /// SECCOMP_RET_ALLOW.
    pub const ALLOW: Action = Action(libc::SECCOMP_RET_ALLOW);
    /// SECCOMP_RET_KILL_PROCESS.
    pub const KILL_PROCESS: Action = Action(libc::SECCOMP_RET_KILL_PROCESS);
    /// SECCOMP_RET_USER_NOTIF.
    pub const NOTIFY: Action = Action(libc::SECCOMP_RET_USER_NOTIF);

    /// SECCOMP_RET_ERRNO with this errno.
    #[must_use]
    pub const fn errno(errno: u16) -> Action {
        Action(libc::SECCOMP_RET_ERRNO | errno as u32)
    }
}

/// One instruction of a filter, `struct sock_filter` of `<linux/filter.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Insn {
    /// What it does: BPF_LD, BPF_JMP, BPF_RET, … with their details.
    pub code: u16,
    /// How many instructions a conditional jump passes over when its condition is true.
    pub jt: u8,
    /// And when it is false.
    pub jf: u8,
    /// The number that it works with.
    pub k: u32,
}

/// A policy, for every architecture that programs may be of on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What is done about a call that no rule is about.
    pub default: Action,
    /// The rules, by architecture. A process of any other is killed.
    pub archs: Vec<ArchRules>,
    /// SECCOMP_FILTER_FLAG_* of seccomp(2).
    pub flags: u64,
    /// Whom the calls are told that [`Action::NOTIFY`] is for.
    pub listener: Option<Listener>,
}

/// Where the descriptor goes by which calls are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The Unix socket.
    pub path: PathBuf,
    /// What is told along with it.
    pub metadata: String,
}

/// The rules for the programs of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchRules {
    /// AUDIT_ARCH_*, as seccomp_data has it.
    pub arch: u32,
    /// Whether numbers with [`X32_BIT`] are looked at too. They are a second set of calls of AUDIT_ARCH_X86_64.
    pub x32: bool,
    /// Those for lower numbers first; of several for one number, the first that matches counts.
    pub rules: Vec<Rule>,
}

/// AUDIT_ARCH_X86_64.
pub const X86_64: u32 = 0xc000_003e;
/// `__X32_SYSCALL_BIT`.
pub const X32_BIT: u32 = 0x4000_0000;

/// What is done about one system call, if its arguments are such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The call's number.
    pub number: u32,
    /// What is done.
    pub action: Action,
    /// All of them have to be so.
    pub args: Vec<Arg>,
}

/// A condition on an argument: unsigned, 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Which one, 0 to 5.
    pub index: u32,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub value: u64,
}

/// How an argument is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// It is another one.
    Ne,
    /// It is less.
    Lt,
    /// It is less, or the same.
    Le,
    /// It is the same.
    Eq,
    /// It is more, or the same.
    Ge,
    /// It is more.
    Gt,
    /// It is the same as far as this mask has bits.
    Masked(u64),
}

impl Policy {
    /// The policy of an OCI configuration. Unlike libseccomp's, its rules for one call are looked at in their order, one
    /// without conditions too: so a condition can be taken out of what is allowed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what has no meaning, and for a call that is refused by a name that there is not.
    pub fn from_oci(seccomp: &LinuxSeccomp) -> Result<Policy> {
        let default = action(seccomp.default_action(), seccomp.default_errno_ret())?;
        let syscalls = seccomp.syscalls().as_deref().unwrap_or_default();
        syscalls.iter().try_for_each(|syscall| check_names(syscall, default))?;
        let mut tables: Vec<&Table> = vec![&OWN[0]];
        for arch in seccomp.architectures().iter().flatten() {
            let table = OWN.iter().find(|table| table.oci == *arch);
            tables.extend(table.filter(|table| tables.iter().all(|other| other.oci != table.oci)));
        }
        let mut archs: Vec<ArchRules> = Vec::new();
        for table in tables {
            let mut rules = Vec::new();
            for syscall in syscalls {
                let what = action(syscall.action(), syscall.errno_ret())?;
                for number in syscall.names().iter().filter_map(|name| (table.number)(name)) {
                    for args in conditions(syscall.args().as_deref().unwrap_or_default())? {
                        rules.push(Rule { number: number | table.bit, action: what, args });
                    }
                }
            }
            match archs.iter_mut().find(|other| other.arch == table.audit) {
                Some(other) => other.rules.extend(rules),
                None => archs.push(ArchRules { arch: table.audit, x32: false, rules }),
            }
            if let Some(own) = archs.iter_mut().find(|other| other.arch == table.audit) {
                own.x32 |= table.bit == X32_BIT;
            }
        }
        // Stable: the order of those for one call stays.
        archs.iter_mut().for_each(|arch| arch.rules.sort_by_key(|rule| rule.number));
        let flags = seccomp.flags().iter().flatten().map(|flag| flag_bit(*flag)).fold(0, |all, bit| all | bit);
        let listener = listener(seccomp, &archs)?;
        Ok(Policy { default, archs, flags, listener })
    }
}

fn action(action: LinuxSeccompAction, data: Option<u32>) -> Result<Action> {
    match data {
        // It shares a word with the action, which it must not change.
        Some(data @ 4096..) => Err(Error::invalid("linux.seccomp errnoRet", data.to_string(), "0 to 4095")),
        data => Ok(Action(action.as_u32(data))),
    }
}

/// A name that no machine has is refused where it takes something away: it would take away nothing.
fn check_names(syscall: &LinuxSyscall, default: Action) -> Result<()> {
    let allows = syscall.action() == LinuxSeccompAction::ScmpActAllow;
    if default != Action::ALLOW || allows {
        return Ok(());
    }
    match syscall.names().iter().find(|name| !names::is_known(name)) {
        Some(name) => {
            let right =
                format!("a system call, such as {:?}: as it is, nothing would be refused", names::nearest(name));
            Err(Error::invalid("linux.seccomp name", name, right))
        }
        None => Ok(()),
    }
}

/// The names of a configuration that no architecture has a call for, each with the nearest that one has. Their rules are passed over,
/// as Docker does: a profile is for kernels that are not written yet, too. So whoever misspelt one has to be told.
#[must_use]
pub fn unknown_names(seccomp: &LinuxSeccomp) -> Vec<(&str, &'static str)> {
    let mut unknown: Vec<(&str, &str)> = Vec::new();
    for name in seccomp.syscalls().iter().flatten().flat_map(LinuxSyscall::names) {
        if !names::is_known(name) && unknown.iter().all(|(told, _)| told != name) {
            unknown.push((name, names::nearest(name)));
        }
    }
    unknown
}

/// The conditions of a rule: all of them at once; or each on its own, as runc has it, when one argument has several.
fn conditions(args: &[LinuxSeccompArg]) -> Result<Vec<Vec<Arg>>> {
    let all = args.iter().map(condition).collect::<Result<Vec<_>>>()?;
    let is_twice = |(at, arg): (usize, &Arg)| all[..at].iter().any(|other| other.index == arg.index);
    if all.iter().enumerate().any(is_twice) {
        return Ok(all.into_iter().map(|arg| vec![arg]).collect());
    }
    Ok(vec![all])
}

fn condition(arg: &LinuxSeccompArg) -> Result<Arg> {
    let index = u32::try_from(arg.index()).ok().filter(|index| *index < 6);
    let index = index.ok_or_else(|| Error::invalid("linux.seccomp index", arg.index().to_string(), "0 to 5"))?;
    let (compare, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => (Compare::Ne, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (Compare::Lt, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (Compare::Le, arg.value()),
        LinuxSeccompOperator::ScmpCmpEq => (Compare::Eq, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (Compare::Ge, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (Compare::Gt, arg.value()),
        // Here the value is the mask.
        LinuxSeccompOperator::ScmpCmpMaskedEq => (Compare::Masked(arg.value()), arg.value_two().unwrap_or(0)),
    };
    Ok(Arg { index, compare, value })
}

fn flag_bit(flag: LinuxSeccompFilterFlag) -> u64 {
    match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => libc::SECCOMP_FILTER_FLAG_TSYNC,
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    }
}

fn listener(seccomp: &LinuxSeccomp, archs: &[ArchRules]) -> Result<Option<Listener>> {
    let notifies = |rule: &&Rule| rule.action == Action::NOTIFY;
    let rules = archs.iter().flat_map(|arch| &arch.rules);
    let own = archs.iter().filter(|arch| arch.arch == OWN[0].audit).flat_map(|arch| &arch.rules);
    let path = seccomp.listener_path().clone();
    if seccomp.default_action() == LinuxSeccompAction::ScmpActNotify {
        return Err(Error::invalid(
            "linux.seccomp defaultAction",
            "SCMP_ACT_NOTIFY",
            "any other: the start makes calls too",
        ));
    }
    if own.filter(notifies).any(|rule| i64::from(rule.number) == libc::SYS_sendmsg) {
        let right = "any other call: by this one the listener gets its descriptor";
        return Err(Error::invalid("linux.seccomp SCMP_ACT_NOTIFY", "sendmsg", right));
    }
    match (path, rules.clone().any(|rule| notifies(&rule))) {
        (None, true) => Err(Error::invalid("linux.seccomp listenerPath", "", "a socket, with SCMP_ACT_NOTIFY")),
        (Some(path), true) => {
            let metadata = seccomp.listener_metadata().clone().unwrap_or_default();
            Ok(Some(Listener { path, metadata }))
        }
        (_, false) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(json: &str) -> Result<Policy> {
        Policy::from_oci(&serde_json::from_str(json).unwrap())
    }

    fn of(policy: &Policy, arch: u32) -> &ArchRules {
        policy.archs.iter().find(|rules| rules.arch == arch).unwrap()
    }

    #[test]
    fn a_name_is_another_number_on_another_architecture() {
        let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X"],
            "syscalls": [{"names": ["openat", "open"], "action": "SCMP_ACT_ALLOW"}]}"#;
        let policy = policy(json).unwrap();
        assert_eq!(policy.default, Action::errno(38));
        let numbers = |arch| of(&policy, arch).rules.iter().map(|rule| rule.number).collect::<Vec<_>>();
        assert_eq!(numbers(X86_64), [2, 257, X32_BIT | 2, X32_BIT | 257]);
        assert_eq!(numbers(0x4000_0003), [5, 295]);
        // No program of aarch64 runs on this machine, and a filter has room for 4096 instructions.
        assert!(of(&policy, X86_64).x32 && policy.archs.len() == 2);
        assert_eq!(
            names::TABLES.map(|table| (table.number)("openat")),
            [Some(257), Some(257), Some(295), Some(56), Some(322)]
        );
    }

    #[test]
    fn conditions_on_one_argument_are_each_enough() {
        let json = |two: u32| {
            format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["socket"], "action": "SCMP_ACT_ERRNO",
                "errnoRet": 22, "args": [{{"index": 0, "op": "SCMP_CMP_EQ", "value": 16}},
                {{"index": {two}, "op": "SCMP_CMP_MASKED_EQ", "value": 255, "valueTwo": 9}}]}}]}}"#
            )
        };
        let first = Arg { index: 0, compare: Compare::Eq, value: 16 };
        let second = |index| Arg { index, compare: Compare::Masked(255), value: 9 };
        let args =
            |two| policy(&json(two)).unwrap().archs[0].rules.iter().map(|rule| rule.args.clone()).collect::<Vec<_>>();
        assert_eq!(args(2), [vec![first, second(2)]]);
        assert_eq!(args(0), [vec![first], vec![second(0)]]);
        assert!(policy(&json(6)).unwrap_err().to_string().contains("0 to 5"));
    }

    #[test]
    fn a_name_that_would_refuse_nothing_is_refused() {
        let json = |default: &str, action: &str| {
            format!(r#"{{"defaultAction": "{default}", "syscalls": [{{"names": ["unshar"], "action": "{action}"}}]}}"#)
        };
        let refused = policy(&json("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")).unwrap_err().to_string();
        assert!(refused.contains("\"unshar\"") && refused.contains("such as \"unshare\""), "{refused}");
        assert!(policy(&json("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW")).is_ok());
    }

    #[test]
    fn a_name_of_no_machine_is_told_with_the_nearest() {
        let json = |names: &str| {
            let json = format!(
                r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": [{names}], "action": "SCMP_ACT_ALLOW"}}]}}"#
            );
            serde_json::from_str::<LinuxSeccomp>(&json).unwrap()
        };
        let misspelt = json(r#""opneat", "read", "file_setatr", "opneat", "get_tsl""#);
        assert_eq!(
            unknown_names(&misspelt),
            [("opneat", "openat"), ("file_setatr", "file_setattr"), ("get_tsl", "get_tls")]
        );
        // Docker's and podman's profiles have these, for other machines, beside those of ours.
        let foreign = r#""breakpoint", "cacheflush", "riscv_flush_icache", "riscv_hwprobe", "s390_pci_mmio_read",
            "s390_runtime_instr", "set_tls", "swapcontext", "sync_file_range2", "syscall", "timerfd", "break",
            "epoll_ctl_old", "pciconfig_iobase", "query_module", "uretprobe", "_newselect", "getsid""#;
        assert_eq!(unknown_names(&json(foreign)), []);
    }

    #[test]
    fn arms_own_calls_are_behind_all_others() {
        let [.., x86, _, arm] = names::TABLES;
        let numbers = |table: Table| ["set_tls", "write", "break"].map(table.number);
        assert_eq!(numbers(arm), [Some(0xf_0005), Some(4), None]);
        assert_eq!(numbers(x86), [None, Some(4), Some(17)]);
    }

    #[test]
    fn somebody_has_to_listen() {
        let json = |name: &str, rest: &str| {
            format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["{name}"], "action": "SCMP_ACT_NOTIFY"}}]{rest}}}"#
            )
        };
        assert!(policy(&json("mkdir", "")).unwrap_err().to_string().contains("listenerPath"));
        let path = r#", "listenerPath": "/run/s", "listenerMetadata": "m""#;
        let told = policy(&json("mkdir", path)).unwrap().listener;
        assert_eq!(told, Some(Listener { path: "/run/s".into(), metadata: "m".into() }));
        assert!(policy(&json("sendmsg", path)).unwrap_err().to_string().contains("sendmsg"));
    }

    #[test]
    fn an_errno_is_one() {
        for errno in [4096, 0x7fff_0000_u32] {
            let json = format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": {errno}}}"#);
            assert!(policy(&json).unwrap_err().to_string().contains("0 to 4095"), "{errno}");
        }
    }
}
