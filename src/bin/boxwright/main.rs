//! The command line of boxwright: Docker's words, for the runtime that the labs grow into.

#![expect(clippy::print_stderr, reason = "this is where errors are printed, once")]

mod based;
mod commit;
mod exec;
mod ids;
mod images;
mod join;
mod layer;
mod look;
mod registry;
// The same that is a program of its own with the feature `runbox`. Here it costs no link after every edit of a lab.
#[path = "../runbox/command.rs"]
mod runbox;
mod stats;
mod tidy;
mod user;
mod volume;

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use boxwright::runtime::{own_program, run, update};
use boxwright::steps::{self, caps, limits};
use cli::{Command, Flags, Places, Run, Who, spec};
use model::caps::CapSet;
use model::plan::Resources;
use model::plan::seccomp::unknown_names;
use model::{Cgroup, During, Layers, Plan, Result, StateDir, VolumeDir, exit, size};

/// The exit code of a command that only looks, and did not find.
const NOT_SEEN: i32 = 1;

fn main() -> ExitCode {
    let Flags { root, command } = cli::parse();
    let is_run = matches!(command, Command::Run(_));
    let code = obey(root, command).unwrap_or_else(|error| {
        eprintln!("boxwright: {error}");
        match exit::code(&error) {
            exit::FAILED if !is_run => NOT_SEEN,
            code => code,
        }
    });
    // Every code is 0 to 255: a command's own, or 128 and a signal.
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn obey(root: Option<PathBuf>, command: Command) -> Result<i32> {
    match command {
        Command::Run(flags) => return start(&flags, root),
        Command::Exec(flags) => return exec::obey(&flags, root),
        Command::Runbox(flags) => return Ok(runbox::main(|| *flags)),
        Command::Images(words) => {
            steps::require(13)?;
            images::obey(words, &states(root)?)?;
        }
        Command::Ns { pid } => {
            steps::require(0)?;
            look::ns(pid)?;
        }
        Command::Ps { all } => look::ps(&states(root)?, all)?,
        Command::Diff { name } => {
            steps::require(12)?;
            states(root)?;
            layer::diff(&name)?;
        }
        Command::Rm { names } => {
            steps::require(12)?;
            states(root)?;
            names.iter().try_for_each(|name| layer::remove(name))?;
        }
        Command::Volume(command) => volume::obey(command, &states(root)?)?,
        Command::Stats { no_stream, format, names } => {
            steps::require(8)?;
            stats::show(&states(root)?, &names, format, no_stream)?;
        }
        Command::Pause { name } => {
            steps::require(8)?;
            limits::freeze(&states(root)?.running_cgroup(&name)?)?;
        }
        Command::Unpause { name } => {
            steps::require(8)?;
            limits::thaw(&states(root)?.running_cgroup(&name)?)?;
        }
        Command::Update { limits, name } => {
            limits.asks_for().into_iter().try_for_each(steps::require)?;
            let resources = Resources::from_oci(&cli::resources::resources(&limits)?)?;
            update::apply(&states(root)?.running_cgroup(&name)?, &resources)?;
        }
        Command::Inspect { name } => {
            let states = states(root)?;
            let store = engine::Store::of_the_caller();
            if steps::written(13) && states.find(&name).is_err() && images::find(&store, &name).is_ok() {
                images::inspect(&store, &name)?;
            } else {
                steps::require(9)?;
                look::inspect(&states, &name)?;
            }
        }
        Command::Top { name } => {
            steps::require(3)?;
            look::top(&states(root)?, &name)?;
        }
    }
    Ok(0)
}

/// Flags, spec, plan, run.
fn start(flags: &Run, root: Option<PathBuf>) -> Result<i32> {
    flags.asks_for().into_iter().try_for_each(steps::require)?;
    if flags.hold {
        // It stays, and others can look at it.
        own_program::seal()?;
    }
    let id = flags.name.clone().map_or_else(random_id, Ok)?;
    model::plan::checked_id(&id)?;
    let states = states(root)?;
    let places = Places {
        container: states.directory(&id),
        volumes: VolumeDir::of_the_caller(),
        layers: Layers::of_the_caller(),
    };
    let (based, held) = based::find(flags)?.unzip();
    let flags = based.as_ref().unwrap_or(flags);
    let others = join::Others::find(flags, &states)?;
    let ids = ids::choose(flags)?;
    let (user, home) = user::of_run(flags)?;
    let who = Who { user, home, ids: ids.as_ref(), available: available(ids.is_some())?, joins: &others.joins };
    let spec = spec::from_flags(flags, &id, &places, &who)?;
    let here = env::current_dir().during("getcwd", "the working directory")?;
    let (plan, left_out) = run::leave_out_unwritten(Plan::from_spec(&id, &spec, &here)?);
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    for (name, nearest) in seccomp.map(unknown_names).unwrap_or_default() {
        eprintln!("boxwright: seccomp: there is no system call {name:?}, and it is passed over; {nearest:?} is one");
    }
    if !left_out.is_empty() {
        let parts: Vec<_> = left_out.iter().map(|lab| format!("{} (lab {:02})", lab.gives, lab.number)).collect();
        eprintln!("boxwright: left out, not written yet: {}", parts.join(", "));
    }
    if flags.privileged {
        let whom = if ids.is_some() { "you, with all that you may do" } else { "root of this machine" };
        eprintln!("boxwright: --privileged: all capabilities, all devices, nothing hidden: root in there is {whom}");
    }
    let end = run::run(&plan, &spec, &states, held)?;
    if let Some(kills) = NonZero::new(end.oom_kills) {
        eprintln!("boxwright: {}", oom(kills, plan.resources.memory.limit_bytes));
    }
    Ok(end.code)
}

/// The capabilities that there are to be given: in a user namespace of its own every one that the kernel knows, else the
/// caller's.
fn available(is_own: bool) -> Result<CapSet> {
    let path = "/proc/sys/kernel/cap_last_cap";
    let last: u32 = fs::read_to_string(path).during("read", path)?.trim().parse().unwrap_or(u64::BITS - 1);
    let known = CapSet(u64::MAX >> (u64::BITS - 1 - last.min(u64::BITS - 1)));
    if is_own || !steps::written(10) {
        return Ok(known);
    }
    let status = fs::read_to_string("/proc/self/status").during("read", "/proc/self/status")?;
    Ok(caps::read(&status)?.permitted.and(known))
}

/// Why processes of a container are gone that nobody sent a signal to. Without a limit of its own, it was one of a group
/// above, or the machine's.
fn oom(kills: NonZero<u64>, limit_bytes: Option<i64>) -> String {
    let limit = limit_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    let why = match limit {
        Some(bytes) => format!("the memory limit of {} (--memory) was reached", size::text(bytes)),
        None => "memory ran out".to_owned(),
    };
    let processes = if kills.get() == 1 { "process" } else { "processes" };
    format!("{why}, and the kernel killed {kills} {processes} of the container")
}

/// The state directory, rid of what killed boxwrights left.
fn states(root: Option<PathBuf>) -> Result<StateDir> {
    let given = root.or_else(|| env::var_os("BOXWRIGHT_ROOT").map(PathBuf::from));
    let states = StateDir::open(&given.unwrap_or_else(StateDir::default_root))?;
    for name in states.sweep(remove_group, ids::empty)? {
        eprintln!("boxwright: swept {name}: the boxwright that ran it was killed");
    }
    Layers::of_the_caller().sweep(layer::empty)?;
    Ok(states)
}

/// Removes the cgroup of a container whose boxwright was killed.
fn remove_group(group: &Cgroup) -> Result<()> {
    // Made by lab 07, so there is none without it, but for a learner who starts the lab again.
    if steps::written(7) { steps::cpu::remove(group) } else { group.kill() }
}

/// 12 hexadecimal digits, as Docker shows an id.
fn random_id() -> Result<String> {
    let mut bytes = [0; 6];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).during("read", "/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
