//! `ns`, `ps`, `top` and `inspect`: they look and change nothing.

use std::fs;
use std::io::{self, Write};

use boxwright::steps::{caps, namespace, pid, userns, written};
use model::ids::IdRange;
use model::{During, Error, Layers, NsKind, Result, StateDir};
use nix::errno::Errno;
use nix::unistd::Pid;
use serde_json::json;

/// `boxwright ns [PID]`: what `ls -l /proc/PID/ns` and `lsns` tell, and what is the caller's own too.
pub fn ns(pid: Option<i32>) -> Result<()> {
    let me = Pid::this();
    let pid = pid.map_or(me, Pid::from_raw);
    let mut table = String::from("KIND               ID            PROCESSES  YOURS\n");
    for kind in NsKind::ALL {
        let id = match namespace::identity(pid, kind) {
            Ok(id) => id,
            // Not in this kernel, or not yet: PID 1 of the namespace for children may still be to come.
            Err(Error::NoNamespace { .. }) => continue,
            Err(error) if error.errno() == Some(Errno::EACCES) => return Err(not_yours(pid)),
            Err(error) => return Err(error),
        };
        let members = namespace::list(kind)?.into_iter().find(|other| other.id == id).map_or(0, |it| it.members.len());
        let yours = if namespace::same(pid, me, kind)? { "yes" } else { "no" };
        table += &format!("{kind:<18} {:<13} {members:>9}  {yours}\n", id.to_string());
    }
    print(&table)
}

fn not_yours(pid: Pid) -> Error {
    let what = format!("the namespaces of process {pid} (looking takes the right to trace it: its owner's or root's)");
    Err::<(), _>(Errno::EACCES).during("look at", what).expect_err("it was made as one")
}

/// `boxwright ps`: the running containers; with `all`, those too of which no more than a layer is left.
pub fn ps(states: &StateDir, all: bool) -> Result<()> {
    let mut table = String::from("NAME                 PID  COMMAND\n");
    let running = states.running()?;
    for state in &running {
        table += &format!("{:<15} {:>8}  {}\n", state.id, state.pid, state.args.join(" "));
    }
    let layers = Layers::of_the_caller();
    for name in if all { layers.names()? } else { Vec::new() } {
        if running.iter().all(|state| state.id != name) {
            let command = match layers.find(&name) {
                // Gone in the meantime.
                Err(error) if error.errno() == Some(Errno::ENOENT) => continue,
                kept => kept.map_or_else(|error| format!("({error})"), |kept| kept.args.join(" ")),
            };
            table += &format!("{name:<15} {:>8}  {command}\n", "ended");
        }
    }
    print(&table)
}

/// `boxwright top NAME`: the processes in a container's PID namespace, by both of their PIDs.
pub fn top(states: &StateDir, name: &str) -> Result<()> {
    let state = states.find(name)?;
    let namespace_of = |pid: Pid| fs::read_link(format!("/proc/{pid}/ns/pid"));
    let container = namespace_of(state.pid()).during("readlink", format_args!("/proc/{}/ns/pid", state.pid))?;
    let mut table = String::from("  INSIDE   OUTSIDE  COMMAND\n");
    for pid in processes()? {
        // A process that ends while we look is left out.
        let (true, Ok(status)) = (
            namespace_of(pid).is_ok_and(|namespace| namespace == container),
            fs::read_to_string(format!("/proc/{pid}/status")),
        ) else {
            continue;
        };
        let inside = pid::ns_pids(&status)?.last().copied().unwrap_or(pid);
        table += &format!("{:>8}  {:>8}  {}\n", inside.as_raw(), pid.as_raw(), command(pid, &status));
    }
    print(&table)
}

/// `boxwright inspect NAME`: the container as it was made, and its first process as the kernel has it, one JSON object. The
/// maps are under the names that OCI has for them.
pub fn inspect(states: &StateDir, name: &str) -> Result<()> {
    let state = states.find(name)?;
    let map = |file: &str| {
        let path = format!("/proc/{}/{file}", state.pid);
        let ranges = userns::parse(&fs::read_to_string(&path).during("read", path)?)?;
        let mapping = |it: &IdRange| json!({"containerID": it.inside, "hostID": it.outside, "size": it.count});
        Ok::<_, Error>(ranges.iter().map(mapping).collect::<Vec<_>>())
    };
    let status = format!("/proc/{}/status", state.pid);
    let status = fs::read_to_string(&status).during("read", status)?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().parse::<u32>().unwrap_or(0)
    };
    let sets = if written(10) { Some(caps::read(&status)?) } else { None };
    let sets = sets.map(|sets| {
        json!({
            "bounding": sets.bounding.names(),
            "effective": sets.effective.names(),
            "permitted": sets.permitted.names(),
            "inheritable": sets.inheritable.names(),
            "ambient": sets.ambient.names(),
        })
    });
    // Nothing to read where no module gives labels.
    let label = fs::read_to_string(format!("/proc/{}/attr/current", state.pid)).ok();
    let cgroup: Vec<_> = states.cgroup(&state)?.paths().iter().map(|path| path.display().to_string()).collect();
    let seen = json!({
        "id": state.id,
        "pid": state.pid,
        "args": state.args,
        "createdUnix": state.created_unix_s,
        "sources": state.sources,
        "cgroup": cgroup,
        "uidMappings": map("uid_map")?,
        "gidMappings": map("gid_map")?,
        "capabilities": sets,
        "noNewPrivileges": number("NoNewPrivs:") == 1,
        "seccompFilters": number("Seccomp_filters:"),
        "label": label.map(|label| label.trim_end_matches(['\0', '\n']).to_owned()),
    });
    print(&format!("{seen:#}\n"))
}

fn processes() -> Result<Vec<Pid>> {
    let names = fs::read_dir("/proc").during("readdir", "/proc")?.flatten().map(|entry| entry.file_name());
    let mut pids: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids.into_iter().map(Pid::from_raw).collect())
}

/// The command line, or the name in brackets of a process that has none: a zombie.
fn command(pid: Pid, status: &str) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
    let name = status.lines().find_map(|line| line.strip_prefix("Name:\t")).unwrap_or_default();
    if line.is_empty() { format!("[{name}]") } else { line }
}

/// Standard output, in one piece. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.during("write", "standard output"),
    }
}
