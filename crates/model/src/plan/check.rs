//! What holds for a configuration as a whole, and for the parts that are for other platforms.

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::error::{Error, Result};

/// Refuses what cannot be meant, or what nobody here can do.
pub(super) fn check(spec: &Spec) -> Result<()> {
    let linux = spec.linux().as_ref();
    let namespaces = linux.and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    let has = |kind| namespaces.iter().any(|namespace| namespace.typ() == kind);
    for (what, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        if let Some(name) = name.as_ref().filter(|name| !name.is_empty() && !has(LinuxNamespaceType::Uts)) {
            return Err(Error::invalid(what, name, "used with a UTS namespace, or it would be the host's"));
        }
    }
    if let Some(Some(_)) = spec.annotations().as_ref().map(|all| all.get("")) {
        return Err(Error::invalid("annotations", "", "keys that are not empty"));
    }
    if spec.vm().is_some() {
        return Err(Error::invalid("vm", "a virtual machine", "none: a container here shares the kernel"));
    }
    let Some(linux) = linux else { return Ok(()) };
    let has_mappings = [linux.uid_mappings(), linux.gid_mappings()].into_iter().flatten().any(|map| !map.is_empty());
    if has_mappings && !has(LinuxNamespaceType::User) {
        let right = "used with a user namespace";
        return Err(Error::invalid("linux.uidMappings, linux.gidMappings", "without one", right));
    }
    let has_offsets = linux.time_offsets().as_ref().is_some_and(|offsets| !offsets.is_empty());
    if has_offsets && !has(LinuxNamespaceType::Time) {
        return Err(Error::invalid("linux.timeOffsets", "without one", "used with a time namespace"));
    }
    if linux.intel_rdt().is_some() {
        let right = "none: cache and bandwidth are not divided here";
        return Err(Error::invalid("linux.intelRdt", "a class of service", right));
    }
    if let Some(device) = linux.net_devices().as_ref().and_then(|devices| devices.keys().next()) {
        let right = "none: move the host's devices into the network namespace by a hook";
        return Err(Error::invalid("linux.netDevices", device, right));
    }
    if linux.mount_label().as_ref().is_some_and(|label| !label.is_empty()) && has_selinux() {
        let right = "none: on a machine with SELinux, label the files before";
        return Err(Error::invalid("linux.mountLabel", linux.mount_label().clone().unwrap_or_default(), right));
    }
    Ok(())
}

fn has_selinux() -> bool {
    std::path::Path::new("/sys/fs/selinux/enforce").exists()
}
