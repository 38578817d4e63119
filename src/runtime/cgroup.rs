//! The container's cgroup: made and limited before the command is started, removed after its end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::path::{Component, Path, PathBuf};

use model::cgroup::{Knob, Part, Version, hierarchies};
use model::plan::{Io, IoKind, Memory, Resources, Setting};
use model::{Cgroup, Claim, During, Error, Plan, Result};
use nix::errno::Errno;
use nix::sys::stat::{Mode, mkdirat};

use super::devices;
use crate::steps::{cpu, limits, written};

/// The controllers that a container uses, where v2 has to hand them down first.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "pids", "io"];

/// A container's group. Dropping it ends what is left in the group and removes it.
#[derive(Debug)]
pub struct Held(Cgroup);

impl Held {
    /// The group itself.
    pub fn group(&self) -> &Cgroup {
        &self.0
    }

    /// Leaves it: the container outlives this process.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What cannot be removed now, the next command tries again, and says so.
        let _ = cpu::remove(&self.0);
    }
}

/// Makes the plan's group and limits it; nothing where the caller may make none and nobody asked for a limit.
pub fn make(plan: &Plan, claim: &Claim) -> Result<Option<Held>> {
    if !plan.cgroup {
        return Ok(None);
    }
    let base = Cgroup::base()?;
    let own = PathBuf::from(format!("boxwright-{}", plan.id));
    let path = plan.cgroup_path.as_ref().unwrap_or(&own);
    let directories: Vec<_> = base.paths().iter().map(|base| base.join(path)).collect();
    // One that was made for it, as it is asked for by its path.
    let mut is_there = false;
    for directory in directories.iter().filter(|directory| plan.cgroup_path.is_some() && directory.exists()) {
        is_there = true;
        if !fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default().is_empty() {
            return Err(anothers(path));
        }
    }
    // Rules for devices need no controller that would have to be handed down.
    let is_limited = Resources { devices: Vec::new(), ..plan.resources.clone() } != Resources::default();
    let controllers = controllers(&plan.resources);
    // Before they are made: whoever kills us between these lines leaves nothing that nobody knows of.
    claim.announce_cgroup(&directories)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    let parent = parent.iter().try_fold(base, |parent, name| {
        hand_down(&parent, is_limited, &controllers)?;
        find_or_make(&parent, name)
    })?;
    hand_down(&parent, is_limited, &controllers)?;
    let name = path.file_name().unwrap_or_default();
    let held = match is_there {
        true => Held(find_or_make(&parent, name)?),
        false => match cpu::create(&parent, &name.to_string_lossy()) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => return Err(anothers(path)),
            group => Held(group?),
        },
    };
    // And after: until then what has the name may be another's, with its state elsewhere.
    claim.own_cgroup(held.group())?;
    limit(held.group(), &plan.resources)?;
    match devices::limit(held.group(), &plan.resources.devices) {
        // An ordinary user's container can do without: nobody makes nodes in a user namespace, and the host's own obey
        // the host's permissions.
        Err(error) if devices::is_not_ours(&error) && !plan.must_rule_devices => {}
        result => result?,
    }
    Ok(Some(held))
}

fn anothers(path: &Path) -> Error {
    let what = format!("{} (another container's cgroup)", path.display());
    Err::<(), _>(Errno::EEXIST).during("mkdir", what).expect_err("made as one")
}

/// Moves the calling process, which has one thread, into `group`, without a cgroup namespace of its own.
///
/// Its first write to v1's `cgroup.procs` after a while waits until no processor is in a critical section of before, 4 to 20 ms;
/// `tasks` moves a single thread, and waits for nobody. So it is the process itself that writes, and not its parent.
pub fn join(group: &Cgroup) -> Result<()> {
    let knob = |part: &Part| if part.version() == Version::V1 { "tasks" } else { "cgroup.procs" };
    group.parts().iter().try_for_each(|part| part.write(knob(part), 0))
}

/// Moves the caller into a group below its own that is there already: a path, or `CONTROLLER[,…]:PATH` for these hierarchies alone.
pub fn enter_below(asked: &str) -> Result<()> {
    let (controllers, path) = asked.split_once(':').unwrap_or(("", asked));
    let path = match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    };
    if Path::new(path).components().any(|it| it == Component::ParentDir) {
        return Err(Error::invalid("--cgroup", asked, "a path below the container's cgroup"));
    }
    let read = |path: &str| fs::read_to_string(path).during("read", path);
    let (own, mountinfo) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
    let own: Vec<_> = hierarchies(&own, &mountinfo).into_iter().map(|it| it.own).collect();
    let group = Cgroup::open(&own)?;
    let names = controllers.split(',').filter(|name| !name.is_empty());
    let named = names.map(|name| Ok(group.part(name)?.path().join(path))).collect::<Result<Vec<_>>>()?;
    let below = if named.is_empty() { group.child(path)? } else { Cgroup::open(&named)? };
    join(&below)
}

/// Lets a paused container go on, whose end is asked for: a frozen process notices no signal, on v1 not even SIGKILL.
pub fn thaw_for_the_end(group: Option<&Cgroup>) {
    if let Some(group) = group.filter(|_| written(8)) {
        // Without a freezer, nobody can have paused it.
        let _ = limits::thaw(group);
    }
}

/// Those that these limits need, and those that every container has.
fn controllers(resources: &Resources) -> BTreeSet<&str> {
    let asked = resources.settings.iter().flat_map(|setting| &setting.v2).chain(&resources.unified);
    let asked = asked.filter_map(|(knob, _)| knob.split_once('.')).map(|(controller, _)| controller);
    CONTROLLERS.into_iter().chain(asked).collect()
}

/// The group `name` below `parent`, in every hierarchy, made where it is missing. It is not the container's own, and stays.
fn find_or_make(parent: &Cgroup, name: &OsStr) -> Result<Cgroup> {
    for part in parent.parts() {
        match mkdirat(part, name, Mode::from_bits_retain(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            made => made.during("mkdir", part.path().join(name).display())?,
        }
    }
    let group = parent.child(&name.to_string_lossy())?;
    if group.version("cpuset").is_ok_and(|version| version == Version::V1) {
        // One without takes nobody in, and hands nothing down.
        for knob in ["cpuset.cpus", "cpuset.mems"] {
            if group.read(knob)?.trim().is_empty() {
                group.write(knob, parent.read(knob)?.trim())?;
            }
        }
    }
    Ok(group)
}

/// Lets groups below a v2 group have the controllers. In the group of somebody's session that takes moving all that is
/// in it, which nobody shall have done who did not ask for a limit.
fn hand_down(group: &Cgroup, is_limited: bool, controllers: &BTreeSet<&str>) -> Result<()> {
    group.parts().iter().filter(|part| part.version() == Version::V2).try_for_each(|part| {
        let is_wanted = written(8) && (is_limited || part.is_top() || part.read("cgroup.procs")?.is_empty());
        if is_wanted { enable(part, controllers) } else { Ok(()) }
    })
}

fn enable(part: &Part, controllers: &BTreeSet<&str>) -> Result<()> {
    let (has, hands_down) = (part.read("cgroup.controllers")?, part.read("cgroup.subtree_control")?);
    let lists = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let missing = controllers.iter().filter(|name| lists(&has, name) && !lists(&hands_down, name));
    let missing: Vec<&str> = missing.copied().collect();
    if missing.is_empty() { Ok(()) } else { limits::enable(part, &missing) }
}

/// Writes the knobs that `resources` comes to, to a new group or to one that has limits already; all but the devices: those
/// are settled before the start.
pub fn limit(group: &Cgroup, resources: &Resources) -> Result<()> {
    cpu::limit(group, &resources.cpu)?;
    if resources.check_before_update {
        is_below(group, &resources.memory)?;
    }
    if resources.memory != Memory::default() {
        let mut knobs = limits::knobs(&resources.memory, group.version("memory")?);
        if is_above_swap(group, &resources.memory) {
            knobs.reverse();
        }
        for knob in knobs {
            match group.write(knob.name, &knob.value) {
                // A kernel that does not count swap: Docker leaves it at that, too, unless it was asked for by name.
                Err(Error::NoKnob { .. }) if is_about_swap(&knob) && resources.memory.with_swap_bytes.is_none() => {}
                Err(error) if error.errno() == Some(Errno::EBUSY) => {
                    Err(Errno::EBUSY).during("write", too_little_memory(knob.value))?;
                }
                result => result?,
            }
        }
    }
    if let Some(pids) = resources.pids {
        let max = if pids < 0 { "max".to_owned() } else { pids.to_string() };
        group.write("pids.max", max)?;
    }
    io(group, &resources.io)?;
    resources.settings.iter().try_for_each(|setting| set(group, setting))?;
    resources.unified.iter().try_for_each(|(knob, value)| {
        let v2 = group.parts().iter().find(|part| part.version() == Version::V2);
        let v2 = v2
            .ok_or_else(|| Error::invalid("linux.resources.unified", knob, "used with cgroup v2, which is not here"))?;
        v2.write(knob, value)
    })
}

/// Writes the first knob of a setting that is there.
fn set(group: &Cgroup, setting: &Setting) -> Result<()> {
    let speaks = |knobs: &[(String, String)], version| {
        let controller = knobs.first().and_then(|(knob, _)| knob.split_once('.'));
        controller.is_some_and(|(controller, _)| group.version(controller).is_ok_and(|own| own == version))
    };
    let knobs = if speaks(&setting.v1, Version::V1) { &setting.v1 } else { &setting.v2 };
    let mut missing = None;
    for (knob, value) in knobs {
        match group.write(knob, value) {
            Err(error @ (Error::NoKnob { .. } | Error::NoController { .. })) => missing = Some(error),
            result => return result,
        }
    }
    let value = setting.v1.first().map_or("", |(_, value)| value);
    match missing {
        _ if setting.optional => Ok(()),
        Some(error) => Err(error),
        None => {
            Err(Error::invalid(setting.field, value, "none: cgroup v2 does not have it, nor has this machine v1's"))
        }
    }
}

/// v1 refuses a limit below what cannot be given back; v2 kills.
fn is_below(group: &Cgroup, memory: &Memory) -> Result<()> {
    let Some(limit) = memory.limit_bytes.filter(|limit| *limit > 0) else { return Ok(()) };
    let used = group.read("memory.current").ok().and_then(|used| used.trim().parse::<i64>().ok());
    match used {
        Some(used) if used > limit => Err(Errno::EBUSY).during("write", too_little_memory(limit)),
        _ => Ok(()),
    }
}

/// Whether a new limit is more than memory and swap together may be so far: v1 refuses that at any moment, so there
/// swap comes first.
fn is_above_swap(group: &Cgroup, memory: &Memory) -> bool {
    let with_swap = group.read("memory.memsw.limit_in_bytes").ok().and_then(|text| text.trim().parse::<u64>().ok());
    // -1, no limit, is the largest number of all.
    with_swap.zip(memory.limit_bytes).is_some_and(|(with_swap, limit)| limit.cast_unsigned() > with_swap)
}

/// What a memory limit of `bytes` is refused with when it comes too late.
pub fn too_little_memory(bytes: impl Display) -> String {
    format!("the memory limit {bytes} (the container needs more by now; what can be read again is not counted)")
}

fn is_about_swap(knob: &Knob) -> bool {
    knob.name.contains("swap") || knob.name.contains("memsw")
}

/// Given code: what `--blkio-weight` and `--device-read-bps` write. Source: kernel docs cgroup-v1/blkio-controller
/// and cgroup-v2, "IO Interface Files".
fn io(group: &Cgroup, io: &Io) -> Result<()> {
    if *io == Io::default() {
        return Ok(());
    }
    let is_v1 = group.version("blkio").is_ok();
    if let Some(weight) = io.weight.map(u64::from) {
        if is_v1 {
            // The first is the BFQ scheduler's, the second was CFQ's, which kernels had before 5.0.
            let bfq = group.write("blkio.bfq.weight", weight);
            bfq.or_else(|_| group.write("blkio.weight", weight))?;
        } else {
            // 10 to 1000 there, 1 to 10000 here.
            group.write("io.weight", format_args!("default {}", 1 + (weight - 10) * 9_999 / 990))?;
        }
    }
    // ANCHOR: io
    for limit in &io.limits {
        let ((major, minor), rate) = (limit.device, limit.per_second);
        let (v1, v2) = match limit.what {
            IoKind::ReadBytes => ("blkio.throttle.read_bps_device", "rbps"),
            IoKind::WriteBytes => ("blkio.throttle.write_bps_device", "wbps"),
            IoKind::ReadOperations => ("blkio.throttle.read_iops_device", "riops"),
            IoKind::WriteOperations => ("blkio.throttle.write_iops_device", "wiops"),
        };
        if is_v1 {
            group.write(v1, format_args!("{major}:{minor} {rate}"))?;
        } else {
            group.write("io.max", format_args!("{major}:{minor} {v2}={rate}"))?;
        }
    }
    // ANCHOR_END: io
    Ok(())
}
