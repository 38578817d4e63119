//! Runs a hook: the container's state on its standard input, its words in the error if it fails.

#![allow(unsafe_code, reason = "what is done between fork and exec has no safe wrapper")]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use model::plan::hooks::Hook;
use model::plan::seccomp::Policy;
use model::{During, Oci, Result, Status};
use nix::sched::{CloneFlags, setns};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::Pid;

use super::pidfd;
use crate::steps::seccomp;

/// What hooks are told of a container.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// What does not change.
    pub oci: &'a Oci,
    /// Its name.
    pub id: &'a str,
    /// Where it is in its life.
    pub status: Status,
    /// Its first process, as the hook knows it; 0 for none.
    pub pid: i32,
}

/// Runs hooks one after the other, until one fails.
///
/// # Errors
/// What kept one from being run, how it ended, or that it took too long.
pub fn run(hooks: &[Hook], kind: &'static str, told: Told<'_>) -> Result<()> {
    run_as(Caller::default(), hooks, kind, told)
}

/// The process that a hook is called for, when that is not the runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller<'a> {
    /// Its environment.
    pub env: Option<&'a [CString]>,
    /// What it may call.
    pub policy: Option<&'a Policy>,
}

/// As [`run`], for a process whose filter and environment the hooks get.
pub fn run_as(caller: Caller<'_>, hooks: &[Hook], kind: &'static str, told: Told<'_>) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    let state = told.oci.told(told.id, told.status, told.pid).to_string();
    hooks.iter().try_for_each(|hook| call(caller, hook, kind, &state))
}

/// As [`run`], all of them, whatever becomes of one: what went wrong with each.
pub fn run_all(hooks: &[Hook], kind: &'static str, told: Told<'_>) -> Vec<model::Error> {
    hooks.iter().filter_map(|hook| run(std::slice::from_ref(hook), kind, told).err()).collect()
}

fn call(caller: Caller<'_>, hook: &Hook, kind: &'static str, state: &str) -> Result<()> {
    // A file in memory, not a pipe: it can be as long as it likes, and a hook that does not read it ends nobody.
    let input = memory(state)?;
    let output = memory("")?;
    let mut said = output.try_clone().during("dup", "a hook's output")?;
    let mut command = Command::new(&hook.path);
    let text = |text: &CString| OsStr::from_bytes(text.as_bytes()).to_owned();
    if let Some((name, args)) = hook.args.split_first() {
        command.arg0(text(name)).args(args.iter().map(text));
    }
    if let Some(env) = hook.env.as_deref().or(caller.env) {
        let pair = |pair: &CString| {
            let mut parts =
                pair.as_bytes().splitn(2, |byte| *byte == b'=').map(|part| OsStr::from_bytes(part).to_owned());
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        };
        command.env_clear().envs(env.iter().map(pair));
    }
    if let Some(policy) = caller.policy {
        let (filter, flags) = (seccomp::assemble(policy)?, policy.flags);
        let install = move || seccomp::install(&filter, flags).map(drop).map_err(io::Error::other);
        // SAFETY: this process has one thread, so that no lock can be held by a thread that the child lacks.
        unsafe { command.pre_exec(install) };
    }
    let errors = output.try_clone().during("dup", "a hook's output")?;
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
    let name = || format!("{kind} hook {}", hook.path.display());
    let mut child = command.spawn().during("run", name())?;
    let process = pidfd::open(Pid::from_raw(child.id().cast_signed()))?;
    let ended = process.map_or(Ok(true), |process| pidfd::wait(&process, hook.timeout))?;
    if !ended {
        child.kill().during("kill", name())?;
    }
    let status = child.wait().during("wait for", name())?;
    if !ended {
        return Err(io::Error::from(io::ErrorKind::TimedOut)).during("run", name());
    }
    if status.success() { Ok(()) } else { Err(io::Error::other(words(status, &mut said))).during("run", name()) }
}

/// How a hook ended, and the end of what it said.
fn words(status: ExitStatus, said: &mut File) -> String {
    let mut text = Vec::new();
    let _ = said.rewind().and_then(|()| said.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let last = text.trim().lines().rev().take(5).collect::<Vec<_>>();
    let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    if last.is_empty() { status.to_string() } else { format!("{status}: {last}") }
}

fn memory(text: &str) -> Result<File> {
    let fd: OwnedFd = memfd_create("hook", MFdFlags::MFD_CLOEXEC).during("memfd_create", "a hook")?;
    let mut file = File::from(fd);
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).during("write", "a hook's input")?;
    Ok(file)
}

/// Whoever started PID 1 of a new namespace has its next child in there, too, unless it says otherwise.
pub fn back_to_own_pids() -> Result<()> {
    let own = File::open("/proc/self/ns/pid").during("open", "/proc/self/ns/pid")?;
    setns(own, CloneFlags::CLONE_NEWPID).during("setns", "CLONE_NEWPID")
}
