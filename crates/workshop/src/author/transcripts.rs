//! `transcripts`: every console block of every chapter is run, and prints what the chapter says.

mod chapter;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::Cgroup;
use model::cgroup::Version;
use similar::TextDiff;
use snapbox::Data;
use snapbox::filter::NormalizeToExpected;
use testkit::{Shield, needs};

use self::chapter::{Block, Command, Need};
use self::shell::Output;
use super::bench;
use crate::cgroups;
use crate::course::{Course, Lab};
use crate::libtest::{Build, Cargo};

/// Time limit of one block: for one that hangs. What takes a second here may take twenty in an emulated machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs the transcripts of `lab`, or of all. With `write`, puts what was printed in their place, but keeps
/// what matches. Returns what was wrong.
///
/// # Errors
/// A chapter cannot be read or parsed, the reference does not build, the shield cannot be put up.
pub fn transcripts(course: &Course, lab: Option<u8>, write: bool) -> Result<Vec<String>> {
    let programs = reference(course)?;
    let mut findings = Vec::new();
    for lab in course.choose(lab)? {
        findings.extend(bench::persist(|| one_chapter(course, lab, &programs, write))?);
    }
    Ok(findings)
}

/// Builds the reference `boxwright` where it does not take the place of the learner's, and returns its directory.
fn reference(course: &Course) -> Result<PathBuf> {
    let target = course.root.join("target/reference");
    let cargo = Cargo { solutions: true, target_dir: Some(target.clone()), ..Cargo::new(&course.root) };
    match cargo.build_bin("boxwright")? {
        Build::Ready { program, .. } => Ok(program.parent().unwrap_or(&target).to_owned()),
        Build::Failed { rendered } => bail!("the reference does not build:\n{rendered}"),
    }
}

fn one_chapter(course: &Course, lab: &Lab, programs: &Path, write: bool) -> Result<Vec<String>> {
    let name = lab.chapter().display().to_string();
    let path = course.root.join(lab.chapter());
    let mut text = fs::read_to_string(&path).with_context(|| format!("read {name}"))?;
    let blocks = chapter::blocks(&text).with_context(|| name.clone())?;
    let mut run = Vec::new();
    for block in blocks {
        match block.needs.iter().find_map(|need| lacking(*need)) {
            None => run.push(block),
            Some(what) => super::say(format_args!("SKIP {name}:{}: needs {what}", block.commands[0].line)),
        }
    }
    let commands = run.iter().map(|block| block.commands.len()).sum::<usize>();
    super::say(format_args!("{name}: {} blocks, {commands} commands", run.len()));
    let outputs = sessions(&run, programs).with_context(|| name.clone())?;

    let mut findings = Vec::new();
    // From the last to the first, so that the places of the others stay true.
    for (block, outputs) in run.iter().zip(&outputs).rev() {
        let judged: Vec<_> =
            block.commands.iter().zip(outputs).map(|(command, output)| judge(command, output)).collect();
        let told = judged.iter().zip(&block.commands).filter_map(|(judged, command)| {
            let what = judged.as_ref().err()?;
            Some(format!("{name}:{}: $ {}\n{}", command.line, command.script, what.report))
        });
        let stuck = outputs.iter().any(|output| !matches!(output, Output::Text(_)));
        if write && !stuck {
            let fresh: Vec<_> = judged.into_iter().map(|judged| judged.unwrap_or_else(|wrong| wrong.seen)).collect();
            text.replace_range(block.text.clone(), &chapter::rewritten(&block.commands, &fresh));
        } else {
            findings.splice(0..0, told.collect::<Vec<_>>());
        }
    }
    if write {
        fs::write(&path, text).with_context(|| format!("write {name}"))?;
    }
    Ok(findings)
}

/// What this machine, or this user, lacks of what a block needs.
fn lacking(need: Need) -> Option<String> {
    let cgroup = || needs::Need::Cgroup("memory").missing();
    let version = |wanted| Cgroup::base().and_then(|base| base.version("memory")).is_ok_and(|here| here == wanted);
    match need {
        Need::Root => needs::Need::Root.missing(),
        Need::User => needs::Need::Subuid.missing(),
        Need::Cgroup => cgroup(),
        Need::V1 => cgroup().or_else(|| (!version(Version::V1)).then(|| "cgroup v1: a hybrid machine".to_owned())),
        Need::V2 => cgroup().or_else(|| (!version(Version::V2)).then(|| "cgroup v2: cargo lab vm".to_owned())),
    }
}

/// One Shield a chapter, and another for the blocks of an ordinary user.
fn sessions(blocks: &[Block], programs: &Path) -> Result<Vec<Vec<Output>>> {
    let is_users = |block: &&Block| block.needs.contains(&Need::User);
    let (users, others): (Vec<_>, Vec<_>) = blocks.iter().partition(is_users);
    let mut of_users = session(&users, Shield::new().as_user(), programs)?.into_iter();
    let mut of_others = session(&others, Shield::new(), programs)?.into_iter();
    let next = |block: &Block| if is_users(&block) { of_users.next() } else { of_others.next() };
    Ok(blocks.iter().filter_map(next).collect())
}

/// All in one Shield, so that a block finds the files of those before it; one shell a block.
fn session(blocks: &[&Block], shield: Shield, programs: &Path) -> Result<Vec<Vec<Output>>> {
    if blocks.is_empty() {
        return Ok(Vec::new());
    }
    let count = u32::try_from(blocks.len())?;
    let run = || -> Result<Vec<Vec<Output>>, String> {
        let home = testkit::dir().join("home");
        fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        cgroups::link(&home).map_err(|error| error.to_string())?;
        let scripts = |block: &Block| block.commands.iter().map(|command| command.script.clone()).collect::<Vec<_>>();
        let run =
            |block: &&Block| shell::run(&scripts(block), &home, programs, LIMIT).map_err(|error| error.to_string());
        blocks.iter().map(run).collect()
    };
    match shield.cgroup().unaudited().deadline((LIMIT + Duration::from_secs(1)) * (count + 1)).try_run(run) {
        Ok(Ok(outputs)) => Ok(outputs),
        Ok(Err(error)) => bail!("the shell: {error}"),
        Err(failure) => bail!("{failure}"),
    }
}

/// A command that did not print what the chapter says.
struct Wrong {
    report: String,
    /// What it printed, with what matched a wildcard kept as the wildcard.
    seen: String,
}

/// The text for the chapter when it holds, wildcards and all.
fn judge(command: &Command, output: &Output) -> Result<String, Wrong> {
    let text = match output {
        Output::Text(text) => text,
        Output::TooSlow(text) => {
            let report = format!("  did not end within {LIMIT:?}; until then it printed\n{text}");
            return Err(Wrong { report, seen: text.clone() });
        }
        Output::NotRun => {
            return Err(Wrong { report: "  not run: the shell had ended".to_owned(), seen: String::new() });
        }
    };
    let expected = Data::text(&command.expected);
    let seen = NormalizeToExpected::new().redact().normalize(Data::text(text), &expected).to_string();
    if seen == command.expected {
        return Ok(seen);
    }
    let diff = TextDiff::from_lines(&command.expected, &seen);
    let diff = diff.unified_diff().header("expected", "seen").missing_newline_hint(false).to_string();
    Err(Wrong { report: diff, seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(expected: &str) -> Command {
        Command { line: 7, script: "x".to_owned(), expected: expected.to_owned() }
    }

    #[test]
    fn wildcards_stand_for_what_varies() {
        let seen = Output::Text("PID 4711 runs\none\ntwo\nthree\n".to_owned());
        for expected in ["PID [..] runs\none\ntwo\nthree\n", "PID [..]\n...\nthree\n", "...\n"] {
            assert_eq!(judge(&command(expected), &seen).map_err(|wrong| wrong.report).unwrap(), expected);
        }
    }

    #[test]
    fn a_difference_is_shown_and_what_matched_is_kept() {
        let seen = Output::Text("PID 4711 runs\nas root\n".to_owned());
        let wrong = judge(&command("PID [..] runs\nas nobody\n"), &seen).unwrap_err();
        assert!(wrong.report.contains("-as nobody\n+as root\n"), "{}", wrong.report);
        assert_eq!(wrong.seen, "PID [..] runs\nas root\n");
    }

    #[test]
    fn a_session_runs_in_a_shield() {
        let text = "```console\n$ echo $$ >shell; hostname elsewhere\n```\n\n```console\n$ hostname; test -s shell; echo $?\n```\n";
        let outputs = sessions(&chapter::blocks(text).unwrap(), Path::new("/nowhere")).unwrap();
        assert_eq!(outputs[1], [Output::Text("elsewhere\n0\n".to_owned())]);
    }

    #[test]
    fn blocks_of_an_ordinary_user_have_a_shield_of_their_own() {
        testkit::needs!(subuid);
        let text = ["console,user", "console", "console,user"].map(|info| {
            format!("```{info}\n$ ls who; touch who; id -u; cut -d: -f1 /etc/subuid | grep -c learner\n```\n\n")
        });
        let outputs = sessions(&chapter::blocks(&text.concat()).unwrap(), Path::new("/nowhere")).unwrap();
        let text = |output: &Output| if let Output::Text(text) = output { text.clone() } else { panic!("{output:?}") };
        let [user, root, again] = [0, 1, 2].map(|block: usize| text(&outputs[block][0]));
        assert!(user.starts_with("ls: ") && user.ends_with("\n1000\n1\n"), "{user}");
        assert!(root.starts_with("ls: ") && root.ends_with("\n0\n0\n"), "{root}");
        assert_eq!(again, "who\n1000\n1\n");
    }

    #[test]
    fn a_session_has_groups_of_its_own() {
        testkit::needs!(cgroup = cpu);
        let text = "```console,cgroup\n$ mkdir cgroup/cpu/a && cat cgroup/cpu/a/cgroup.procs; rmdir cgroup/cpu/a; echo $?\n```\n";
        let outputs = sessions(&chapter::blocks(text).unwrap(), Path::new("/nowhere")).unwrap();
        assert_eq!(outputs[0], [Output::Text("0\n".to_owned())]);
    }
}
