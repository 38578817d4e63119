//! How much a container may use: `linux.resources` of the OCI configuration, understood and checked.

use std::fs;
use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

use super::devices::{self, DeviceRule};
use super::knobs::{self, Setting};
use crate::error::{Error, Result};

/// The shortest and the longest period of the scheduler's quota, and so the smallest quota, in µs.
const PERIOD_US: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// What the kernel takes for `cpu.shares`.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;
/// Below this a program can hardly be started: Docker's floor.
const MEMORY_FLOOR_BYTES: i64 = 6 << 20;

/// What is limited; whatever is `None` stays as the kernel has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processor time.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// How many processes and threads; -1 for no limit.
    pub pids: Option<i64>,
    /// Reads and writes of block devices.
    pub io: Io,
    /// Whatever else is a knob.
    pub settings: Vec<Setting>,
    /// Knobs of v2 by their own names.
    pub unified: Vec<(String, String)>,
    /// Whether a memory limit below what is used is refused, and nobody killed for it.
    pub check_before_update: bool,
    /// Which devices may be used: of the rules that fit, the last one counts, letter by letter. Empty: every device.
    pub devices: Vec<DeviceRule>,
}

/// Processor time. Source: OCI runtime-spec, config-linux, "CPU".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    /// µs of processor time in a period; -1 for no limit.
    pub quota_us: Option<i64>,
    /// The period, in µs of wall time; the kernel's own is 100000.
    pub period_us: Option<u64>,
    /// The weight against its neighbours, 2 to 262144; the kernel's own is 1024.
    pub shares: Option<u64>,
    /// The processors that it may run on, `0-2,4`.
    pub cpus: Option<String>,
    /// The memory nodes that it may use.
    pub mems: Option<String>,
}

/// Memory. Source: OCI runtime-spec, config-linux, "Memory".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of memory; -1 for no limit.
    pub limit_bytes: Option<i64>,
    /// Bytes of memory and swap together; -1 for no limit.
    pub with_swap_bytes: Option<i64>,
    /// Bytes that are left to it when the machine runs short.
    pub reservation_bytes: Option<i64>,
}

/// Reads and writes of block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Io {
    /// The weight against its neighbours, 10 to 1000.
    pub weight: Option<u16>,
    /// Upper bounds.
    pub limits: Vec<IoLimit>,
}

/// An upper bound for one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoLimit {
    /// The device's numbers.
    pub device: (u64, u64),
    /// What is bounded.
    pub what: IoKind,
    /// Bytes, or operations, a second.
    pub per_second: u64,
}

/// What an [`IoLimit`] bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoKind {
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Reads.
    ReadOperations,
    /// Writes.
    WriteOperations,
}

impl Resources {
    /// What `resources` asks for, once every value has been found right for this machine.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field, the flag that sets it, and which values are right.
    pub fn from_oci(resources: &LinuxResources) -> Result<Resources> {
        Ok(Resources {
            cpu: resources.cpu().as_ref().map(cpu).transpose()?.unwrap_or_default(),
            memory: resources.memory().as_ref().map(memory).transpose()?.unwrap_or_default(),
            pids: resources.pids().as_ref().map(|pids| if pids.limit() > 0 { pids.limit() } else { -1 }),
            io: resources.block_io().as_ref().map(io).transpose()?.unwrap_or_default(),
            settings: knobs::settings(resources)?,
            unified: knobs::unified(resources)?,
            check_before_update: resources.memory().as_ref().and_then(LinuxMemory::check_before_update) == Some(true),
            devices: devices::rules(resources.devices().as_deref().unwrap_or_default())?,
        })
    }
}

fn cpu(cpu: &LinuxCpu) -> Result<Cpu> {
    let given = |number: Option<u64>| number.filter(|number| *number != 0);
    let quota_us = cpu.quota().filter(|quota| *quota != 0).map(|quota| quota.max(-1));
    if let Some(quota) = quota_us.filter(|quota| (0..*PERIOD_US.start() as i64).contains(quota)) {
        return Err(Error::invalid(
            "cpu.quota (--cpu-quota)",
            quota.to_string(),
            "1000 µs or more, or -1 for no limit",
        ));
    }
    if let Some(period) = given(cpu.period()).filter(|period| !PERIOD_US.contains(period)) {
        return Err(Error::invalid("cpu.period (--cpu-period)", period.to_string(), "1000 to 1000000 µs"));
    }
    if let Some(shares) = given(cpu.shares()).filter(|shares| !SHARES.contains(shares)) {
        return Err(Error::invalid(
            "cpu.shares (--cpu-shares)",
            shares.to_string(),
            "2 to 262144; 1024 is the default",
        ));
    }
    let set = |what, list: &Option<String>, there| match list.as_deref().filter(|list| !list.is_empty()) {
        Some(list) => checked_set(what, list, Path::new(there)).map(Some),
        None => Ok(None),
    };
    Ok(Cpu {
        quota_us,
        period_us: given(cpu.period()),
        shares: given(cpu.shares()),
        cpus: set("cpu.cpus (--cpuset-cpus)", cpu.cpus(), "/sys/devices/system/cpu/online")?,
        mems: set("cpu.mems (--cpuset-mems)", cpu.mems(), "/sys/devices/system/node/online")?,
    })
}

/// `list` when it names numbers alone that the list in the file `there` has.
fn checked_set(what: &'static str, list: &str, there: &Path) -> Result<String> {
    // A kernel without memory nodes has one, and no file.
    let online = fs::read_to_string(there).unwrap_or_else(|_| "0".into());
    let online = numbers(online.trim()).unwrap_or_default();
    match numbers(list) {
        Some(asked) if asked.iter().all(|number| online.contains(number)) => Ok(list.into()),
        _ => Err(Error::invalid(
            what,
            list,
            format!("numbers and ranges such as 0-2,4, of those online: {}", joined(&online)),
        )),
    }
}

/// The numbers of `0-2,4`; `None` when it is no such list.
pub(super) fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > 8191 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn memory(memory: &LinuxMemory) -> Result<Memory> {
    let given = |number: Option<i64>| number.filter(|number| *number != 0).map(|number| number.max(-1));
    let (limit_bytes, with_swap_bytes) = (given(memory.limit()), given(memory.swap()));
    let reservation_bytes = given(memory.reservation());
    let bounded = |number: Option<i64>| number.filter(|number| *number > 0);
    if let Some(limit) = bounded(limit_bytes).filter(|limit| *limit < MEMORY_FLOOR_BYTES) {
        return Err(Error::invalid("memory.limit (--memory)", limit.to_string(), "6m or more, or -1 for no limit"));
    }
    let swap = "memory.swap (--memory-swap)";
    if with_swap_bytes.is_some() && limit_bytes.is_none() {
        return Err(Error::invalid(swap, with_swap_bytes.unwrap_or_default().to_string(), "used with --memory"));
    }
    if let (Some(with_swap), Some(limit)) = (bounded(with_swap_bytes), limit_bytes)
        && (with_swap < limit || limit < 0)
    {
        let right = "memory and swap together: --memory or more, or -1 for no limit";
        return Err(Error::invalid(swap, with_swap.to_string(), right));
    }
    if let (Some(reservation), Some(limit)) = (bounded(reservation_bytes), bounded(limit_bytes))
        && reservation > limit
    {
        let what = "memory.reservation (--memory-reservation)";
        return Err(Error::invalid(what, reservation.to_string(), "less than --memory"));
    }
    Ok(Memory { limit_bytes, with_swap_bytes, reservation_bytes })
}

fn io(io: &LinuxBlockIo) -> Result<Io> {
    let weight = io.weight().filter(|weight| *weight != 0);
    if let Some(weight) = weight.filter(|weight| !(10..=1000).contains(weight)) {
        return Err(Error::invalid("blockIO.weight (--blkio-weight)", weight.to_string(), "10 to 1000"));
    }
    let lists = [
        (io.throttle_read_bps_device(), IoKind::ReadBytes),
        (io.throttle_write_bps_device(), IoKind::WriteBytes),
        (io.throttle_read_iops_device(), IoKind::ReadOperations),
        (io.throttle_write_iops_device(), IoKind::WriteOperations),
    ];
    let limits = lists.into_iter().flat_map(|(list, what)| {
        list.iter().flatten().map(move |device: &LinuxThrottleDevice| IoLimit {
            device: (device.major().cast_unsigned(), device.minor().cast_unsigned()),
            what,
            per_second: device.rate(),
        })
    });
    Ok(Io { weight, limits: limits.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{LinuxCpuBuilder, LinuxMemoryBuilder, LinuxResourcesBuilder};

    fn refusal(resources: LinuxResourcesBuilder) -> String {
        Resources::from_oci(&resources.build().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_right_is_refused_with_the_right_values() {
        let of = LinuxResourcesBuilder::default;
        let cpu = LinuxCpuBuilder::default;
        let memory = LinuxMemoryBuilder::default;
        for (bad, words) in [
            (of().cpu(cpu().quota(999).build().unwrap()), "--cpu-quota) \"999\" is not valid: 1000"),
            (of().cpu(cpu().period(999u64).build().unwrap()), "1000 to 1000000"),
            (of().cpu(cpu().shares(1u64).build().unwrap()), "2 to 262144"),
            (of().cpu(cpu().cpus("0,9999").build().unwrap()), "of those online: 0"),
            (of().cpu(cpu().cpus("1-0").build().unwrap()), "--cpuset-cpus"),
            (of().memory(memory().limit(1024).build().unwrap()), "--memory) \"1024\" is not valid: 6m or more"),
            (of().memory(memory().swap(1 << 30).build().unwrap()), "used with --memory"),
            (of().memory(memory().limit(1 << 30).swap(1 << 29).build().unwrap()), "--memory or more"),
            (of().memory(memory().limit(1 << 29).reservation(1 << 30).build().unwrap()), "less than --memory"),
        ] {
            let refused = refusal(bad);
            assert!(refused.contains(words), "expected {words:?} in {refused:?}");
        }
    }

    #[test]
    fn nothing_and_no_limit_are_told_apart() {
        let memory = LinuxMemoryBuilder::default().limit(0).build().unwrap();
        let pids = oci_spec::runtime::LinuxPidsBuilder::default().limit(0).build().unwrap();
        let resources = LinuxResourcesBuilder::default().memory(memory).pids(pids).build().unwrap();
        let resources = Resources::from_oci(&resources).unwrap();
        assert_eq!((resources.memory.limit_bytes, resources.pids), (None, Some(-1)));
    }

    #[test]
    fn a_list_is_numbers_and_ranges() {
        assert_eq!(numbers("0-2,4"), Some(vec![0, 1, 2, 4]));
        for bad in ["", "a", "2-1", "1,", "0-99999", "-1"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
