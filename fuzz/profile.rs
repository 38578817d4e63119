//! What holds for every text that is given as a profile: it is refused in one line, or its filter lets nothing through that the
//! text does not.

use std::collections::BTreeSet;

use boxwright::steps::seccomp;
use cli::seccomp::{Place, read};
use libc::{
    SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
    SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_TRAP, SECCOMP_RET_USER_NOTIF,
};
use model::caps::CapSet;
use model::plan::seccomp::{Policy, X32_BIT, X86_64};
use serde_json::Value;
use testkit::bpf::{self, Call, End};

/// Where the profile is for.
pub const PLACE: Place = Place { bounding: CapSet::DEFAULT, kernel: (6, 1) };
/// No architecture has as many calls that begin at 0.
const LAST: u32 = 600;

/// Panics when the text makes a filter that lets more through than it says.
pub fn check(text: &str) {
    let policy = match read("the text", text, PLACE).and_then(|seccomp| Policy::from_oci(&seccomp)) {
        Ok(policy) => policy,
        Err(error) => return assert_eq!(error.to_string().lines().count(), 1, "not one line: {error}"),
    };
    let json: Value = serde_json::from_str(text).expect("a profile, so it is JSON");
    let Ok(filter) = seccomp::assemble(&policy) else { return };
    let default = kind(&json["defaultAction"]);
    let rules: Vec<Said> = json["syscalls"].as_array().into_iter().flatten().map(Said::of).collect();
    for call in calls(&policy) {
        let Ok(End::Returned(value)) = bpf::run(&filter, 0, &call) else { panic!("{call:x?}: the filter has no end") };
        let seen = value & SECCOMP_RET_ACTION_FULL;
        let is_said = seen == default || rules.iter().any(|rule| rule.action == seen && rule.is_about(&call));
        assert!(REFUSES.contains(&seen) || is_said, "{call:x?}: {value:#x}, which the text does not say: {text}");
    }
}

/// What no text has to say.
const REFUSES: [u32; 4] = [SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO];

/// Every number, and for each rule with conditions some calls that meet them and some that do not; of an architecture that is in no
/// policy too.
fn calls(policy: &Policy) -> Vec<Call> {
    let archs = policy.archs.iter().map(|arch| arch.arch).chain([1]);
    let numbers = || (0..LAST).flat_map(|number| [number, number | X32_BIT]);
    let plain =
        archs.flat_map(|arch| numbers().flat_map(move |number| [0, u64::MAX].map(|all| (arch, number, [all; 6]))));
    let mut calls: Vec<Call> = plain.map(|(arch, number, args)| Call { number, arch, args }).collect();
    for (arch, rule) in policy.archs.iter().flat_map(|arch| arch.rules.iter().map(move |rule| (arch.arch, rule))) {
        for change in [0, 1, u64::MAX, 1 << 32, 1 << 63].iter().filter(|_| !rule.args.is_empty()) {
            let mut args = [0; 6];
            rule.args.iter().for_each(|arg| args[arg.index as usize] = arg.value.wrapping_add(*change));
            calls.push(Call { number: rule.number, arch, args });
        }
    }
    calls
}

/// A rule, as the text has it.
struct Said<'a> {
    action: u32,
    names: BTreeSet<&'a str>,
    args: Vec<&'a Value>,
}

impl<'a> Said<'a> {
    fn of(rule: &'a Value) -> Said<'a> {
        let list = |value: &'a Value| value.as_array().into_iter().flatten();
        let names = list(&rule["names"]).chain([&rule["name"]]).filter_map(Value::as_str).collect();
        Said { action: kind(&rule["action"]), names, args: list(&rule["args"]).collect() }
    }

    fn is_about(&self, call: &Call) -> bool {
        let index = |arg: &Value| arg["index"].as_u64().unwrap_or(u64::MAX) as usize;
        let is_so = |arg: &&Value| is_so(arg, call.args[index(arg)]);
        let indices: BTreeSet<usize> = self.args.iter().map(|arg| index(arg)).collect();
        // Several for one argument are each enough.
        let args =
            if indices.len() == self.args.len() { self.args.iter().all(is_so) } else { self.args.iter().any(is_so) };
        args && names_of(call).any(|name| self.names.contains(name))
    }
}

/// What the call may be called.
fn names_of(call: &Call) -> impl Iterator<Item = &'static str> {
    let number = (call.number & !X32_BIT) as usize;
    let name = match call.arch {
        X86_64 => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
        0x4000_0003 => syscalls::x86::Sysno::new(number).map(|call| call.name()),
        0xc000_00b7 => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        // ARM's own, behind all others.
        _ if number > 0xf_0000 => {
            ["breakpoint", "cacheflush", "usr26", "usr32", "set_tls", "get_tls"].get(number - 0xf_0001).copied()
        }
        _ => syscalls::arm::Sysno::new(number).map(|call| call.name()),
    };
    name.map(|name| name.trim_start_matches("r#")).into_iter()
}

fn is_so(arg: &Value, seen: u64) -> bool {
    let number = |field: &str| arg[field].as_u64().unwrap_or(0);
    let value = number("value");
    match arg["op"].as_str().unwrap_or_default() {
        "SCMP_CMP_NE" => seen != value,
        "SCMP_CMP_LT" => seen < value,
        "SCMP_CMP_LE" => seen <= value,
        "SCMP_CMP_EQ" => seen == value,
        "SCMP_CMP_GE" => seen >= value,
        "SCMP_CMP_GT" => seen > value,
        "SCMP_CMP_MASKED_EQ" => seen & value == number("valueTwo") & value,
        _ => false,
    }
}

/// An action of the text; whatever refuses is one.
fn kind(action: &Value) -> u32 {
    match action.as_str().unwrap_or_default() {
        "SCMP_ACT_ALLOW" => SECCOMP_RET_ALLOW,
        "SCMP_ACT_LOG" => SECCOMP_RET_LOG,
        "SCMP_ACT_TRACE" => SECCOMP_RET_TRACE,
        "SCMP_ACT_NOTIFY" => SECCOMP_RET_USER_NOTIF,
        _ => SECCOMP_RET_ERRNO,
    }
}
