//! Programs that are killed at any moment.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::Random;

/// How often a test kills what it tries.
pub const KILLS: &str = "BOXWRIGHT_KILLS";

/// As often as [`KILLS`] says, or so often: a suite has time for few.
#[must_use]
pub fn kills(unless_told: u64) -> u64 {
    std::env::var(KILLS).ok().and_then(|text| text.parse().ok()).unwrap_or(unless_told)
}

/// Starts a program of which nothing is to be seen.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn start_silent(command: &mut Command) -> Child {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"))
}

/// Starts a program and kills it within the time `most`, unless it has ended by then.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn start_and_kill(command: &mut Command, most: Duration, random: &mut Random) {
    let mut child = start_silent(command);
    sleep(Duration::from_micros(random.below(most.as_micros() as u64)));
    // Not waited for yet, so it is there, dead or alive.
    let _ = child.kill();
    let _ = child.wait();
}
