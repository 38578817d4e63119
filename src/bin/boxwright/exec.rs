//! `boxwright exec`: one process more in a container that runs.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use boxwright::runtime::enter::{self, Guest};
use boxwright::runtime::{own_program, run};
use boxwright::steps::{self, join, written};
use cli::{Exec, exec};
use model::{During, Plan, Result};

use super::{available, states, user};

/// Runs the command in the container, and returns its exit code.
pub fn obey(flags: &Exec, root: Option<PathBuf>) -> Result<i32> {
    steps::require(15)?;
    // What runs in the container for a moment is not the host's file.
    own_program::seal()?;
    let states = states(root)?;
    let state = states.find_up(&flags.name)?;
    let container = states.container(&flags.name)?;
    if container.is_frozen() {
        // It would be stopped on its way in.
        let why = format!("it is paused: `boxwright unpause {}`", flags.name);
        return Err(io::Error::other(why)).during("exec in", &flags.name);
    }
    let config = container.config()?;
    let noted = config.process().as_ref().ok_or_else(|| io::Error::other("it has no process"));
    let noted = noted.during("read the configuration of", &flags.name)?;
    let process = join::open(state.pid(), state.started_ticks)?;
    let who = flags.user.as_deref().map(|asked| {
        let path = process.proc("root");
        let root = written(6).then(|| File::open(&path).during("open", path.display())).transpose()?;
        process.lives()?;
        user::find(Some(asked), &[], &root.iter().map(AsFd::as_fd).collect::<Vec<_>>())
    });
    let all = flags.privileged.then(|| {
        let has_ids = config.linux().as_ref().is_some_and(|linux| linux.uid_mappings().is_some());
        available(has_ids)
    });
    let process = exec::process(flags, noted, who.transpose()?, all.transpose()?)?;
    let (plan, _) = run::leave_out_unwritten(Plan::joining(&flags.name, &config, process, flags.interactive)?);
    enter::run(&Guest { state: &state, plan: &plan, privileged: flags.privileged, leashed: true })
}
