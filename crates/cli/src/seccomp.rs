//! Profiles of system calls: Docker's JSON, which depends on capabilities, architecture and kernel, becomes the OCI
//! configuration's.

use model::caps::CapSet;
use model::{During, Error, Result};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall,
};
use serde::Deserialize;

use crate::spec::Built;

/// boxwright's own profile, in Docker's form.
pub const DEFAULT: &str = include_str!("seccomp/default.json");

/// What Docker's profile and the OCI specification's `linux.seccomp` have; a field that neither has is an error, since a rule
/// without the condition that was meant allows more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    /// podman's word for the errno above.
    #[serde(rename = "defaultErrno")]
    _default_errno: Option<String>,
    architectures: Option<Vec<Arch>>,
    arch_map: Option<Vec<ArchMap>>,
    flags: Option<Vec<LinuxSeccompFilterFlag>>,
    listener_path: Option<std::path::PathBuf>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Call>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Call {
    /// An older form, for one.
    name: Option<String>,
    names: Option<Vec<String>>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    #[serde(rename = "errno")]
    _errno: Option<String>,
    args: Option<Vec<Arg>>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
    includes: Option<Conditions>,
    excludes: Option<Conditions>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Arg {
    index: usize,
    value: u64,
    value_two: Option<u64>,
    op: LinuxSeccompOperator,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Conditions {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// Where a profile is to be used.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// What the container's processes may get at most.
    pub bounding: CapSet,
    /// The running kernel's version, major and minor.
    pub kernel: (u32, u32),
}

/// The profile `json`, which comes from `source`, for a container at `place`.
///
/// # Errors
/// [`Error::Invalid`] that says where and why it is no profile.
pub fn read(source: &str, json: &str, place: Place) -> Result<LinuxSeccomp> {
    let profile: Profile = serde_json::from_str(json).map_err(|error| {
        // It quotes the profile, which is somebody else's text: no line ends and no escapes of it on a terminal.
        let why = error.to_string().replace(char::is_control, " ");
        Error::invalid("seccomp profile", source, format!("Docker's or OCI's JSON ({why})"))
    })?;
    let refused = |right: &'static str| Error::invalid("seccomp profile", source, right);
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(profile.default_action).set_default_errno_ret(profile.default_errno_ret);
    seccomp.set_flags(profile.flags);
    seccomp.set_listener_path(profile.listener_path).set_listener_metadata(profile.listener_metadata);
    seccomp.set_architectures(match (profile.architectures, profile.arch_map) {
        (Some(_), Some(_)) => return Err(refused("one with architectures or archMap, not both")),
        (architectures, None) => architectures,
        (None, Some(map)) => {
            let own = map.into_iter().find(|entry| entry.architecture == native().0);
            own.map(|entry| entry.sub_architectures.unwrap_or_default())
        }
    });
    let mut syscalls = Vec::new();
    for call in profile.syscalls.into_iter().flatten() {
        let names = match (call.name, call.names) {
            (None, Some(names)) if !names.is_empty() => names,
            (Some(name), None) => vec![name],
            _ => return Err(refused("one whose every rule has names")),
        };
        if !applies(&call.includes.unwrap_or_default(), &call.excludes.unwrap_or_default(), place)
            .ok_or_else(|| refused("one whose every minKernel is a version, such as 4.8"))?
        {
            continue;
        }
        let args = call.args.into_iter().flatten().map(|arg| {
            let own = LinuxSeccompArgBuilder::default().index(arg.index).op(arg.op).value(arg.value);
            arg.value_two.into_iter().fold(own, |own, two| own.value_two(two)).build()
        });
        let args: Built<Vec<LinuxSeccompArg>> = args.collect();
        let args = args.map_err(std::io::Error::other).during("make", "a condition")?;
        let mut syscall = LinuxSyscall::default();
        syscall.set_names(names).set_action(call.action).set_errno_ret(call.errno_ret);
        syscall.set_args(Some(args));
        syscalls.push(syscall);
    }
    seccomp.set_syscalls(Some(syscalls));
    Ok(seccomp)
}

/// Whether a rule counts: for what it includes all of it has to be so, for what it excludes nothing may be. `None` when a version
/// is none.
fn applies(includes: &Conditions, excludes: &Conditions, place: Place) -> Option<bool> {
    let has = |name: &String| CapSet::named("", name).is_ok_and(|cap| cap.without(place.bounding) == CapSet::EMPTY);
    let is_here = |arch: &String| arch == native().1;
    let is_since = |version: &Option<String>| match version {
        None => Some(true),
        Some(version) => {
            let (major, minor) = version.split_once('.')?;
            Some(place.kernel >= (major.parse().ok()?, minor.parse().ok()?))
        }
    };
    let (caps, arches) = (includes.caps.iter().flatten(), includes.arches.as_deref().unwrap_or_default());
    let included = caps.into_iter().all(has)
        && (arches.is_empty() || arches.iter().any(is_here)) & is_since(&includes.min_kernel)?;
    let too_new = excludes.min_kernel.is_some() && is_since(&excludes.min_kernel)?;
    let excluded = excludes.caps.iter().flatten().any(has) || excludes.arches.iter().flatten().any(is_here) || too_new;
    Some(included && !excluded)
}

/// This machine's architecture as OCI and as Go call it.
fn native() -> (&'static str, &'static str) {
    match std::env::consts::ARCH {
        "x86_64" => ("SCMP_ARCH_X86_64", "amd64"),
        "aarch64" => ("SCMP_ARCH_AARCH64", "arm64"),
        other => ("", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::plan::seccomp::{Action, Policy};

    const PLACE: Place = Place { bounding: CapSet::DEFAULT, kernel: (6, 1) };

    fn actions(json: &str, place: Place, name: &str) -> Vec<LinuxSeccompAction> {
        let seccomp = read("test", json, place).unwrap();
        let calls = seccomp.syscalls().iter().flatten().filter(|call| call.names().iter().any(|own| own == name));
        calls.map(LinuxSyscall::action).collect()
    }

    #[test]
    fn the_default_depends_on_the_capabilities() {
        use LinuxSeccompAction::{ScmpActAllow as Allow, ScmpActErrno as Errno};
        let admin = Place { bounding: CapSet::DEFAULT.or(CapSet(1 << 21)), ..PLACE };
        assert_eq!(actions(DEFAULT, PLACE, "mount"), [Errno]);
        assert_eq!(actions(DEFAULT, admin, "mount"), [Allow, Errno]);
        assert_eq!(actions(DEFAULT, PLACE, "clone3"), [Errno]);
        assert_eq!(actions(DEFAULT, admin, "clone3"), [Allow]);
        assert_eq!(actions(DEFAULT, PLACE, "openat"), [Allow]);
        let policy = Policy::from_oci(&read("default", DEFAULT, PLACE).unwrap()).unwrap();
        assert_eq!(policy.default, Action::errno(38));
    }

    #[test]
    fn every_call_that_is_known_is_allowed_or_refused_by_name() {
        let all = Place { bounding: CapSet::ALL, ..PLACE };
        let known = read("default", DEFAULT, all).unwrap();
        let named: Vec<&String> = known.syscalls().iter().flatten().flat_map(LinuxSyscall::names).collect();
        // The crate's own iterator leaves out the last.
        let calls = syscalls::x86_64::Sysno::iter().chain([syscalls::x86_64::Sysno::last()]);
        let open: Vec<_> = calls.map(|call| call.name()).filter(|name| named.iter().all(|own| own != name)).collect();
        assert_eq!(open, Vec::<&str>::new());
        assert_eq!(model::plan::seccomp::unknown_names(&known), []);
    }

    #[test]
    fn conditions_are_dockers() {
        let json = |conditions: &str| {
            format!(
                r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", {conditions}}}]}}"#
            )
        };
        for (conditions, counts) in [
            (r#""includes": {}, "args": null"#, true),
            (r#""includes": {"minKernel": "4.8"}"#, true),
            (r#""includes": {"minKernel": "6.10"}"#, false),
            (r#""includes": {"caps": ["CAP_CHOWN"]}"#, true),
            (r#""includes": {"caps": ["CAP_CHOWN", "CAP_SYS_PTRACE"]}"#, false),
            (r#""includes": {"caps": ["CAP_OF_THE_FUTURE"]}"#, false),
            (r#""excludes": {"caps": ["CAP_SYS_PTRACE", "CAP_CHOWN"]}"#, false),
            (r#""excludes": {"caps": ["CAP_SYS_PTRACE"]}"#, true),
            (r#""includes": {"arches": ["s390x"]}"#, false),
            (r#""includes": {"arches": ["amd64", "arm64"]}"#, true),
            (r#""excludes": {"arches": ["amd64", "arm64"]}"#, false),
        ] {
            assert_eq!(!actions(&json(conditions), PLACE, "ptrace").is_empty(), counts, "{conditions}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (json, words) in [
            ("", "EOF"),
            ("[]", "invalid length"),
            (r#"{"syscalls": []}"#, "defaultAction"),
            (r#"{"defaultAction": "SCMP_ACT_ALOW"}"#, "SCMP_ACT_ALOW"),
            (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscall": []}"#, "unknown field"),
            (r#"{"defaultAction": "SCMP_ACT_ALLOW", "sys\n\u001bcalls": []}"#, "`sys  calls`"),
            (
                r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "arg": []}]}"#,
                "unknown field",
            ),
            (r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}"#, "names"),
            (r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [], "architectures": []}"#, "not both"),
            (
                r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "x"}}]}"#,
                "minKernel",
            ),
        ] {
            let said = read("the file", json, PLACE).unwrap_err().to_string();
            assert!(said.contains(words) && said.contains("the file") && said.lines().count() == 1, "{json}: {said}");
        }
    }
}
