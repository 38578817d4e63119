//! Lab 08 with libc and paths: no handle is used but for its directories and versions. poll(2) tells when a v2 group has
//! stopped, controllers are handed down one a write, and the top of the tree is known by the file that it lacks.
//!
//! alternative: whole file

#![allow(unsafe_code, reason = "libc's own calls")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use model::cgroup::{Knob, LEAF, Part, Usage, Version};
use model::plan::Memory;
use model::{Cgroup, During, Result};
use nix::errno::Errno;

/// See the solution. v2's order is free.
pub fn knobs(memory: &Memory, version: Version) -> Vec<Knob> {
    let Memory { limit_bytes, with_swap_bytes, reservation_bytes } = *memory;
    let with_swap = match (with_swap_bytes, limit_bytes) {
        (None, Some(limit)) if limit > 0 => Some(limit.saturating_mul(2)),
        (None, limit) => limit,
        (given, _) => given,
    };
    let v2 = |bytes: i64| if bytes == -1 { "max".to_owned() } else { bytes.to_string() };
    let swap = || match (with_swap?, limit_bytes) {
        (-1, _) => Some("max".to_owned()),
        (sum, limit) => Some((sum - limit.unwrap_or(0)).to_string()),
    };
    let all = match version {
        Version::V1 => [
            limit_bytes.map(|bytes| Knob::new("memory.limit_in_bytes", bytes)),
            reservation_bytes.map(|bytes| Knob::new("memory.soft_limit_in_bytes", bytes)),
            with_swap.map(|bytes| Knob::new("memory.memsw.limit_in_bytes", bytes)),
        ],
        Version::V2 => [
            reservation_bytes.map(|bytes| Knob::new("memory.low", v2(bytes))),
            swap().map(|text| Knob::new("memory.swap.max", text)),
            limit_bytes.map(|bytes| Knob::new("memory.max", v2(bytes))),
        ],
    };
    all.into_iter().flatten().collect()
}

/// See the solution.
pub fn enable(group: &Part, controllers: &[&str]) -> Result<()> {
    let path = group.path();
    // Every group but the top has it.
    if path.join("cgroup.type").exists() {
        let leaf = path.join(LEAF);
        while let Some(first) = text(&path.join("cgroup.procs"))?.lines().find(|pid| *pid != "0") {
            match fs::create_dir(&leaf) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).during("mkdir", leaf.display()),
                _ => {}
            }
            match put(&leaf.join("cgroup.procs"), first) {
                Err(error) if error.errno() != Some(Errno::ESRCH) => return Err(error),
                _ => {}
            }
        }
    }
    controllers.iter().try_for_each(|name| put(&path.join("cgroup.subtree_control"), &format!("+{name}")))
}

/// See the solution.
pub fn freeze(group: &Cgroup) -> Result<()> {
    let part = group.part("freezer")?;
    if holds(part.path(), &std::process::id().to_string())? {
        return Err(io::Error::from(ErrorKind::Deadlock)).during("freeze", part.path().display());
    }
    if part.version() == Version::V1 {
        let knob = part.path().join("freezer.state");
        for _ in 0..20_000 {
            put(&knob, "FROZEN")?;
            if text(&knob)?.starts_with("FROZEN") {
                return Ok(());
            }
            // SAFETY: a number.
            unsafe { libc::usleep(100) };
        }
    } else {
        let path = part.path().join("cgroup.events");
        let mut events = File::open(&path).during("open", path.display())?;
        put(&part.path().join("cgroup.freeze"), "1")?;
        for _ in 0..20 {
            let mut told = String::new();
            events.rewind().and_then(|()| events.read_to_string(&mut told)).during("read", path.display())?;
            if told.lines().any(|line| line == "frozen 1") {
                return Ok(());
            }
            // The kernel says when the text is another one.
            let mut wait = libc::pollfd { fd: events.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
            // SAFETY: one pollfd, which is ours.
            unsafe { libc::poll(&raw mut wait, 1, 100) };
        }
    }
    thaw(group)?;
    Err(Errno::EBUSY).during("freeze", part.path().display())
}

/// Whether `pid` is in the group, or in one below it.
fn holds(path: &Path, pid: &str) -> Result<bool> {
    if text(&path.join("cgroup.procs"))?.lines().any(|line| line == pid) {
        return Ok(true);
    }
    for entry in fs::read_dir(path).during("readdir", path.display())?.flatten() {
        if entry.path().is_dir() && holds(&entry.path(), pid)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// See the solution.
pub fn thaw(group: &Cgroup) -> Result<()> {
    let part = group.part("freezer")?;
    let (knob, value) = if part.has("freezer.state") { ("freezer.state", "THAWED\n") } else { ("cgroup.freeze", "0\n") };
    put(&part.path().join(knob), value)
}

/// See the solution.
pub fn usage(group: &Cgroup) -> Result<Usage> {
    let at = |controller: &str, knob: &str| Ok(group.part(controller)?.path().join(knob));
    let number = |path: PathBuf| Ok(text(&path)?.trim_end().parse::<u64>().unwrap_or_default());
    let pids = number(at("pids", "pids.current")?)?;
    if group.version("memory")? == Version::V1 {
        return Ok(Usage {
            cpu_us: number(at("cpuacct", "cpuacct.usage")?)? / 1000,
            memory_bytes: number(at("memory", "memory.usage_in_bytes")?)?,
            memory_peak_bytes: number(at("memory", "memory.max_usage_in_bytes")?)?,
            pids,
        });
    }
    let peak = at("memory", "memory.peak")?;
    Ok(Usage {
        cpu_us: word_after(&text(&at("memory", "cpu.stat")?)?, "usage_usec"),
        memory_bytes: number(at("memory", "memory.current")?)?,
        memory_peak_bytes: if peak.exists() { number(peak)? } else { 0 },
        pids,
    })
}

/// See the solution.
pub fn oom_kills(group: &Cgroup) -> Result<u64> {
    let part = group.part("memory")?;
    let knob = if part.has("memory.events") { "memory.events" } else { "memory.oom_control" };
    Ok(word_after(&text(&part.path().join(knob))?, "oom_kill"))
}

/// See the solution.
pub fn enter(group: &Cgroup) -> Result<()> {
    let own = std::process::id().to_string();
    group.paths().iter().try_for_each(|path| put(&path.join("cgroup.procs"), &own))?;
    // SAFETY: unshare takes flags alone.
    Errno::result(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }).during("unshare", "CLONE_NEWCGROUP").map(drop)
}

/// The number in the word after `name`.
fn word_after(text: &str, name: &str) -> u64 {
    let mut words = text.split_ascii_whitespace().skip_while(|word| *word != name);
    words.nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).during("read", path.display())
}

/// Never makes a file.
fn put(path: &Path, value: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).truncate(true).open(path);
    file.and_then(|mut file| file.write_all(value.as_bytes())).during("write", format_args!("{value} to {}", path.display()))
}
