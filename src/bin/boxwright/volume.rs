//! `volume ls`, `inspect` and `rm`.

use std::path::Path;

use cli::Volume;
use model::{During, Result, StateDir, VolumeDir};
use nix::errno::Errno;

use crate::look::print;

/// Does what `command` says.
pub fn obey(command: Volume, states: &StateDir) -> Result<()> {
    let volumes = VolumeDir::of_the_caller();
    match command {
        Volume::Ls => print(&volumes.names()?.iter().map(|name| format!("{name}\n")).collect::<String>()),
        Volume::Inspect { name } => {
            let data = volumes.find(&name)?;
            let users = match users(states, &data)? {
                users if users.is_empty() => "nobody".into(),
                users => users.join(" "),
            };
            print(&format!("name       {name}\ncontent    {}\nused by    {users}\n", data.display()))
        }
        Volume::Rm { names } => names.iter().try_for_each(|name| {
            let users = users(states, &volumes.find(name)?)?;
            if !users.is_empty() {
                return Err(Errno::EBUSY)
                    .during("remove the volume", format_args!("{name} (used by {})", users.join(" ")));
            }
            volumes.remove(name)
        }),
    }
}

/// The running containers that have `data` mounted.
fn users(states: &StateDir, data: &Path) -> Result<Vec<String>> {
    let running = states.running()?.into_iter();
    Ok(running.filter(|state| state.sources.iter().any(|source| source == data)).map(|state| state.id).collect())
}
