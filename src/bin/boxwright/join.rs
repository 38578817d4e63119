//! `--ipc container:NAME` and its like: what a container shares with others that run.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use boxwright::steps::join;
use cli::{Run, Whose};
use model::plan::Join;
use model::{During, Error, NsKind, Result, StateDir, borrowed_userns};

/// The namespaces of other containers. The paths lead to them for as long as this is held, whoever ends meanwhile.
#[derive(Debug, Default)]
pub struct Others {
    /// What a plan is told of them.
    pub joins: Vec<Join>,
    _open: Vec<OwnedFd>,
}

impl Others {
    /// Those that the flags ask for.
    pub fn find(flags: &Run, states: &StateDir) -> Result<Others> {
        refuse_what_is_nobodys(flags)?;
        let mut others = Others::default();
        for (kind, name) in flags.others() {
            let state = states.find_up(name)?;
            let process = join::open(state.pid(), state.started_ticks)?;
            let differing = join::differing(&process)?;
            let mut kinds = vec![kind];
            // Without root's powers, whoever joins a namespace has to be root where it belongs to. Once is enough.
            let is_known = others.joins.iter().any(|join| join.kind == NsKind::User);
            if borrowed_userns::is_needed() && differing.contains(&NsKind::User) && !is_known {
                kinds.push(NsKind::User);
            }
            // What it shares with us already, there is no need to join.
            for kind in kinds.into_iter().filter(|kind| differing.contains(kind)) {
                let path = process.proc(&format!("ns/{kind}"));
                let fd: OwnedFd = File::open(&path).during("open", path.display())?.into();
                let path = Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string());
                others.joins.push(Join { kind, path });
                others._open.push(fd);
            }
            process.lives()?;
        }
        Ok(others)
    }
}

/// Words that have a meaning elsewhere, and none here so far.
fn refuse_what_is_nobodys(flags: &Run) -> Result<()> {
    let right = match (&flags.network, &flags.pid, &flags.uts) {
        (Some(Whose::Private), ..) => {
            ("--network", "private", "host or container:NAME: networks of its own come with lab 14")
        }
        (_, Some(Whose::Host), _) => ("--pid", "host", "private or container:NAME"),
        (_, _, Some(Whose::Host)) => ("--uts", "host", "private or container:NAME"),
        (_, _, Some(Whose::Container(_))) if flags.hostname.is_some() || flags.domainname.is_some() => {
            ("--uts", "container:NAME", "without --hostname and --domainname: the names are the other container's")
        }
        _ => return Ok(()),
    };
    let (flag, value, words) = right;
    Err(Error::invalid(flag, value, words))
}
