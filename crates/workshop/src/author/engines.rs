//! `engines`: podman, containerd and dockerd run containers on what others wrote, with no solution of ours in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testkit::SLOWNESS;

use super::bench::{self, Bench};
use super::{bodies, right, say};

/// The test program, which is told by this which runtime the engines are to call.
const PROGRAM: &str = "engines";
const RUNTIME: &str = "BOXWRIGHT_RUNTIME";
/// One of its tests for each engine.
const TESTS: [&str; 3] = [
    "podman_execs_pauses_updates_and_stops",
    "containerd_runs_execs_pauses_and_kills",
    "dockerd_runs_execs_updates_pauses_and_stops",
];

/// With every lab an alternative at once, each engine starts a container, enters it, pauses and ends it. Not beside other
/// checks: what engines do shows all over the machine.
pub fn engines(bench: &mut Bench) -> Result<Vec<String>> {
    let files = right::an_alternative_each(&bench.course)?;
    let cargo = bench.arrange(true, files)?;
    bench::persist(|| {
        let attempt = bench::run(&cargo, PROGRAM, prepare)?;
        let report = attempt.report();
        for skip in report.iter().flat_map(|report| &report.skips) {
            say(format_args!("  {}: not run here, it needs {}", skip.test, skip.needs));
        }
        let count = report.map_or(TESTS.len(), |report| report.tests.len());
        say(format_args!("{count} tests of engines, all in one, {:.1} s", attempt.took.as_secs_f32()));
        let missing = (count != TESTS.len()).then(|| format!("{PROGRAM}: {count} of the tests {}", TESTS.join(", ")));
        let complaint = attempt.complaint().map(|complaint| format!("{PROGRAM}, all in one: {complaint}"));
        Ok(missing.into_iter().chain(complaint).collect())
    })
}

/// Has the test program call the `boxwright` that was built with it: `boxwright runbox` is runbox.
fn prepare(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program());
    let (boxwright, runtime) = (bodies::boxwright_of(program)?, program.with_file_name("runtime"));
    let script = format!("#!/bin/sh\nexec '{}' runbox \"$@\"\n", boxwright.display());
    fs::write(&runtime, script).with_context(|| format!("write {}", runtime.display()))?;
    let executable = Permissions::from_mode(0o755);
    fs::set_permissions(&runtime, executable).with_context(|| format!("chmod {}", runtime.display()))?;
    command.arg("--exact").args(TESTS).env(RUNTIME, runtime).env(SLOWNESS, "3");
    Ok(())
}
