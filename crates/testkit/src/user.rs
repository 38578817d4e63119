//! A shield whose learner is an ordinary user with subordinate ids: where rootless containers start.
//!
//! With one id mapped, the shield itself would hide what such a user meets: `setgroups` would be denied for good, and
//! there would be no range to give away. So the shield maps 0, the user and a range; `newuidmap` and `/etc/subuid`
//! inside are its own.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Pid, Uid, chown, getgid, getuid, setgroups, setresgid, setresuid};

use crate::rootfs;

/// The uid and gid of the user inside.
pub const USER: u32 = 1000;
/// What `/etc/subuid` and `/etc/subgid` give the user inside: first id, count.
pub const SUBORDINATE: (u32, u32) = (100_000, 65_535);

/// Fork 1, when it is not root: enters a user namespace whose ids the test process maps meanwhile.
pub fn enter_user_namespace(mut parent: &UnixStream) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWUSER)?;
    parent.write_all(&[0])?;
    // End of file: the test process could not map.
    parent.read_exact(&mut [0])?;
    become_id(0)
}

/// The test process: maps the ids of `child`, once it says that it is in its user namespace.
pub fn map(child: Pid, mut stream: &UnixStream) -> io::Result<()> {
    if stream.read_exact(&mut [0]).is_err() {
        return Ok(()); // it died, and says why over its own pipe
    }
    for (program, file, own) in
        [("newuidmap", "/etc/subuid", getuid().as_raw()), ("newgidmap", "/etc/subgid", getgid().as_raw())]
    {
        let (first, count) = own_range(file)?;
        let lines = [[0, first, 1], [USER, own, 1], [SUBORDINATE.0, first + 1, SUBORDINATE.1.min(count - 1)]];
        let numbers = lines.as_flattened().iter().map(u32::to_string);
        let output = Command::new(program).arg(child.to_string()).args(numbers).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    stream.write_all(&[0])
}

/// Fork 2: an `/etc` that knows the user, and a set-UID `newuidmap` that works in here.
pub fn furnish(directory: &Path) -> io::Result<()> {
    let (etc, bin) = (directory.join("etc"), directory.join("bin"));
    fs::create_dir(&etc)?;
    fs::create_dir(&bin)?;
    let without_user = |file: &str| {
        let text = fs::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
        let lines = text.lines().filter(|line| line.split(':').nth(2) != Some(&USER.to_string()));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let range = format!("learner:{}:{}\n", SUBORDINATE.0, SUBORDINATE.1);
    for (file, text) in [
        ("passwd", format!("{}learner:x:{USER}:{USER}::{}:/bin/sh\n", without_user("passwd"), directory.display())),
        ("group", format!("{}learner:x:{USER}:\n", without_user("group"))),
        ("subuid", range.clone()),
        ("subgid", range),
    ] {
        fs::write(etc.join(file), text)?;
        let target = Path::new("/etc").join(file);
        mount(Some(&etc.join(file)), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    for name in ["newuidmap", "newgidmap"] {
        let program = rootfs::find(name).ok_or_else(|| io::Error::other(format!("{name} is not in PATH")))?;
        let copy = bin.join(name);
        fs::copy(&program, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755))?;
        // In its place, for whoever calls it by its path: the set-user-ID bit of an owner who is nobody in here is void.
        mount(Some(&copy), &program, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    Ok(())
}

/// Fork 2: the directories of the test belong to the user.
pub fn give_directories(directory: &Path) -> io::Result<()> {
    let user = (Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER)));
    for own in ["", "tmp", "state", "data", "disk"] {
        chown(&directory.join(own), user.0, user.1)?;
    }
    Ok(())
}

/// Takes on `id` as user and group, with no supplementary groups, for good.
pub fn become_id(id: u32) -> io::Result<()> {
    setgroups(&[])?;
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    // A change of user makes /proc/self root's, uid_map with it; and the learner writes one.
    Ok(prctl::set_dumpable(true)?)
}

fn own_range(file: &str) -> io::Result<(u32, u32)> {
    let name = nix::unistd::User::from_uid(getuid())?.map(|user| user.name).unwrap_or_default();
    let names = [name, getuid().to_string()];
    let text = fs::read_to_string(file)?;
    let range = text.lines().find_map(|line| {
        let mut words = line.split(':');
        let mine = words.next().is_some_and(|owner| names.iter().any(|own| own == owner));
        let numbers = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (mine && numbers.1 > 1).then_some(numbers)
    });
    range.ok_or_else(|| io::Error::other(format!("{file} has no line for {}", names[1])))
}
