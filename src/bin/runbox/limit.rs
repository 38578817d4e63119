//! `runbox update` and `runbox events`: what a container may use, and what it does use.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use boxwright::runtime::{found, update, usage};
use boxwright::steps::limits;
use cli::runbox::Update;
use model::plan::Resources;
use model::{Cgroup, During, Error, Result, StateDir};
use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::look::print;

/// Sets what is named, and leaves the rest as it is.
pub fn update(flags: &Update, states: &StateDir) -> Result<()> {
    let container = found::alive(&flags.id, "update", states)?;
    let mut resources = resources(flags)?;
    // Rules for devices are settled before the start.
    resources.set_devices(None);
    update::apply(&container.cgroup()?, &Resources::from_oci(&resources)?)
}

/// What the flags ask for, in the words of the OCI configuration; or what a file says.
fn resources(flags: &Update) -> Result<LinuxResources> {
    let value = match &flags.resources {
        Some(path) if path == Path::new("-") => {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text).during("read", "standard input")?;
            text
        }
        Some(path) => fs::read(path).during("read", path.display())?,
        None => by_flags(flags).to_string().into_bytes(),
    };
    serde_json::from_slice(&value).map_err(io::Error::from).during("read", "the resources")
}

fn by_flags(flags: &Update) -> Value {
    let given = |all: &[(&str, Value)]| {
        all.iter()
            .filter(|(_, value)| !value.is_null())
            .cloned()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>()
    };
    let all = [
        (
            "cpu",
            given(&[
                ("shares", json!(flags.cpu_share)),
                ("quota", json!(flags.cpu_quota)),
                ("period", json!(flags.cpu_period)),
                ("cpus", json!(flags.cpuset_cpus)),
                ("mems", json!(flags.cpuset_mems)),
            ]),
        ),
        (
            "memory",
            given(&[
                ("limit", json!(flags.memory)),
                ("reservation", json!(flags.memory_reservation)),
                ("swap", json!(flags.memory_swap)),
            ]),
        ),
        ("pids", given(&[("limit", json!(flags.pids_limit))])),
        ("blockIO", given(&[("weight", json!(flags.blkio_weight))])),
    ];
    Value::from(
        all.into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(name, fields)| (name.to_owned(), fields.into()))
            .collect::<Map<_, _>>(),
    )
}

/// Tells what the container uses: once, or again after each `interval` until it has ended, and when the kernel has killed a process of
/// it for want of memory.
pub fn events(id: &str, once: bool, interval: &str, states: &StateDir) -> Result<()> {
    let interval = duration(interval)?;
    let group = found::alive(id, "events", states)?.cgroup()?;
    let mut kills = limits::oom_kills(&group).unwrap_or(0);
    loop {
        let Some(sample) = usage::sample(&group)? else { return Ok(()) };
        print(&format!("{}\n", json!({"type": "stats", "id": id, "data": stats(&group, &sample)})))?;
        if once {
            return Ok(());
        }
        thread::sleep(interval);
        if found::alive(id, "events", states).is_err() {
            return Ok(());
        }
        let now = limits::oom_kills(&group).unwrap_or(kills);
        if now > kills {
            print(&format!("{}\n", json!({"type": "oom", "id": id})))?;
            kills = now;
        }
    }
}

/// In the words of runc, which containerd's and others' readers know.
fn stats(group: &Cgroup, sample: &usage::Sample) -> Value {
    let throttling = boxwright::steps::cpu::throttling(group).unwrap_or_default();
    let io = sample.io.unwrap_or_default();
    json!({
        "cpu": {
            "usage": {"total": sample.cpu_us.unwrap_or(0) * 1000, "kernel": 0, "user": 0},
            "throttling": {
                "periods": throttling.periods,
                "throttledPeriods": throttling.throttled,
                "throttledTime": throttling.throttled_us * 1000,
            },
        },
        "memory": {
            "usage": {
                "usage": sample.memory_bytes.unwrap_or(0),
                "max": sample.memory_peak_bytes.unwrap_or(0),
                "limit": sample.memory_limit_bytes.unwrap_or(u64::MAX),
                "failcnt": 0,
            },
        },
        "pids": {"current": sample.pids.unwrap_or(0), "limit": sample.pids_limit.unwrap_or(0)},
        "blkio": {
            "ioServiceBytesRecursive": [
                {"op": "Read", "value": io.read_bytes},
                {"op": "Write", "value": io.written_bytes},
            ],
        },
    })
}

/// `5s`, `500ms`, `1m`.
fn duration(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    let ms = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)).filter(|ms| *ms > 0);
    ms.map(Duration::from_millis).ok_or_else(|| Error::invalid("--interval", text, "like 5s, 500ms or 1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_a_unit() {
        assert_eq!(duration("5s").unwrap(), Duration::from_secs(5));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        for bad in ["", "5", "0s", "s", "-1s", "5h"] {
            assert!(duration(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
