//! What a container uses at one moment: lab 08's numbers, and beside them its limits and what it read and wrote.

use std::time::Instant;

use model::cgroup::{Usage, Version};
use model::{Cgroup, Error, Result};

use crate::steps::limits;

/// One look at a container's group. What no controller of it counts, and a limit that nobody has set, is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// Processor time since the group was made.
    pub cpu_us: Option<u64>,
    /// Memory now, the page cache included.
    pub memory_bytes: Option<u64>,
    /// The most that it ever was.
    pub memory_peak_bytes: Option<u64>,
    /// What it may be.
    pub memory_limit_bytes: Option<u64>,
    /// Processes and threads now.
    pub pids: Option<u64>,
    /// How many there may be.
    pub pids_limit: Option<u64>,
    /// Read from block devices and written to them since the group was made.
    pub io: Option<Transfer>,
}

/// Bytes that went between a group and its block devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// From them.
    pub read_bytes: u64,
    /// To them.
    pub written_bytes: u64,
}

/// Looks at `group`; `None` when it is gone.
///
/// # Errors
/// A knob that is there cannot be read.
pub fn sample(group: &Cgroup) -> Result<Option<Sample>> {
    match look(group) {
        // Whatever went wrong, it ended meanwhile. And one that is gone looks as if no controller counted.
        _ if group.paths().iter().any(|path| !path.exists()) => Ok(None),
        result => result.map(Some),
    }
}

fn look(group: &Cgroup) -> Result<Sample> {
    let at = Instant::now();
    let [cpu_us, memory_bytes, memory_peak_bytes, pids] = match limits::usage(group) {
        Ok(Usage { cpu_us, memory_bytes, memory_peak_bytes, pids }) => {
            [Some(cpu_us), Some(memory_bytes), Some(memory_peak_bytes).filter(|peak| *peak > 0), Some(pids)]
        }
        Err(Error::NoController { .. } | Error::NoKnob { .. }) => piecemeal(group),
        Err(error) => return Err(error),
    };
    // Without a limit v2 has a word there, and v1 the largest whole number of pages.
    let limit = |knob| number(group, knob).filter(|limit| *limit < 1 << 62);
    Ok(Sample {
        at,
        cpu_us,
        memory_bytes,
        memory_peak_bytes,
        memory_limit_bytes: limit("memory.limit_in_bytes").or_else(|| limit("memory.max")),
        pids,
        pids_limit: limit("pids.max"),
        io: transfer(group),
    })
}

/// What [`limits::usage`] tells, where not all of its controllers are there: an ordinary user is often given
/// memory and pids alone.
fn piecemeal(group: &Cgroup) -> [Option<u64>; 4] {
    // v2 counts processor time without the controller, too.
    let v2 = group.parts().iter().find(|part| part.version() == Version::V2);
    let stat = v2.and_then(|part| part.read("cpu.stat").ok()).unwrap_or_default();
    let cpu_us = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    let memory_bytes = number(group, "memory.current").or_else(|| number(group, "memory.usage_in_bytes"));
    let peak_bytes = number(group, "memory.peak").or_else(|| number(group, "memory.max_usage_in_bytes"));
    [
        number(group, "cpuacct.usage").map(|ns| ns / 1000).or(cpu_us),
        memory_bytes,
        peak_bytes,
        number(group, "pids.current"),
    ]
}

fn number(group: &Cgroup, knob: &str) -> Option<u64> {
    group.read(knob).ok()?.trim().parse().ok()
}

/// Source: kernel docs cgroup-v1/blkio-controller, `blkio.throttle.io_service_bytes`, and cgroup-v2, `io.stat`.
fn transfer(group: &Cgroup) -> Option<Transfer> {
    match group.version("blkio") {
        // The second one from Linux 4.17 on: with the groups below.
        Ok(_) => {
            let all = group.read("blkio.throttle.io_service_bytes_recursive");
            Some(of_v1(&all.or_else(|_| group.read("blkio.throttle.io_service_bytes")).ok()?))
        }
        Err(_) => Some(of_v2(&group.read("io.stat").ok()?)),
    }
}

/// Lines `8:0 Read 4096`.
fn of_v1(text: &str) -> Transfer {
    let sum = |word: &str| {
        let bytes = |line: &str| line.split_once(' ')?.1.strip_prefix(word)?.trim().parse::<u64>().ok();
        text.lines().filter_map(bytes).sum()
    };
    Transfer { read_bytes: sum("Read "), written_bytes: sum("Write ") }
}

/// Lines `8:0 rbytes=4096 wbytes=0 rios=1 …`.
fn of_v2(text: &str) -> Transfer {
    let sum =
        |name: &str| text.split_whitespace().filter_map(|word| word.strip_prefix(name)?.parse::<u64>().ok()).sum();
    Transfer { read_bytes: sum("rbytes="), written_bytes: sum("wbytes=") }
}

#[cfg(test)]
mod tests {
    use super::{Transfer, of_v1, of_v2};

    #[test]
    fn the_devices_are_added_up() {
        let both = Transfer { read_bytes: 4608, written_bytes: 8192 };
        let v1 = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Total 12288\n254:0 Read 512\n254:0 Write 0\nTotal 12800\n";
        assert_eq!(of_v1(v1), both);
        let v2 = "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=7 dios=1\n254:0 rbytes=512 wbytes=0 rios=1 wios=0\n";
        assert_eq!(of_v2(v2), both);
        assert_eq!((of_v1(""), of_v2("")), (Transfer::default(), Transfer::default()));
    }
}
