//! `exec`: what a process is to be that joins a container, as the OCI configuration has it.

use std::io;

use model::caps::{CapSet, CapSets};
use model::plan::User;
use model::{During, Result, plan};
use oci_spec::runtime::{Process, UserBuilder};

use crate::caps;
use crate::flags::Exec;
use crate::spec::last_of_each;

/// The process that `flags` ask for, in a container whose own one is `noted`. `who` is another user and their home directory;
/// `all` are the capabilities that there are to be given, when it is to have every one.
///
/// # Errors
/// [`model::Error::Os`] for what the configuration cannot say. Any wrong value is [`model::Plan`]'s to refuse.
pub fn process(flags: &Exec, noted: &Process, who: Option<(User, String)>, all: Option<CapSet>) -> Result<Process> {
    let mut process = noted.clone();
    let mut env = noted.env().clone().unwrap_or_default();
    let has_term = env.iter().any(|pair| pair.starts_with("TERM="));
    env.extend((flags.tty && !has_term).then(|| "TERM=xterm".into()));
    if let Some((user, home)) = &who {
        env.push(format!("HOME={home}"));
        let made = UserBuilder::default().uid(user.uid).gid(user.gid).additional_gids(user.groups.clone()).build();
        process.set_user(made.map_err(io::Error::other).during("make", "process.user")?);
    }
    env.extend(flags.env.iter().cloned());
    process.set_env(Some(last_of_each(env))).set_args(Some(flags.command.clone())).set_terminal(Some(flags.tty));
    process.set_cwd(flags.workdir.clone().unwrap_or_else(|| noted.cwd().clone()));
    // The container's own command may have a size, and a score, that are not this one's.
    process.set_console_size(None).set_oom_score_adj(None);
    let is_root = process.user().uid() == 0;
    let bounding = all.or_else(|| Some(plan::caps(noted.capabilities().as_ref()?).bounding));
    if let Some(bounding) = bounding.filter(|_| who.is_some() || all.is_some()) {
        // Root's programs get what is in the bounding set, anybody else's nothing.
        let own = if is_root { bounding } else { CapSet::EMPTY };
        let none = CapSet::EMPTY;
        let sets = CapSets { bounding, permitted: own, effective: own, inheritable: none, ambient: none };
        let made = caps::to_oci(&sets).map_err(io::Error::other);
        process.set_capabilities(Some(made.during("make", "process.capabilities")?));
    }
    Ok(process)
}
