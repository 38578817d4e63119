//! The rarer limits of `linux.resources`, which are a knob each and no lab's: understood, with the knob that each comes to.
//!
//! Source: OCI runtime-spec, config-linux, "Control groups"; kernel docs cgroup-v1 and cgroup-v2.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources};

use crate::error::{Error, Result};

/// A limit as each version has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its place in the configuration.
    pub field: &'static str,
    /// v1's knobs and what is written to them: the first that is there is meant. None: v1 does not have it.
    pub v1: Vec<(String, String)>,
    /// v2's.
    pub v2: Vec<(String, String)>,
    /// Whether a kernel without any of them does as well.
    pub optional: bool,
}

/// A setting of both versions, each with some knobs for one value.
fn setting(field: &'static str, v1: &[&str], v2: &[&str], value: impl ToString) -> Setting {
    let value = value.to_string();
    let pairs = |knobs: &[&str]| knobs.iter().map(|knob| (knob.to_string(), value.clone())).collect();
    Setting { field, v1: pairs(v1), v2: pairs(v2), optional: false }
}

/// All that `resources` says beyond what the labs write.
pub(super) fn settings(resources: &LinuxResources) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    resources.cpu().as_ref().map_or(Ok(()), |cpu| of_cpu(cpu, &mut all))?;
    resources.memory().as_ref().map_or(Ok(()), |memory| of_memory(memory, &mut all))?;
    resources.block_io().as_ref().map_or(Ok(()), |io| of_io(io, &mut all))?;
    resources.network().as_ref().map_or(Ok(()), |network| of_network(network, &mut all))?;
    of_huge_pages(resources, &mut all)?;
    of_rdma(resources, &mut all)?;
    Ok(all)
}

fn of_cpu(cpu: &LinuxCpu, all: &mut Vec<Setting>) -> Result<()> {
    if let Some(idle) = cpu.idle() {
        if !(0..=1).contains(&idle) {
            return Err(Error::invalid("linux.resources.cpu.idle", idle.to_string(), "0 or 1"));
        }
        all.push(setting("linux.resources.cpu.idle", &["cpu.idle"], &["cpu.idle"], idle));
    }
    let burst =
        cpu.burst().map(|us| setting("linux.resources.cpu.burst", &["cpu.cfs_burst_us"], &["cpu.max.burst"], us));
    all.extend(burst);
    // The period first: more than all of the old one is refused.
    let period = cpu.realtime_period().filter(|us| *us != 0);
    all.extend(period.map(|us| setting("linux.resources.cpu.realtimePeriod", &["cpu.rt_period_us"], &[], us)));
    let runtime = cpu.realtime_runtime().filter(|us| *us != 0);
    all.extend(runtime.map(|us| setting("linux.resources.cpu.realtimeRuntime", &["cpu.rt_runtime_us"], &[], us)));
    Ok(())
}

fn of_memory(memory: &LinuxMemory, all: &mut Vec<Setting>) -> Result<()> {
    if let Some(swappiness) = memory.swappiness() {
        if swappiness > 100 {
            return Err(Error::invalid("linux.resources.memory.swappiness", swappiness.to_string(), "0 to 100"));
        }
        all.push(setting("linux.resources.memory.swappiness", &["memory.swappiness"], &[], swappiness));
    }
    let given = |limit: Option<i64>| limit.filter(|limit| *limit != 0);
    // Deprecated, and gone from the kernel: runc passes it over, too.
    let kernel = given(memory.kernel())
        .map(|bytes| setting("linux.resources.memory.kernel", &["memory.kmem.limit_in_bytes"], &[], bytes));
    all.extend(kernel.map(|kernel| Setting { optional: true, ..kernel }));
    let tcp = given(memory.kernel_tcp())
        .map(|bytes| setting("linux.resources.memory.kernelTCP", &["memory.kmem.tcp.limit_in_bytes"], &[], bytes));
    all.extend(tcp);
    if memory.disable_oom_killer() == Some(true) {
        all.push(setting("linux.resources.memory.disableOOMKiller", &["memory.oom_control"], &[], 1));
    }
    // useHierarchy: every kernel from 5.11 on does.
    Ok(())
}

fn of_io(io: &LinuxBlockIo, all: &mut Vec<Setting>) -> Result<()> {
    let checked = |field, weight: Option<u16>| match weight.filter(|weight| *weight != 0) {
        Some(weight) if !(10..=1000).contains(&weight) => Err(Error::invalid(field, weight.to_string(), "10 to 1000")),
        weight => Ok(weight),
    };
    if let Some(weight) = checked("linux.resources.blockIO.leafWeight", io.leaf_weight())? {
        // CFQ's, which kernels had before 5.0.
        all.push(setting("linux.resources.blockIO.leafWeight", &["blkio.leaf_weight"], &[], weight));
    }
    for device in io.weight_device().iter().flatten() {
        let number = format!("{}:{}", device.major(), device.minor());
        let field = "linux.resources.blockIO.weightDevice";
        if let Some(weight) = checked(field, device.weight())? {
            let v1 = ["blkio.bfq.weight_device", "blkio.weight_device"];
            all.push(setting(field, &v1, &["io.bfq.weight", "io.weight"], format!("{number} {weight}")));
        }
        if let Some(weight) = checked(field, device.leaf_weight())? {
            all.push(setting(field, &["blkio.leaf_weight_device"], &[], format!("{number} {weight}")));
        }
    }
    Ok(())
}

fn of_network(network: &LinuxNetwork, all: &mut Vec<Setting>) -> Result<()> {
    let class =
        network.class_id().map(|class| setting("linux.resources.network.classID", &["net_cls.classid"], &[], class));
    all.extend(class);
    for interface in network.priorities().iter().flatten() {
        let (field, name) = ("linux.resources.network.priorities", interface.name());
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::invalid(field, name, "an interface's name"));
        }
        all.push(setting(field, &["net_prio.ifpriomap"], &[], format!("{name} {}", interface.priority())));
    }
    Ok(())
}

fn of_huge_pages(resources: &LinuxResources, all: &mut Vec<Setting>) -> Result<()> {
    for limit in resources.hugepage_limits().iter().flatten() {
        let (field, size) = ("linux.resources.hugepageLimits", limit.page_size());
        let is_size = |digits: &str| digits.parse::<u32>().is_ok();
        if !["KB", "MB", "GB"].iter().any(|unit| size.strip_suffix(unit).is_some_and(is_size)) {
            return Err(Error::invalid(field, size, "a page size such as 64KB, 2MB or 1GB"));
        }
        // A negative one is what an unsigned number above 2^63 has become on the way.
        let bytes = if limit.limit() < 0 { "max".to_owned() } else { limit.limit().to_string() };
        let v1_bytes = if limit.limit() < 0 { "-1".to_owned() } else { bytes.clone() };
        for (middle, optional) in [("", false), (".rsvd", true)] {
            all.push(Setting {
                field,
                v1: vec![(format!("hugetlb.{size}{middle}.limit_in_bytes"), v1_bytes.clone())],
                v2: vec![(format!("hugetlb.{size}{middle}.max"), bytes.clone())],
                optional,
            });
        }
    }
    Ok(())
}

fn of_rdma(resources: &LinuxResources, all: &mut Vec<Setting>) -> Result<()> {
    let mut devices: Vec<_> = resources.rdma().iter().flatten().collect();
    devices.sort_by_key(|(name, _)| *name);
    for (name, limit) in devices {
        let field = "linux.resources.rdma";
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Error::invalid(field, name, "a device's name"));
        }
        let handles = limit.hca_handles().map(|count| format!(" hca_handle={count}"));
        let objects = limit.hca_objects().map(|count| format!(" hca_object={count}"));
        if handles.is_none() && objects.is_none() {
            return Err(Error::invalid(field, name, "hcaHandles or hcaObjects for it"));
        }
        let value = format!("{name}{}{}", handles.unwrap_or_default(), objects.unwrap_or_default());
        all.push(setting(field, &["rdma.max"], &["rdma.max"], value));
    }
    Ok(())
}

/// `linux.resources.unified`: knobs of v2 by their own names, in the order of these.
pub(super) fn unified(resources: &LinuxResources) -> Result<Vec<(String, String)>> {
    let mut all: Vec<(String, String)> = resources.unified().clone().unwrap_or_default().into_iter().collect();
    all.sort();
    match all.iter().find(|(knob, _)| knob.contains('/') || !knob.contains('.')) {
        Some((knob, _)) => {
            Err(Error::invalid("linux.resources.unified", knob, "a file of a group, such as memory.max"))
        }
        None => Ok(all),
    }
}

/// `linux.cgroupsPath` as a path below where the caller may make groups. systemd's form, `SLICE:PREFIX:NAME`, is where systemd
/// would have the scope.
pub(super) fn group_path(given: &Path) -> Result<Option<PathBuf>> {
    let text = given.to_string_lossy();
    let invalid = |right| Err(Error::invalid("linux.cgroupsPath", text.clone(), right));
    let path = match text.split(':').collect::<Vec<_>>()[..] {
        [slice, prefix, name] if !name.is_empty() && !text.contains('/') => scope(slice, prefix, name),
        _ => given.to_owned(),
    };
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => return invalid("a path without `..`"),
            _ => {}
        }
    }
    if text.contains('\0') {
        return invalid("a path without a NUL byte");
    }
    Ok(Some(plain).filter(|path| path.parent().is_some()))
}

/// Source: systemd.slice(5): a-b.slice lies in a.slice.
fn scope(slice: &str, prefix: &str, name: &str) -> PathBuf {
    let slice = if slice.is_empty() { "system.slice" } else { slice };
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]).filter(|end| *end > 0);
    let slices: PathBuf = ends.map(|end| format!("{}.slice", &stem[..end])).collect();
    let unit = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}-{name}") };
    let is_root = stem == "-";
    let directory = if is_root { PathBuf::new() } else { slices };
    directory.join(if name.ends_with(".slice") { name.to_owned() } else { format!("{unit}.scope") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_the_callers_and_systemds_form_is_one_too() {
        for (given, is) in [
            ("/docker/abc", Some("docker/abc")),
            ("docker//abc/", Some("docker/abc")),
            ("system.slice:docker:abc", Some("system.slice/docker-abc.scope")),
            ("a-b.slice:p:n", Some("a.slice/a-b.slice/p-n.scope")),
            (":libpod:n", Some("system.slice/libpod-n.scope")),
            ("-.slice::n", Some("n.scope")),
            ("x/y:p:n", Some("x/y:p:n")),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(group_path(Path::new(given)).unwrap(), is.map(PathBuf::from), "{given}");
        }
        assert!(group_path(Path::new("/a/../../b")).is_err());
    }
}
