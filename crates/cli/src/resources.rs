//! `--cpus`, `--memory` and their like: Docker's words for how much, and the OCI configuration's.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::{fs, thread};

use model::{Error, Result, size};
use nix::sys::stat::{major, minor};
use oci_spec::runtime::{
    LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder,
    LinuxThrottleDevice, LinuxThrottleDeviceBuilder,
};

use crate::flags::Limits;
use crate::spec::Built;

/// What `--cpus` is a number of: µs of the kernel's own period.
const PERIOD_US: f64 = 100_000.0;

/// What the flags ask for. Whether a number is right for this machine is [`model::plan::Resources`]'s to say.
///
/// # Errors
/// [`Error::Invalid`] for what is no number, and for flags that contradict each other.
pub fn resources(limits: &Limits) -> Result<LinuxResources> {
    let quota_us = match (&limits.cpus, limits.cpu_quota, limits.cpu_period) {
        (Some(cpus), None, None) => Some(cpus_quota_us(cpus)?),
        (Some(cpus), ..) => return Err(Error::invalid("--cpus", cpus, "used without --cpu-quota and --cpu-period")),
        (None, quota_us, _) => quota_us,
    };
    let bytes = |flag, text: &Option<String>| text.as_deref().map(|text| bytes(flag, text)).transpose();
    let limit = bytes("--memory", &limits.memory)?;
    let with_swap = bytes("--memory-swap", &limits.memory_swap)?;
    let reservation = bytes("--memory-reservation", &limits.memory_reservation)?;
    let rates = [
        throttles("--device-read-bps", &limits.device_read_bps)?,
        throttles("--device-write-bps", &limits.device_write_bps)?,
        throttles("--device-read-iops", &limits.device_read_iops)?,
        throttles("--device-write-iops", &limits.device_write_iops)?,
    ];
    let build = || -> Built<LinuxResources> {
        let mut cpu = LinuxCpuBuilder::default();
        if let Some(quota_us) = quota_us {
            cpu = cpu.quota(quota_us);
        }
        if let Some(period_us) = limits.cpu_period.or(limits.cpus.as_ref().map(|_| PERIOD_US as u64)) {
            cpu = cpu.period(period_us);
        }
        if let Some(shares) = limits.cpu_shares {
            cpu = cpu.shares(shares);
        }
        if let Some(cpus) = &limits.cpuset_cpus {
            cpu = cpu.cpus(cpus);
        }
        if let Some(mems) = &limits.cpuset_mems {
            cpu = cpu.mems(mems);
        }
        let mut memory = LinuxMemoryBuilder::default();
        if let Some(limit) = limit {
            memory = memory.limit(limit);
        }
        if let Some(with_swap) = with_swap {
            memory = memory.swap(with_swap);
        }
        if let Some(reservation) = reservation {
            memory = memory.reservation(reservation);
        }
        let [read_bps, write_bps, read_iops, write_iops] = rates;
        let mut io = LinuxBlockIoBuilder::default()
            .throttle_read_bps_device(read_bps)
            .throttle_write_bps_device(write_bps)
            .throttle_read_iops_device(read_iops)
            .throttle_write_iops_device(write_iops);
        if let Some(weight) = limits.blkio_weight {
            io = io.weight(weight);
        }
        let mut all = LinuxResourcesBuilder::default().cpu(cpu.build()?).memory(memory.build()?).block_io(io.build()?);
        if let Some(pids) = limits.pids_limit {
            all = all.pids(LinuxPidsBuilder::default().limit(pids).build()?);
        }
        all.build()
    };
    Ok(build().expect("every field of it is optional"))
}

/// µs of a period for `1.5`, by this machine's processors.
fn cpus_quota_us(cpus: &str) -> Result<i64> {
    let available = thread::available_parallelism().map_or(1, usize::from);
    let number = cpus.parse::<f64>().ok().filter(|number| (0.01..=available as f64).contains(number));
    let right = || format!("a number from 0.01 to {available}.00, what this machine has");
    // 0.29 times 100000 is a little less than 29000 in binary.
    number.map(|number| (number * PERIOD_US).round() as i64).ok_or_else(|| Error::invalid("--cpus", cpus, right()))
}

/// Bytes, or -1.
fn bytes(flag: &'static str, text: &str) -> Result<i64> {
    let number = if text == "-1" { Some(-1) } else { size::bytes(text).and_then(|bytes| i64::try_from(bytes).ok()) };
    number.ok_or_else(|| Error::invalid(flag, text, "a size such as 512m or 1.5g, or -1 for no limit"))
}

/// `/dev/sda:1mb`.
fn throttles(flag: &'static str, texts: &[String]) -> Result<Vec<LinuxThrottleDevice>> {
    let read = |text: &String| {
        let (path, rate) = text.rsplit_once(':')?;
        let rate = if flag.ends_with("iops") { rate.parse().ok()? } else { size::bytes(rate)? };
        let file = fs::metadata(Path::new(path)).ok().filter(|file| file.file_type().is_block_device() && rate > 0)?;
        let (major, minor) = (major(file.rdev()).cast_signed(), minor(file.rdev()).cast_signed());
        LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(rate).build().ok()
    };
    let right =
        "PATH:RATE, PATH a block device that is there, RATE 1mb and the like (bps) or a number (iops), a second";
    texts.iter().map(|text| read(text).ok_or_else(|| Error::invalid(flag, text, right))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits::default()
    }

    #[test]
    fn cpus_become_a_quota() {
        let of = |cpus: &str| resources(&Limits { cpus: Some(cpus.into()), ..limits() });
        let cpu = of("0.25").unwrap().cpu().clone().unwrap();
        assert_eq!((cpu.quota(), cpu.period()), (Some(25_000), Some(100_000)));
        assert_eq!(of("0.29").unwrap().cpu().as_ref().unwrap().quota(), Some(29_000));
        for bad in ["0", "-1", "0.001", "9999", "two", "", "nan"] {
            let refused = of(bad).unwrap_err().to_string();
            assert!(refused.contains("--cpus") && refused.contains("from 0.01 to"), "{refused}");
        }
        let both = resources(&Limits { cpus: Some("0.5".into()), cpu_quota: Some(1000), ..limits() });
        assert!(both.unwrap_err().to_string().contains("without --cpu-quota"));
    }

    #[test]
    fn sizes_have_letters() {
        let limits =
            Limits { memory: Some("1.5g".into()), memory_swap: Some("-1".into()), pids_limit: Some(7), ..limits() };
        let all = resources(&limits).unwrap();
        let memory = all.memory().unwrap();
        assert_eq!((memory.limit(), memory.swap()), (Some(1_610_612_736), Some(-1)));
        assert_eq!(all.pids().unwrap().limit(), 7);
        let bad = resources(&Limits { memory: Some("many".into()), ..self::limits() });
        assert!(bad.unwrap_err().to_string().contains("512m"));
    }

    #[test]
    fn a_rate_is_for_a_block_device() {
        for bad in ["/dev/null:1mb", "/dev/sda", "/nowhere:1mb", "/dev/null"] {
            let refused = resources(&Limits { device_read_bps: vec![bad.into()], ..limits() }).unwrap_err().to_string();
            assert!(refused.contains("--device-read-bps") && refused.contains("block device"), "{refused}");
        }
    }
}
