//! `prefixes`: the runtime with some labs written and some not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::UNWRITTEN;

use super::bench::{self, Bench, beginning};
use super::{host, right, say};
use crate::course::Lab;
use crate::libtest::{Build, Ended, Report, Test};
use crate::process::{self, Finished};

/// The flags of `boxwright run`, and the labs that they need: another root needs mounts of its own.
const FLAGS: [(&[u8], &[&str]); 14] = [
    (&[1], &["--hostname", "prefix"]),
    (&[2], &["--ipc", "private"]),
    (&[3], &["--init"]),
    (&[4, 5], &["--rootfs", "host"]),
    (&[4, 6], &["--tmpfs", "/mnt"]),
    (&[7], &["--cpus", "0.5"]),
    (&[7], &["--cpu-shares", "512"]),
    (&[7], &["--cpuset-cpus", "0"]),
    (&[7, 8], &["--memory", "64m"]),
    (&[7, 8], &["--pids-limit", "64"]),
    (&[8], &["--oom-score-adj", "100"]),
    (&[10], &["--cap-drop", "net_raw"]),
    (&[10], &["--user", "1"]),
    (&[11], &["--security-opt", "no-new-privileges"]),
];
/// Other commands and the labs that they need, about a container that is not there.
const COMMANDS: [(&[u8], &[&str]); 9] = [
    (&[3], &["top", "nobody"]),
    (&[8], &["pause", "nobody"]),
    (&[8], &["unpause", "nobody"]),
    (&[8], &["stats", "--no-stream", "nobody"]),
    (&[7, 8], &["update", "--memory", "64m", "nobody"]),
    (&[9], &["inspect", "nobody"]),
    (&[12], &["diff", "nobody"]),
    (&[12], &["rm", "nobody"]),
    (&[16], &["runbox", "state", "nobody"]),
];
/// The tests that go through the command line, and so through other labs. Those of a lab's own functions do not: labs import the
/// model alone.
const END_TO_END: &str = "run_";
/// A container with `true` in it takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);
/// What a command exits with that did not find what it looks at.
const NOT_SEEN: i32 = 1;
/// What a flag of an unwritten lab exits with: EX_SOFTWARE of sysexits(3).
const REFUSED: i32 = 70;

/// Labs 0 to k written, for every k; then each lab written alone, and each alone not written. The end-to-end tests of what
/// is written, built once, pass with this `boxwright`, or say which lab they lean on; the command line says what is left out.
pub fn prefixes(bench: &mut Bench) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for one in states(&bench.course.labs) {
        findings.extend(state(bench, &one)?);
    }
    Ok(findings)
}

/// Some labs that are written.
pub struct State {
    name: String,
    written: Box<dyn Fn(u8) -> bool>,
}

/// The states of [`prefixes`].
pub fn states(labs: &[Lab]) -> Vec<State> {
    let state = |name: String, written: Box<dyn Fn(u8) -> bool>| State { name, written };
    let of = |lab: u8| {
        let others = [
            state(format!("labs 00 to {lab:02}"), Box::new(move |number| number <= lab)),
            state(format!("all labs but {lab:02}"), Box::new(move |number| number != lab)),
        ];
        let alone = (lab != 0).then(|| state(format!("lab {lab:02} alone"), Box::new(move |number| number == lab)));
        others.into_iter().chain(alone)
    };
    labs.iter().flat_map(|lab| of(lab.number)).collect()
}

/// Tries one of them.
pub fn state(bench: &mut Bench, State { name, written }: &State) -> Result<Vec<String>> {
    let programs = bench.programs()?;
    let cargo = bench.arrange(false, right::solved(&bench.course, written)?)?;
    let boxwright = match cargo.build_bin("boxwright")? {
        Build::Ready { program, .. } => program,
        Build::Failed { rendered } => {
            return Ok(vec![format!("{name} written: boxwright does not compile:\n{}", beginning(&rendered))]);
        }
    };
    let others = bench.course.labs.iter().map(|lab| lab.number).filter(|lab| !written(*lab));
    let unwritten = others.map(|lab| lab.to_string()).collect::<Vec<_>>().join(",");
    let mut findings = Vec::new();
    for (lab, program) in programs.iter().filter(|(lab, _)| written(**lab)) {
        // A test of the command line may lean on another lab, if it says so.
        let leans = |test: &Test| {
            let others = bench.course.labs.iter().filter(|other| !written(other.number));
            others.into_iter().any(|other| bench::says(test, &format!("`cargo lab skip {}`", other.number)))
        };
        let once = || {
            let attempt = bench::run_built(&cargo, program, |command| {
                command.arg(END_TO_END).env(UNWRITTEN, &unwritten);
                Ok(())
            })?;
            let is_right = |report: &Report| report.ended == Ended::Finished && report.failed().all(leans);
            let complaint = if attempt.report().is_some_and(is_right) { None } else { attempt.complaint() };
            Ok(complaint.map(|complaint| format!("lab{lab:02}: {complaint}")).into_iter().collect())
        };
        findings.extend(bench::persist(once)?);
    }
    findings.extend(bench::persist(|| command_line(&boxwright, &bench.course.labs, written))?);
    say(format_args!(
        "{name} written: {}",
        if findings.is_empty() { "as it should be" } else { "not as it should be" }
    ));
    Ok(findings.into_iter().map(|finding| format!("{name} written: {finding}")).collect())
}

fn command_line(boxwright: &Path, labs: &[Lab], written: impl Fn(u8) -> bool) -> Result<Vec<String>> {
    let start = |args: &[&str]| process::run(Command::new(boxwright).args(args), LIMIT).context("start boxwright");
    let mut findings = Vec::new();
    let before = host::snapshot()?;
    let plain = start(&["run", "--", "true"])?;
    let all_written = labs.iter().all(|lab| written(lab.number));
    let lines = plain.stderr.lines().count();
    if code(&plain) != Some(0) || lines > usize::from(!all_written) {
        findings.push(unexpected("boxwright run -- true", &plain, "exit code 0, at most one line on what is left out"));
    }
    let runs = FLAGS.map(|(needs, flags)| (needs, [&["run"], flags, &["--", "true"]].concat(), 0));
    let others = COMMANDS.map(|(needs, args)| (needs, args.to_vec(), NOT_SEEN));
    for (needs, args, right) in runs.into_iter().chain(others) {
        let finished = start(&args)?;
        let command = format!("boxwright {}", args.join(" "));
        let messages: Vec<_> = needs.iter().filter(|&&lab| !written(lab)).map(|lab| refusal(*lab)).collect();
        let is_told = messages.iter().any(|message| finished.stderr.contains(message));
        match code(&finished) {
            Some(code) if messages.is_empty() && code == right => {}
            Some(REFUSED) if is_told => {}
            _ if messages.is_empty() => findings.push(unexpected(&command, &finished, &format!("exit code {right}"))),
            _ => {
                let expected = format!("exit code {REFUSED}, \"{}\"", messages.join("\" or \""));
                findings.push(unexpected(&command, &finished, &expected));
            }
        }
    }
    let left = host::difference(&before)?;
    findings.extend(left.into_iter().map(|thing| format!("boxwright: the host is not as it was: {thing}")));
    Ok(findings)
}

fn refusal(lab: u8) -> String {
    format!("lab {lab:02} is not written yet")
}

fn code(finished: &Finished) -> Option<i32> {
    finished.status.and_then(|status| status.code())
}

fn unexpected(command: &str, finished: &Finished, expected: &str) -> String {
    let seen = finished.status.map_or_else(|| "still running at the deadline".to_owned(), |status| status.to_string());
    format!("{command}: expected {expected}; seen {seen}\n{}", beginning(&finished.stderr)).trim_end().to_owned()
}
