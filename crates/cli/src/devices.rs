//! `--device` and `--device-cgroup-rule`: Docker's words for devices, and the OCI configuration's.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use model::plan::{DEVICE_RULES, DEVICE_SOURCE, DeviceAccess};
use model::{Error, Result};
use nix::sys::stat::{major, minor};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceCgroup, LinuxDeviceType};

use crate::flags::Run;

const DEVICE_FORM: &str = "SRC[:DST][:rwm], SRC a block or character device that is there, no directory, both absolute \
                           paths, and what it allows: r read, w write, m mknod";
const RULE_FORM: &str =
    "'c 1:3 rwm' and the like: a (all), b (block) or c (character), two numbers or *, letters of rwm";
const OWN_ROOT: &str = "used with --rootfs: a container that keeps the host's / has all of its devices";

/// What a container gets, and what it may use.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    pub nodes: Vec<LinuxDevice>,
    pub rules: Vec<LinuxDeviceCgroup>,
    pub annotations: Vec<(String, String)>,
}

/// The devices that the flags of `run` ask for. Only with a root of its own are there rules: none but these, and what
/// [`model::plan::Resources`] adds to any.
pub(crate) fn asked(run: &Run) -> Result<Devices> {
    let mut devices = Devices::default();
    if run.rootfs.is_none() {
        let flags = [("--device", run.device.first()), ("--device-cgroup-rule", run.device_cgroup_rule.first())];
        let given = flags.into_iter().find_map(|(name, value)| Some((name, value?)));
        return given.map_or(Ok(devices), |(name, value)| Err(Error::invalid(name, value, OWN_ROOT)));
    }
    let mut is_by_name = !run.device_cgroup_rule.is_empty();
    devices.rules.push(rule(run.privileged, LinuxDeviceType::A, (None, None), DeviceAccess::ALL));
    let all = if run.privileged { hosts(Path::new("/dev")) } else { Vec::new() };
    devices.annotations.extend(all.iter().map(|path| (format!("{DEVICE_SOURCE}{path}"), path.clone())));
    devices.nodes.extend(all.iter().filter_map(|path| Some(device(path)?.1)));
    for flag in &run.device {
        let (source, node, access) = device(flag).ok_or_else(|| Error::invalid("--device", flag, DEVICE_FORM))?;
        let numbers = (Some(node.major()), Some(node.minor()));
        devices.rules.push(rule(true, node.typ(), numbers, access));
        let at = node.path().display();
        devices.annotations.push((format!("{DEVICE_SOURCE}{at}"), source));
        devices.nodes.push(node);
        // To make a node takes no rule of its own; to be kept from reading or writing does.
        is_by_name |= !(access.read && access.write);
    }
    for flag in &run.device_cgroup_rule {
        let rule = cgroup_rule(flag).ok_or_else(|| Error::invalid("--device-cgroup-rule", flag, RULE_FORM))?;
        devices.rules.push(rule);
    }
    devices.annotations.extend(is_by_name.then(|| (DEVICE_RULES.into(), "true".into())));
    Ok(devices)
}

/// Every device below `directory`, but for those that any container has its own of, and terminals.
fn hosts(directory: &Path) -> Vec<String> {
    const OWN: [&str; 10] = ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm"];
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        let is_own = directory == Path::new("/dev") && OWN.iter().any(|name| path.ends_with(name));
        match (kind, path.to_str()) {
            (Ok(kind), Some(_)) if kind.is_dir() && !is_own => all.extend(hosts(&path)),
            (Ok(kind), Some(name)) if (kind.is_char_device() || kind.is_block_device()) && !is_own => {
                all.push(name.into())
            }
            _ => {}
        }
    }
    all.sort();
    all
}

/// `/dev/fuse:/dev/fuse:rw`: the host's path, the node inside, and what is allowed.
fn device(flag: &str) -> Option<(String, LinuxDevice, DeviceAccess)> {
    let parts: Vec<&str> = flag.split(':').collect();
    let (source, at, letters) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, at] if at.starts_with('/') => (source, at, "rwm"),
        [source, letters] => (source, source, letters),
        [source, at, letters] => (source, at, letters),
        _ => return None,
    };
    let file = fs::metadata(source).ok().filter(|_| source.starts_with('/') && at.starts_with('/'))?;
    let kind = match file.file_type() {
        kind if kind.is_char_device() => LinuxDeviceType::C,
        kind if kind.is_block_device() => LinuxDeviceType::B,
        _ => return None,
    };
    let mut node = LinuxDevice::default();
    node.set_path(at.into()).set_typ(kind);
    node.set_major(major(file.rdev()).cast_signed()).set_minor(minor(file.rdev()).cast_signed());
    node.set_file_mode(Some(file.mode() & 0o777)).set_uid(Some(file.uid())).set_gid(Some(file.gid()));
    Some((source.into(), node, DeviceAccess::from_letters(letters)?))
}

/// `c 1:3 rwm`.
fn cgroup_rule(flag: &str) -> Option<LinuxDeviceCgroup> {
    let [kind, numbers, letters] = flag.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let kind = match kind {
        "a" => LinuxDeviceType::A,
        "b" => LinuxDeviceType::B,
        "c" => LinuxDeviceType::C,
        _ => return None,
    };
    let number = |text: &str| if text == "*" { Some(None) } else { text.parse().ok().map(|n: u32| Some(n.into())) };
    let (major, minor) = numbers.split_once(':')?;
    Some(rule(true, kind, (number(major)?, number(minor)?), DeviceAccess::from_letters(letters)?))
}

fn rule(
    allow: bool,
    kind: LinuxDeviceType,
    (major, minor): (Option<i64>, Option<i64>),
    access: DeviceAccess,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(allow).set_typ(Some(kind)).set_major(major).set_minor(minor).set_access(Some(access.letters()));
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn of(flags: &[&str]) -> Result<Devices> {
        match Flags::parse_from([&["boxwright", "run"], flags, &["ls"]].concat()).command {
            Command::Run(run) => asked(&run),
            other => panic!("expected run, got {other:?}"),
        }
    }

    fn lines(devices: &Devices) -> Vec<String> {
        devices.rules.iter().map(|rule| format!("{} {rule}", rule.allow())).collect()
    }

    #[test]
    fn only_a_root_of_its_own_has_rules() {
        assert!(of(&[]).unwrap().rules.is_empty());
        assert_eq!(lines(&of(&["--rootfs", "host"]).unwrap()), ["false a *:* rwm"]);
        for flags in [["--device", "/dev/null"], ["--device-cgroup-rule", "c 1:3 r"]] {
            assert!(of(&flags).unwrap_err().to_string().contains("used with --rootfs"));
        }
    }

    #[test]
    fn a_device_has_its_numbers_and_dockers_three_forms() {
        for (flag, at, letters) in [
            ("/dev/full", "/dev/full", "rwm"),
            ("/dev/full:/dev/mine", "/dev/mine", "rwm"),
            ("/dev/full:r", "/dev/full", "r"),
            ("/dev/full:/dev/mine:wr", "/dev/mine", "rw"),
        ] {
            let devices = of(&["--rootfs", "host", "--device", flag]).unwrap();
            assert_eq!(lines(&devices)[1], format!("true c 1:7 {letters}"), "{flag}");
            assert_eq!(devices.nodes[0].path().to_str(), Some(at), "{flag}");
            let source = (format!("{DEVICE_SOURCE}{at}"), "/dev/full".into());
            assert!(devices.annotations.contains(&source), "{flag}");
            let is_by_name = devices.annotations.iter().any(|(name, _)| name == DEVICE_RULES);
            assert_eq!(is_by_name, letters == "r", "{flag}");
        }
    }

    #[test]
    fn what_is_no_device_is_refused_with_the_right_form() {
        for flag in ["/dev", "/dev/no-such", "/etc/passwd", "dev/null", "/dev/null:x", "/dev/null:/a:", "/dev/null::r"]
        {
            let refused = of(&["--rootfs", "host", "--device", flag]).unwrap_err().to_string();
            assert!(refused.contains(flag) && refused.contains("SRC[:DST][:rwm], SRC a block or"), "{refused}");
        }
        for flag in ["c 1:3", "d 1:3 r", "c 1 r", "c 1:-1 r", "c 1:3 x", "c  1:3 r", ""] {
            let refused = of(&["--rootfs", "host", "--device-cgroup-rule", flag]).unwrap_err().to_string();
            assert!(refused.contains("'c 1:3 rwm' and the like"), "{refused}");
        }
        let rule = of(&["--rootfs", "host", "--device-cgroup-rule", "b *:7 mr"]).unwrap();
        assert_eq!(lines(&rule)[1], "true b *:7 rm");
    }
}
