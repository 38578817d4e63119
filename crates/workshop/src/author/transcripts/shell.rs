//! Runs commands one by one in a shell, as somebody at a terminal would type them.
//!
//! The shell reads a terminal, because a terminal hands out one line at a time: so a command that starts
//! another shell (`unshare --uts sh`) leaves the next lines to that one, and `exit` gives them back. What is
//! printed goes to a pipe, both outputs to the same, so that it comes in order. Between two commands the
//! shell itself prints a mark that no program prints by accident.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::Pid;

/// What the shell prints when a command is done: record separators do not occur in what people read.
const MARK: &str = "\x1e\x1e";
/// Prints it, starts no process (the first child after `unshare --pid` is special) and keeps `$?`.
const PRINT_MARK: &str = r#"eval "boxwright_mark() { printf '\\036\\036'; return $?; }"; boxwright_mark"#;

/// What a command printed, or why there is nothing to say about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Output {
    /// All of it; ends with a newline unless empty.
    Text(String),
    /// The time limit of the block ran out. With what it had printed.
    TooSlow(String),
    /// The shell had ended before this command.
    NotRun,
}

/// Runs `scripts` in one fresh `sh`, with `home` as its home and working directory and `programs` first in
/// PATH. The session ends, with all that still runs in it, when the last script is done or `limit` is over.
///
/// # Errors
/// The shell cannot be started.
pub fn run(scripts: &[String], home: &Path, programs: &Path, limit: Duration) -> io::Result<Vec<Output>> {
    let deadline = Instant::now() + limit;
    let mut shell = Shell::start(home, programs)?;
    let mut outputs = Vec::new();
    for script in scripts {
        let output = match outputs.last() {
            Some(Output::TooSlow(_) | Output::NotRun) => Output::NotRun,
            _ => shell.command(script, deadline)?,
        };
        outputs.push(output);
    }
    shell.end()?;
    Ok(outputs)
}

struct Shell {
    child: Child,
    keyboard: File,
    screen: File,
    ended: bool,
}

impl Shell {
    fn start(home: &Path, programs: &Path) -> io::Result<Self> {
        let terminal = openpty(None, None)?;
        // The commands see three descriptors, as they would at home.
        for end in [&terminal.master, &terminal.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let mut settings = tcgetattr(&terminal.slave)?;
        // No echo, and no byte of a script means "interrupt"; lines stay lines.
        settings.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(&terminal.slave, SetArg::TCSANOW, &settings)?;
        let (screen, print) = io::pipe()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path)));
        let child = Command::new("sh")
            .current_dir(home)
            .env_clear()
            .envs(
                std::env::vars_os()
                    .filter(|(name, _)| name == "TMPDIR" || name.to_string_lossy().starts_with("BOXWRIGHT_")),
            )
            .env("PATH", path.map_err(io::Error::other)?)
            .env("HOME", home)
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .stdin(terminal.slave)
            .stdout(print.try_clone()?)
            .stderr(print)
            .process_group(0)
            .spawn()?;
        let screen = File::from(OwnedFd::from(screen));
        Ok(Self { child, keyboard: File::from(terminal.master), screen, ended: false })
    }

    fn command(&mut self, script: &str, deadline: Instant) -> io::Result<Output> {
        if self.ended {
            return Ok(Output::NotRun);
        }
        let typed = format!("{script}\n{PRINT_MARK}\n");
        if self.keyboard.write_all(typed.as_bytes()).is_err() {
            self.ended = true;
            return Ok(Output::NotRun);
        }
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).map_err(io::Error::other)?;
            let mut wait = [PollFd::new(self.screen.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wait, timeout)? == 0 {
                return Ok(Output::TooSlow(text(&seen)));
            }
            let mut piece = [0; 4096];
            let count = self.screen.read(&mut piece)?;
            self.ended = count == 0;
            seen.extend(&piece[..count]);
            if let Some(end) = find(&seen, MARK.as_bytes()) {
                return Ok(Output::Text(text(&seen[..end])));
            }
            if self.ended {
                return Ok(Output::Text(text(&seen)));
            }
        }
    }

    fn end(mut self) -> io::Result<()> {
        // Whatever the block left running; the group may be empty by now.
        let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        self.child.wait().map(drop)
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// As it would stand on a page: UTF-8, each line ended, no carriage returns.
fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(scripts: &[&str], limit: Duration) -> Vec<Output> {
        let scripts: Vec<_> = scripts.iter().map(|&script| script.to_owned()).collect();
        let home = tempfile::tempdir().unwrap();
        run(&scripts, home.path(), Path::new("/nowhere"), limit).unwrap()
    }

    fn outputs(scripts: &[&str]) -> Vec<String> {
        let text = |output| match output {
            Output::Text(text) => text,
            other => panic!("{other:?}"),
        };
        session(scripts, Duration::from_secs(20)).into_iter().map(text).collect()
    }

    #[test]
    fn commands_share_a_shell_and_both_outputs_come_in_order() {
        let seen = outputs(&["a=1; cd /", "echo $a; ls /nonexistent; pwd", "printf x"]);
        assert_eq!(seen[0], "");
        assert!(seen[1].starts_with("1\nls: ") && seen[1].ends_with("\n/\n"), "{}", seen[1]);
        assert_eq!(seen[2], "x\n");
    }

    #[test]
    fn a_shell_in_the_shell_gets_the_next_lines() {
        let seen = outputs(&["a=outer", "a=inner sh", "echo $a", "exit 3", "echo $? $a"]);
        assert_eq!(seen, ["", "", "inner\n", "", "3 outer\n"]);
    }

    #[test]
    fn several_lines_are_one_command() {
        assert_eq!(outputs(&["cat <<END\none\ntwo\nEND"]), ["one\ntwo\n"]);
    }

    #[test]
    fn nothing_runs_after_the_shell_has_ended_or_the_time_is_over() {
        let ended = session(&["echo a; exit", "echo b"], Duration::from_secs(20));
        assert_eq!(ended, [Output::Text("a\n".into()), Output::NotRun]);
        let slow = session(&["echo a; sleep 600", "echo b"], Duration::from_millis(300));
        assert_eq!(slow, [Output::TooSlow("a\n".into()), Output::NotRun]);
    }

    #[test]
    fn what_is_left_running_does_not_hold_the_session() {
        let start = Instant::now();
        assert_eq!(outputs(&["sleep 600 & echo on"]), ["on\n"]);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
