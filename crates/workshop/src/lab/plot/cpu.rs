//! Processor time used against wall time: the quota is absolute, the weight relative.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use model::Cgroup;
use model::cgroup::Version;

use super::container::{Container, Point, watch};
use super::picture::{Line, Panel, Style, picture};
use super::{Outcome, machine};

const SECONDS: u32 = 2;
const BUSY: &str = "while :; do :; done";
/// `--cpus`.
const QUOTAS: [&str; 3] = ["1", "0.5", "0.2"];

/// The controllers that the run needs.
pub fn check() -> Result<()> {
    let base = Cgroup::base()?;
    base.part("cpu")?;
    base.part("cpuset")?;
    Ok(())
}

/// Busy loops, all on one processor: alone with three quotas, then two at a time with weights.
pub fn run(boxwright: &Path) -> Result<Outcome> {
    let processor = processor(&Cgroup::base()?)?;
    let length = Duration::from_secs(SECONDS.into());
    let mut outcome = Outcome { picture: String::new(), lines: Vec::new() };

    let mut quotas = Vec::new();
    let mut version = Version::V1;
    for cpus in QUOTAS {
        let limits = ["--cpuset-cpus", &processor, "--cpus", cpus];
        let container = Container::start(boxwright, &limits, BUSY)?;
        version = container.group().version("cpu")?;
        wait_for_period(&container)?;
        let start = cpu_s(&container)?;
        let [points] = watch(length, || Ok([cpu_s(&container)? - start]))?;
        outcome.lines.push(format!("--cpus {cpus:<18} {}", share(&points)));
        quotas.push((cpus, points));
    }
    let mut pairs = Vec::new();
    for other in [1024, 3072] {
        let start = |shares: u32| {
            let limits = ["--cpuset-cpus", &processor, "--cpu-shares", &shares.to_string()];
            Container::start(boxwright, &limits, BUSY)
        };
        let both = [start(1024)?, start(other)?];
        let starts = [cpu_s(&both[0])?, cpu_s(&both[1])?];
        let points = watch(length, || Ok([cpu_s(&both[0])? - starts[0], cpu_s(&both[1])? - starts[1]]))?;
        outcome.lines.push(format!("--cpu-shares 1024, {other:<6} {}, {}", share(&points[0]), share(&points[1])));
        pairs.push(points);
    }
    outcome.picture = draw(&quotas, &pairs, version);
    Ok(outcome)
}

/// The last processor that containers may run on: the first has the more interrupts.
fn processor(base: &Cgroup) -> Result<String> {
    let list = match base.version("cpuset")? {
        Version::V1 => base.read("cpuset.cpus")?,
        Version::V2 => base.read("cpuset.cpus.effective")?,
    };
    Ok(list.trim().rsplit(['-', ',']).next().unwrap_or_default().to_owned())
}

/// Until the next period begins: a run that begins somewhere in a period is some ms off for that alone.
fn wait_for_period(container: &Container) -> Result<()> {
    let before = container.field("cpu.stat", "nr_periods")?;
    // A tenth of a second, the kernel's own period; or ten times that on a machine that has other things to do.
    for _ in 0..1000 {
        if container.field("cpu.stat", "nr_periods")? > before {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Seconds of processor time that the group has used since it was made.
fn cpu_s(container: &Container) -> Result<f64> {
    match container.group().version("cpuacct") {
        Ok(_) => Ok(container.number("cpuacct.usage")? / 1e9),
        Err(_) => Ok(container.field("cpu.stat", "usage_usec")? / 1e6),
    }
}

/// How steep a line is, from its first point to its last.
fn share(points: &[Point]) -> String {
    let (wall, used) = points.last().copied().unwrap_or((1.0, 0.0));
    format!("{:.1} %", 100.0 * used / wall)
}

fn draw(quotas: &[(&str, Vec<Point>)], pairs: &[[Vec<Point>; 2]], version: Version) -> String {
    let seconds = f64::from(SECONDS);
    let axes = |title: &str| Panel {
        title: title.to_owned(),
        x: (seconds, 0.5, "s of wall time"),
        y: (seconds, 0.5, "s of processor time"),
        lines: Vec::new(),
        marks: Vec::new(),
    };
    let mut quota = axes("One busy loop, three quotas");
    for (cpus, points) in quotas {
        let label = format!("--cpus {cpus}: {}", share(points));
        quota.lines.push(Line { points: points.clone(), label, style: Style::Solid });
    }
    let mut weight = axes("Two busy loops at a time, by weight");
    for ((against, style), [one, other]) in [(1, Style::Quiet), (3, Style::Solid)].into_iter().zip(pairs) {
        let label = |own, other, points: &[Point]| format!("{own} against {other}: {}", share(points));
        weight.lines.push(Line { label: label(against, 1, other), points: other.clone(), style });
        weight.lines.push(Line { label: label(1, against, one), points: one.clone(), style });
    }
    let description = "Above, processor time used by a busy loop against wall time, for --cpus 1, 0.5 and 0.2: the first \
                       line is straight, the others are stairs with one step every 100 milliseconds. Below, two busy \
                       loops on one processor: with equal weights both lines rise alike, with weights 1 and 3 one rises \
                       three times as steeply as the other.";
    picture(
        "Processor time against wall time, by quota and by weight",
        description,
        &[quota, weight],
        &format!("{}; all on one processor", machine(version)),
    )
}
