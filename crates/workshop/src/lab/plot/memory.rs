//! Memory against wall time: up to the limit, and down again when the kernel ends who went there.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use model::Cgroup;
use model::cgroup::Version;

use super::container::{Container, Point, watch};
use super::picture::{Line, Panel, Style, picture};
use super::{Outcome, machine};

const SECONDS: u32 = 4;
const LIMIT_MIB: u32 = 32;
/// A shell that keeps one more copy of a MiB every 40 ms; and one that starts it again each time it has been ended.
const CLIMB: &str = "
block=$(seq 1000000 1131071)
climb() { i=0; while :; do i=$((i+1)); eval \"copy$i=\\$block\"; sleep 0.04; done; }
while :; do (climb); sleep 0.2; done";

/// The controller that the run needs.
pub fn check() -> Result<()> {
    Cgroup::base()?.part("memory")?;
    Ok(())
}

/// A container whose shell lives on while what it starts is ended.
pub fn run(boxwright: &Path) -> Result<Outcome> {
    let limit = format!("{LIMIT_MIB}m");
    // As much again in swap would blur the edge: none, where there is any.
    let has_swap = std::fs::read_to_string("/proc/swaps").is_ok_and(|table| table.lines().count() > 1);
    let limits = ["--memory", &limit, "--memory-swap", &limit];
    let container = Container::start(boxwright, if has_swap { &limits } else { &limits[..2] }, CLIMB)?;
    let version = container.group().version("memory")?;
    let (used, events) = match version {
        Version::V1 => ("memory.usage_in_bytes", "memory.oom_control"),
        Version::V2 => ("memory.current", "memory.events"),
    };
    let look = || Ok([container.number(used)? / f64::from(1 << 20), container.field(events, "oom_kill")?]);
    let [memory, kills] = watch(Duration::from_secs(SECONDS.into()), look)?;
    let kills = kills_at(&memory, &kills);
    let lines = vec![format!(
        "--memory {limit}: {} processes ended by the kernel in {SECONDS} s, the container's PID 1 not among them",
        kills.len()
    )];
    Ok(Outcome { picture: draw(memory, kills, version), lines })
}

/// Where the count of kills grew: the last look at the memory before.
fn kills_at(memory: &[Point], kills: &[Point]) -> Vec<Point> {
    let grew = kills.windows(2).map(|pair| pair[1].1 > pair[0].1);
    grew.zip(memory).filter_map(|(grew, &point)| grew.then_some(point)).collect()
}

fn draw(memory: Vec<Point>, kills: Vec<Point>, version: Version) -> String {
    let seconds = f64::from(SECONDS);
    let limit = f64::from(LIMIT_MIB);
    let panel = Panel {
        title: "A process that keeps asking for more, and one that starts it again".to_owned(),
        x: (seconds, 0.5, "s of wall time"),
        y: (40.0, 8.0, "MiB of memory"),
        lines: vec![
            Line {
                points: vec![(0.0, limit), (seconds, limit)],
                label: format!("--memory {LIMIT_MIB}m"),
                style: Style::Limit,
            },
            Line { points: memory, label: "the group".to_owned(), style: Style::Solid },
        ],
        marks: kills.into_iter().map(|point| (point, "killed".to_owned())).collect(),
    };
    let description = "The memory of a container against wall time. It climbs in steps of one MiB up to a horizontal line \
                       at the limit of 32 MiB, falls to almost nothing when the kernel ends the process, and climbs again.";
    picture("Memory of a container with a limit", description, &[panel], &machine(version))
}

#[cfg(test)]
mod tests {
    use super::kills_at;

    #[test]
    fn a_kill_is_where_its_count_grew() {
        let memory = [(0.0, 30.0), (0.1, 32.0), (0.2, 1.0), (0.3, 2.0)];
        let kills = [(0.0, 4.0), (0.1, 4.0), (0.2, 5.0), (0.3, 5.0)];
        assert_eq!(kills_at(&memory, &kills), [(0.1, 32.0)]);
    }
}
