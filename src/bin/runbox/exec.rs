//! `runbox exec`: one process more in a container that runs.

use std::fs;
use std::io;

use boxwright::runtime::making::Looker;
use boxwright::runtime::run::leave_out_unwritten;
use boxwright::runtime::{found, settings};
use boxwright::steps::{self, lifecycle};
use cli::runbox::Exec;
use model::{Container, During, Error, Plan, Result, StateDir, Status};
use oci_spec::runtime::{Capability, LinuxCapabilities, Process, UserBuilder};

/// Starts the process; unless it is to be left alone, waits for its end. The exit code is the process's.
pub fn obey(flags: &Exec, states: &StateDir) -> Result<i32> {
    steps::require(15)?;
    settings::claim_fds(flags.preserve_fds)?;
    let container = states.container(&flags.id)?;
    check(&container, flags.ignore_paused)?;
    let config = container.config()?;
    let noted = config.process().as_ref().ok_or_else(|| Error::invalid("process", "", "a command to run"))?;
    let process = process(flags, noted)?;
    let (mut plan, missing) = leave_out_unwritten(Plan::joining(&flags.id, &config, process, true)?);
    missing.first().map_or(Ok(()), |lab| steps::require(lab.number))?;
    plan.kept_fds = flags.preserve_fds;
    plan.new_keyring = container.state.oci.as_ref().is_some_and(|oci| !oci.old_keyring);
    plan.subgroup.clone_from(&flags.cgroup);
    let looker = flags.console_socket.clone().map_or(Looker::Caller, Looker::Socket);
    // Whoever names capabilities may mean more than the container's own process has.
    let is_privileged = flags.process.is_some() || !flags.cap.is_empty();
    let made = found::exec(&container, &plan, is_privileged, &looker, flags.detach)?;
    if let Some(path) = &flags.pid_file {
        lifecycle::write_whole(path, made.pid.to_string().as_bytes())?;
    }
    if flags.detach { Ok(0) } else { made.wait() }
}

fn check(container: &Container, ignores_paused: bool) -> Result<()> {
    let why = match lifecycle::status(container) {
        Status::Created | Status::Running => return Ok(()),
        Status::Paused if ignores_paused => return Ok(()),
        // It would be stopped on its way in.
        Status::Paused => "it is paused: `runbox resume` lets it go on",
        _ => "cannot exec in a stopped container",
    };
    Err(io::Error::other(why)).during("exec in", &container.state.id)
}

/// The process that is asked for: as a file has it, or by the flags, and for the rest the container's own.
fn process(flags: &Exec, noted: &Process) -> Result<Process> {
    if let Some(path) = &flags.process {
        let text = fs::read(path).during("read", path.display())?;
        return serde_json::from_slice(&text).map_err(io::Error::from).during("read", path.display());
    }
    let mut process = noted.clone();
    process.set_args(Some(flags.command.clone())).set_terminal(Some(flags.tty)).set_console_size(None);
    let env = noted.env().iter().flatten().chain(&flags.env).cloned().collect();
    process.set_env(Some(env));
    if let Some(cwd) = &flags.cwd {
        process.set_cwd(cwd.clone());
    }
    if flags.user.is_some() || !flags.additional_gids.is_empty() {
        process.set_user(user(flags, noted)?);
    }
    if flags.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    if let Some(profile) = &flags.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if let Some(label) = &flags.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    if !flags.cap.is_empty() {
        let sets = process.capabilities().clone().unwrap_or_default();
        process.set_capabilities(Some(with(sets, &flags.cap)?));
    }
    Ok(process)
}

fn user(flags: &Exec, noted: &Process) -> Result<oci_spec::runtime::User> {
    let asked = flags.user.clone().unwrap_or_default();
    let (uid, gid) = asked.split_once(':').map_or((asked.as_str(), None), |(uid, gid)| (uid, Some(gid)));
    let number = |text: &str| text.parse::<u32>().ok();
    let invalid = || Error::invalid("--user", &asked, "numbers: UID, or UID:GID");
    let uid = if uid.is_empty() { noted.user().uid() } else { number(uid).ok_or_else(invalid)? };
    let gid = gid.map_or(Ok(noted.user().gid()), |gid| number(gid).ok_or_else(invalid))?;
    let made = UserBuilder::default().uid(uid).gid(gid).additional_gids(flags.additional_gids.clone()).build();
    made.map_err(io::Error::other).during("make", "process.user")
}

/// The sets with these capabilities in each of them but the ambient one.
fn with(mut sets: LinuxCapabilities, names: &[String]) -> Result<LinuxCapabilities> {
    let named = |name: &String| {
        let upper = name.to_ascii_uppercase();
        // As engines write it, and as the crate does.
        let capability = upper.strip_prefix("CAP_").unwrap_or(&upper).parse::<Capability>();
        capability.or(Err(Error::invalid("--cap", name, "a capability like CAP_KILL")))
    };
    let more = names.iter().map(named).collect::<Result<Vec<_>>>()?;
    let add = |set: &Option<oci_spec::runtime::Capabilities>| {
        Some(set.iter().flatten().copied().chain(more.iter().copied()).collect())
    };
    let (bounding, effective, permitted) = (add(sets.bounding()), add(sets.effective()), add(sets.permitted()));
    sets.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    Ok(sets)
}
