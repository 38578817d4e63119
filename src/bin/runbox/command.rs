//! The command line of runbox: runc's words, for engines that look for an OCI runtime.

mod exec;
mod limit;
mod log;
mod look;
mod template;

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use boxwright::runtime::making::{self, Looker, Order};
use boxwright::runtime::{bundle, found, own_program, settings, signals};
use boxwright::steps::{self, lifecycle, limits};
use cli::runbox::{Command, Create, Flags, Global, Run};
use model::{Error, Result, StateDir, exit, ids};
use nix::errno::Errno;
use nix::unistd::geteuid;

/// Obeys what `parse` reads, and tells what went wrong: the exit code.
pub fn main(parse: impl FnOnce() -> Flags) -> i32 {
    // Of these commands a process goes where it is not trusted. It starts again for that: before the command line is read, which is
    // not to be done twice, so that a container that only has such a name costs one exec(2) in vain.
    let goes_in = |word: OsString| ["create", "run", "exec"].iter().any(|command| word == *command);
    if env::args_os().any(goes_in)
        && let Err(error) = own_program::seal()
    {
        say(&error);
        return 1;
    }
    let Flags { global, command } = parse();
    obey(&global, command).unwrap_or_else(|error| {
        let words = words(&error);
        say(&words);
        log::write(&global, "error", &words);
        match exit::code(&error) {
            exit::UNWRITTEN => exit::UNWRITTEN,
            // Engines know this one.
            _ => 1,
        }
    })
}

fn obey(global: &Global, command: Command) -> Result<i32> {
    // A container's state is lab 16's word.
    let states = || steps::require(16).and_then(|()| StateDir::open(&global.root.clone().unwrap_or_else(default_root)));
    match command {
        Command::Create(flags) => {
            let states = states()?;
            drop(making::create(&order(flags, global)?, &states, |errors| warn(global, errors))?);
        }
        Command::Start { id } => warn(global, &lifecycle::start(&id, &states()?)?),
        Command::Run(flags) => return run(flags, global, &states()?),
        Command::State { id } => look::state(&states()?, &id)?,
        Command::Kill { all, id, signal } => lifecycle::kill(&id, signals::number(&signal)?, all, &states()?)?,
        Command::Delete { force, id } => warn(global, &lifecycle::delete(&id, force, &states()?)?),
        Command::Ps { format, id, options } => look::ps(&states()?, &id, format, &options)?,
        Command::List { format, quiet } => look::list(&states()?, format, quiet)?,
        Command::Pause { id } => limits::freeze(&found::running(&id, &states()?)?.cgroup()?)?,
        Command::Resume { id } => limits::thaw(&found::paused(&id, &states()?)?.cgroup()?)?,
        Command::Spec { bundle, rootless } => template::write(bundle.as_deref().unwrap_or(Path::new(".")), rootless)?,
        Command::Features => look::features()?,
        Command::Checkpoint(_) | Command::Restore(_) => return Err(no_criu()),
        Command::Exec(flags) => return exec::obey(&flags, &states()?),
        Command::Events { interval, stats, id } => limit::events(&id, stats, &interval, &states()?)?,
        Command::Update(flags) => limit::update(&flags, &states()?)?,
    }
    Ok(0)
}

/// What is told of an error: by these words engines know which exit code is theirs, 127 or 126.
fn words(error: &Error) -> String {
    match exit::code(error) {
        exit::NOT_FOUND => format!("{error} (executable file not found)"),
        exit::NOT_EXECUTABLE if error.errno() == Some(Errno::EACCES) => format!("{error} (permission denied)"),
        _ => error.to_string(),
    }
}

/// Where state goes when nobody says. A rootless engine calls from a user namespace of its own: whoever is root there alone is not
/// at home in /run.
fn default_root() -> PathBuf {
    let of_machine = || fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| ids::are_machines(&map));
    match (geteuid(), env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty())) {
        (user, Some(directory)) if !user.is_root() || !of_machine() => PathBuf::from(directory).join("runbox"),
        (user, _) if user.is_root() => "/run/runbox".into(),
        (user, _) => format!("/tmp/runbox-{user}").into(),
    }
}

/// What the flags and the bundle ask for.
fn order(flags: Create, global: &Global) -> Result<Order> {
    settings::claim_fds(flags.preserve_fds)?;
    if flags.no_pivot {
        let right = "left out: without pivot_root, whoever is root in a container can walk out of its root directory";
        return Err(Error::invalid("--no-pivot", "", right));
    }
    let (mut order, warnings) = bundle::order(&flags.id, &flags.bundle)?;
    warn(global, &warnings);
    (order.plan.kept_fds, order.plan.new_keyring) = (flags.preserve_fds, !flags.no_new_keyring);
    order.oci.old_keyring = flags.no_new_keyring;
    order.looker = flags.console_socket.map_or(Looker::Caller, Looker::Socket);
    order.pid_file = flags.pid_file;
    Ok(order)
}

/// create, start, and unless it is to be left alone, wait and delete.
fn run(flags: Run, global: &Global, states: &StateDir) -> Result<i32> {
    let order = Order { stays: !flags.detach, ..order(flags.create, global)? };
    let made = making::create(&order, states, |errors| warn(global, errors))?;
    let started = lifecycle::start(&order.plan.id, states).map(|errors| warn(global, &errors));
    if started.is_ok() && flags.detach {
        return Ok(0);
    }
    let code = if started.is_ok() { made.wait() } else { Ok(1) };
    if started.is_err() || !flags.keep {
        warn(global, &lifecycle::delete(&order.plan.id, true, states)?);
    }
    started.and(code)
}

/// Errors are printed here, once. Where nobody can be told, the exit code is all there is.
fn say(words: &impl Display) {
    let _ = writeln!(io::stderr(), "runbox: {words}");
}

/// Tells what went wrong and changed nothing.
fn warn(global: &Global, messages: &[impl Display]) {
    for message in messages {
        say(&format_args!("warning: {message}"));
        log::write(global, "warning", &message.to_string());
    }
}

fn no_criu() -> Error {
    Error::invalid("command", "checkpoint, restore", "none: it takes CRIU, which this runtime does not call")
}
