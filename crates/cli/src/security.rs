//! `--security-opt`: Docker's words for filters and labels, and the OCI configuration's.

use std::fs;
use std::path::{Path, PathBuf};

use model::caps::CapSet;
use model::{Error, Result};
use nix::sys::utsname::uname;
use oci_spec::runtime::LinuxSeccomp;

use crate::flags::Run;
use crate::seccomp::{self, Place};

const FORM: &str = "seccomp=FILE|unconfined, no-new-privileges[=true|false], landlock=DIR, apparmor=PROFILE|unconfined, \
                    label=disable|user:USER|role:ROLE|type:TYPE|level:LEVEL or systempaths=unconfined";
/// What container policies of SELinux know: Docker's default.
const LABEL: [(&str, &str); 4] = [("user", "system_u"), ("role", "system_r"), ("type", "container_t"), ("level", "s0")];

/// What is asked for beside namespaces and capabilities.
#[derive(Debug, Default)]
pub(crate) struct Security {
    /// The filter for system calls; `None` for none.
    pub seccomp: Option<LinuxSeccomp>,
    pub no_new_privileges: bool,
    /// The directories that alone may be written; none for no such rule.
    pub landlock: Vec<PathBuf>,
    pub apparmor: Option<String>,
    pub selinux: Option<String>,
    /// Whether nothing of /proc is hidden.
    pub shows_system_paths: bool,
}

/// What the flags of `run` ask for, for a container that can have the capabilities `bounding` at most.
pub(crate) fn asked(run: &Run, bounding: CapSet) -> Result<Security> {
    let place = Place { bounding, kernel: kernel() };
    let mut security = Security { shows_system_paths: run.privileged, ..Security::default() };
    let mut is_confined = !run.privileged;
    let mut profile: Option<&str> = None;
    let mut label: Option<[(&str, &str); 4]> = None;
    for flag in &run.security_opt {
        let refused = || Error::invalid("--security-opt", flag, FORM);
        // Docker's older form has a colon.
        let (name, value) =
            flag.split_once(['=', ':']).map_or((flag.as_str(), None), |(name, value)| (name, Some(value)));
        match (name, value) {
            ("no-new-privileges", None | Some("true")) => security.no_new_privileges = true,
            ("no-new-privileges", Some("false")) => security.no_new_privileges = false,
            ("seccomp", Some("unconfined")) => (is_confined, profile) = (false, None),
            ("seccomp", Some("builtin")) => (is_confined, profile) = (true, None),
            ("seccomp", Some(file)) => profile = Some(file),
            ("landlock", Some(directory)) if directory.starts_with('/') => security.landlock.push(directory.into()),
            ("apparmor", Some("unconfined")) => security.apparmor = None,
            ("apparmor", Some(name)) if !name.is_empty() => {
                lacks("apparmor", name, "/sys/module/apparmor/parameters/enabled", "AppArmor")?;
                security.apparmor = Some(name.to_owned());
            }
            ("label", Some("disable")) => label = None,
            ("label", Some(part)) => {
                let (key, value) = part.split_once(':').ok_or_else(refused)?;
                lacks("label", part, "/sys/fs/selinux/enforce", "SELinux")?;
                let all = label.get_or_insert(LABEL);
                all.iter_mut().find(|(known, _)| *known == key).ok_or_else(refused)?.1 = value;
            }
            ("systempaths", Some("unconfined")) => security.shows_system_paths = true,
            _ => return Err(refused()),
        }
    }
    security.selinux = label.map(|parts| parts.map(|(_, value)| value).join(":"));
    security.seccomp = match profile {
        Some(file) => {
            let json = fs::read_to_string(file).map_err(|error| {
                Error::invalid("--security-opt seccomp", file, format!("a file of Docker's or OCI's JSON ({error})"))
            })?;
            Some(seccomp::read(file, &json, place)?)
        }
        None if is_confined => Some(seccomp::read("the default", seccomp::DEFAULT, place)?),
        None => None,
    };
    Ok(security)
}

/// Refuses what would be an empty promise: a label on a kernel without the module that looks at it.
fn lacks(what: &'static str, value: &str, file: &str, module: &str) -> Result<()> {
    let text = fs::read_to_string(Path::new(file)).unwrap_or_default();
    if matches!(text.trim(), "Y" | "0" | "1") {
        return Ok(());
    }
    let right = format!("left out: this kernel has no {module}, so nothing would look at it");
    Err(Error::invalid("--security-opt", format!("{what}={value}"), right))
}

/// The running kernel's version, major and minor.
fn kernel() -> (u32, u32) {
    let release = uname().map(|uname| uname.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn of(line: &str) -> Result<Security> {
        let words = format!("boxwright run {line} ls");
        match Flags::parse_from(words.split_whitespace()).command {
            Command::Run(run) => asked(&run, CapSet::DEFAULT),
            other => panic!("expected run, got {other:?}"),
        }
    }

    #[test]
    fn a_container_is_filtered_unless_somebody_says_otherwise() {
        let has_filter = |line: &str| of(line).unwrap().seccomp.is_some();
        assert!(has_filter("") && !has_filter("--privileged") && !has_filter("--security-opt seccomp=unconfined"));
        assert!(has_filter("--privileged --security-opt seccomp=builtin"));
        assert!(of("--security-opt seccomp=/no/such/file").unwrap_err().to_string().contains("/no/such/file"));
    }

    #[test]
    fn the_words_are_dockers() {
        let security = of("--security-opt no-new-privileges --security-opt landlock=/tmp").unwrap();
        assert!(security.no_new_privileges);
        assert_eq!(security.landlock, [PathBuf::from("/tmp")]);
        assert!(of("--security-opt no-new-privileges:true").unwrap().no_new_privileges);
        assert!(of("--security-opt systempaths=unconfined").unwrap().shows_system_paths);
        assert!(of("--security-opt label=disable --security-opt apparmor=unconfined").unwrap().selinux.is_none());
        for bad in ["nonsense", "seccomp", "landlock=tmp", "no-new-privileges=yes", "label=x", "systempaths=all"] {
            assert!(of(&format!("--security-opt {bad}")).unwrap_err().to_string().contains("landlock=DIR"), "{bad}");
        }
    }
}
