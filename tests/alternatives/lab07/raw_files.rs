//! Lab 07 with nothing of the handle but its paths: mkdir(2), open(2) and write(2) as they are, and files read as text.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "the system calls themselves")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use model::cgroup::{Knob, Throttling, Version};
use model::plan::Cpu;
use model::{Cgroup, During, Error, Result};
use nix::errno::Errno;
use nix::unistd::Pid;

/// See the solution.
#[must_use]
pub fn weight(shares: u64) -> u64 {
    let above = u128::from(shares.max(2)) - 2;
    (1 + above * 9_999 / 262_142) as u64
}

/// See the solution.
#[must_use]
pub fn knobs(cpu: &Cpu, version: Version) -> Vec<Knob> {
    let mut knobs = Vec::new();
    if version == Version::V1 {
        if let Some(us) = cpu.period_us {
            knobs.push(Knob::new("cpu.cfs_period_us", us));
        }
        if let Some(us) = cpu.quota_us {
            knobs.push(Knob::new("cpu.cfs_quota_us", us));
        }
        if let Some(shares) = cpu.shares {
            knobs.push(Knob::new("cpu.shares", shares));
        }
    } else {
        if cpu.quota_us.is_some() || cpu.period_us.is_some() {
            let quota = cpu.quota_us.filter(|us| *us >= 0).map_or("max".to_owned(), |us| us.to_string());
            let period = cpu.period_us.map(|us| format!(" {us}")).unwrap_or_default();
            knobs.push(Knob::new("cpu.max", quota + &period));
        }
        if let Some(shares) = cpu.shares {
            knobs.push(Knob::new("cpu.weight", weight(shares)));
        }
    }
    for (name, list) in [("cpuset.mems", &cpu.mems), ("cpuset.cpus", &cpu.cpus)] {
        if let Some(list) = list {
            knobs.push(Knob::new(name, list));
        }
    }
    knobs
}

/// See the solution.
pub fn create(parent: &Cgroup, name: &str) -> Result<Cgroup> {
    let paths: Vec<PathBuf> = parent.paths().iter().map(|path| path.join(name)).collect();
    let mut made = 0;
    let result = (|| {
        for path in &paths {
            let text = CString::new(path.as_os_str().as_bytes()).during("mkdir", path.display())?;
            // SAFETY: the path is a C string that outlives the call.
            Errno::result(unsafe { libc::mkdir(text.as_ptr(), 0o755) }).during("mkdir", path.display())?;
            made += 1;
            // An empty cpuset of v1; v2 has a list of what it really is, and may stay empty.
            if path.join("cpuset.effective_cpus").exists() {
                for knob in ["cpuset.cpus", "cpuset.mems"] {
                    let above = path.parent().unwrap_or(path).join(knob);
                    let list = fs::read_to_string(&above).during("read", above.display())?;
                    write(&path.join(knob), list.trim())?;
                }
            }
        }
        Cgroup::open(&paths)
    })();
    if result.is_err() {
        for path in paths[..made].iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
    result
}

/// See the solution.
pub fn join(group: &Cgroup, process: Pid) -> Result<()> {
    for path in group.paths() {
        write(&path.join("cgroup.procs"), &process.to_string())?;
    }
    Ok(())
}

/// See the solution.
pub fn limit(group: &Cgroup, cpu: &Cpu) -> Result<()> {
    // Whichever version a file is of, its name says so.
    let find = |name: &str| group.paths().into_iter().map(|path| path.join(name)).find(|path| path.exists());
    let is_v2 = group.paths().iter().any(|path| path.join("cgroup.controllers").exists());
    let is_v1 = find("cpu.cfs_quota_us").is_some() || find("cpuset.effective_cpus").is_some();
    let version = if is_v1 || !is_v2 { Version::V1 } else { Version::V2 };
    if let (Version::V2, Some(max), Some(us)) = (version, find("cpu.max"), cpu.quota_us.filter(|us| *us > 0)) {
        let present = fs::read_to_string(&max).during("read", max.display())?;
        let present = present.split_whitespace().nth(1).and_then(|us| us.parse().ok());
        let own = us as f64 / cpu.period_us.or(present).unwrap_or(100_000) as f64;
        let groups = max.ancestors().skip(2).take_while(|path| path.join("cgroup.procs").exists());
        for above in groups.map(|path| path.join("cpu.max")).filter(|path| path.exists()) {
            let text = fs::read_to_string(&above).during("read", above.display())?;
            let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            if let [quota, period] = numbers[..]
                && own > quota / period * (1.0 + 1e-9)
            {
                return Err(Error::invalid("cpu.max", text.trim(), "no less than what is asked for below it"));
            }
        }
    }
    for knob in knobs(cpu, version) {
        match find(knob.name) {
            Some(path) => write(&path, &knob.value)?,
            None => return Err(io::Error::from(io::ErrorKind::NotFound)).during("open", knob.name),
        }
    }
    Ok(())
}

/// See the solution.
pub fn throttling(group: &Cgroup) -> Result<Throttling> {
    let path = group.part("cpu")?.path().join("cpu.stat");
    let text = fs::read_to_string(&path).during("read", path.display())?;
    let mut all = Throttling::default();
    for line in text.lines() {
        let Some((name, Ok(number))) = line.split_once(' ').map(|(name, number)| (name, number.parse::<u64>())) else {
            continue;
        };
        match name {
            "nr_periods" => all.periods = number,
            "nr_throttled" => all.throttled = number,
            "throttled_usec" => all.throttled_us = number,
            "throttled_time" => all.throttled_us = number / 1000,
            _ => {}
        }
    }
    Ok(all)
}

/// See the solution.
pub fn remove(group: &Cgroup) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let groups: Vec<PathBuf> = group.paths().iter().flat_map(|path| below(path)).collect();
    loop {
        for path in &groups {
            let frozen = path.join("freezer.state");
            if frozen.exists() {
                let _ = write(&frozen, "THAWED");
            }
        }
        for path in &groups {
            let list = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
            for process in list.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 0) {
                // SAFETY: kill takes two integers.
                unsafe { libc::kill(process, libc::SIGKILL) };
            }
        }
        let mut busy = None;
        for path in &groups {
            match fs::remove_dir(path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => busy = Some((path, error)),
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => {
                    return Err(error).during("rmdir", path.display());
                }
                _ => {}
            }
        }
        match busy {
            None => return Ok(()),
            Some((path, error)) if Instant::now() > deadline => return Err(error).during("rmdir", path.display()),
            Some(_) => sleep(Duration::from_millis(2)),
        }
    }
}

/// `path` and every directory below it, the deepest first.
fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    directories.flat_map(|directory| below(&directory)).chain([path.to_owned()]).collect()
}

/// One write(2) to a file that is there.
fn write(path: &Path, value: &str) -> Result<()> {
    let text = CString::new(path.as_os_str().as_bytes()).during("open", path.display())?;
    // SAFETY: the path is a C string that outlives the call.
    let fd = Errno::result(unsafe { libc::open(text.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) });
    let fd = fd.during("open", path.display())?;
    // SAFETY: the bytes outlive the call, and their number is given.
    let written = Errno::result(unsafe { libc::write(fd, value.as_ptr().cast(), value.len()) });
    // SAFETY: the descriptor was opened above, and nobody else has it.
    unsafe { libc::close(fd) };
    written.map(drop).during("write", path.display())
}
