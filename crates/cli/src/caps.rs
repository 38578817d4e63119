//! `--cap-add`, `--cap-drop`, `--privileged`: Docker's words for capabilities, and the OCI configuration's.

use model::caps::{CapSet, CapSets};
use model::{Error, Result};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, LinuxCapabilitiesBuilder};

use crate::flags::Run;
use crate::spec::Built;

/// What the container's first process gets, of `available`, which is what whoever starts it has; `is_root` is whether it
/// is root inside.
///
/// # Errors
/// [`Error::Invalid`] for a name that there is not, and one that cannot be given.
pub(crate) fn asked(run: &Run, available: CapSet, is_root: bool) -> Result<CapSets> {
    let add = Words::read("--cap-add", &run.cap_add)?;
    let drop = Words::read("--cap-drop", &run.cap_drop)?;
    if let Some(number) = add.set.without(available).numbers().next() {
        let name = CapSet(1 << number).names().concat();
        return Err(Error::invalid("--cap-add", name, "a capability that you have yourself"));
    }
    // Docker's order, whatever the order of the flags.
    let wanted = match (run.privileged || add.all, drop.all) {
        (true, true) if !run.privileged => add.set,
        (true, _) => CapSet::ALL.without(drop.set),
        (false, true) => add.set,
        (false, false) => CapSet::DEFAULT.without(drop.set).or(add.set),
    };
    let set = wanted.and(available);
    // Root's programs get what is in the bounding set. Anybody else's would get nothing: what was asked for by name is
    // handed on to them.
    let ambient = if is_root { CapSet::EMPTY } else { add.set.and(set) };
    let own = if is_root { set } else { ambient };
    // Not inheritable but for that: what a program gets by its file's inheritable set is nobody's business here.
    Ok(CapSets { bounding: set, permitted: own, effective: own, inheritable: ambient, ambient })
}

/// The names of one flag.
struct Words {
    all: bool,
    set: CapSet,
}

impl Words {
    fn read(flag: &'static str, names: &[String]) -> Result<Words> {
        let mut words = Words { all: false, set: CapSet::EMPTY };
        for name in names.iter().flat_map(|names| names.split(',')) {
            if name.eq_ignore_ascii_case("all") {
                words.all = true;
            } else {
                words.set = words.set.or(CapSet::named(flag, name)?);
            }
        }
        Ok(words)
    }
}

/// As the OCI configuration has them.
pub(crate) fn to_oci(sets: &CapSets) -> Built<LinuxCapabilities> {
    let names = |set: CapSet| -> Capabilities {
        set.names().iter().filter_map(|name| name.trim_start_matches("CAP_").parse().ok()).collect()
    };
    LinuxCapabilitiesBuilder::default()
        .bounding(names(sets.bounding))
        .permitted(names(sets.permitted))
        .effective(names(sets.effective))
        .inheritable(names(sets.inheritable))
        .ambient(names(sets.ambient))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn of(line: &str, is_root: bool) -> Result<CapSets> {
        let words = format!("boxwright run {line} ls");
        match Flags::parse_from(words.split_whitespace()).command {
            Command::Run(run) => asked(&run, CapSet(CapSet::ALL.0 & !(1 << 16)), is_root),
            other => panic!("expected run, got {other:?}"),
        }
    }

    const RAW: CapSet = CapSet(1 << 13);
    const TIME: CapSet = CapSet(1 << 25);

    #[test]
    fn the_order_of_the_flags_does_not_matter() {
        let all = CapSet(CapSet::ALL.0 & !(1 << 16));
        for (line, set) in [
            ("", CapSet::DEFAULT),
            ("--cap-drop net_raw", CapSet::DEFAULT.without(RAW)),
            ("--cap-add SYS_TIME --cap-drop CAP_NET_RAW", CapSet::DEFAULT.without(RAW).or(TIME)),
            ("--cap-drop all --cap-add sys_time", TIME),
            ("--cap-add sys_time --cap-drop ALL", TIME),
            ("--cap-add ALL --cap-drop net_raw", all.without(RAW)),
            ("--cap-drop net_raw,sys_time --cap-add ALL", all.without(RAW).without(TIME)),
            ("--privileged", all),
            ("--cap-drop all", CapSet::EMPTY),
        ] {
            let sets = of(line, true).unwrap();
            assert_eq!((sets.bounding, sets.permitted, sets.effective), (set, set, set), "{line}");
            assert_eq!((sets.inheritable, sets.ambient), (CapSet::EMPTY, CapSet::EMPTY), "{line}");
        }
    }

    #[test]
    fn another_user_has_what_was_asked_for_by_name() {
        let sets = of("--cap-add sys_time", false).unwrap();
        assert_eq!(sets.bounding, CapSet::DEFAULT.or(TIME));
        for set in [sets.permitted, sets.effective, sets.inheritable, sets.ambient] {
            assert_eq!(set, TIME);
        }
        assert_eq!(of("--cap-add ALL", false).unwrap().permitted, CapSet::EMPTY);
    }

    #[test]
    fn nobody_gives_what_they_lack() {
        let refused = of("--cap-add sys_module", true).unwrap_err().to_string();
        assert_eq!(refused, "--cap-add \"CAP_SYS_MODULE\" is not valid: a capability that you have yourself");
        assert!(of("--cap-drop sys_modul", true).unwrap_err().to_string().contains("CAP_SYS_MODULE"));
    }

    #[test]
    fn every_name_reaches_the_configuration() {
        let sets = CapSets { bounding: CapSet::ALL, ..CapSets::default() };
        assert_eq!(to_oci(&sets).unwrap().bounding().as_ref().unwrap().len(), CapSet::ALL.names().len());
    }
}
