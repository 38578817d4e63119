//! `--root`: the test program alone runs as root.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::paint::DIM;

/// What a test program reads from its environment, and sudo would clear.
const KEPT: &str = "PATH,CARGO_MANIFEST_DIR,RUST_BACKTRACE,NO_COLOR,TERM";

/// Less than [`check`](super::check) waits.
const LIMIT_S: &str = "100";

/// That sudo may be called without asking for the password again.
#[derive(Debug, Clone, Copy)]
pub struct Sudo(());

/// Asks for the password, if need be, while the terminal is still ours. `None`: we are root already.
///
/// # Errors
/// There is no sudo, or it refuses.
pub fn prepare(root: &Path) -> Result<Option<Sudo>> {
    if Uid::effective().is_root() {
        anstream::eprintln!("{DIM}already root: --root adds nothing{DIM:#}");
        return Ok(None);
    }
    if !testkit::needs::program("sudo") {
        bail!("--root needs sudo, which is not installed: become root another way and run the test without --root");
    }
    // Made by us, or the first test program that runs as root would make them root's.
    let tmp = root.join("target/tmp/shield");
    fs::create_dir_all(&tmp).with_context(|| format!("make {}", tmp.display()))?;
    let allowed = Command::new("sudo").arg("-v").status().context("start sudo")?;
    if !allowed.success() {
        bail!("sudo does not let you in: the tests that need root stay skipped");
    }
    Ok(Some(Sudo(())))
}

impl Sudo {
    /// The command that runs `program` as root in `root`.
    #[must_use]
    pub fn wrap(self, program: &Path, root: &Path) -> Command {
        let mut command = Command::new("sudo");
        // -n: it runs in a process group of its own, where it cannot ask. timeout: we cannot kill what is root's.
        command.args(["-n", &format!("--preserve-env={KEPT}"), "--", "timeout", "-s", "KILL", LIMIT_S]).arg(program);
        command.current_dir(root).env("CARGO_MANIFEST_DIR", root);
        command
    }
}
