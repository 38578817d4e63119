//! `attacks`: every layer is taken out of the source, then every layer but one. So each attack of `tests/attacks` has to
//! work, and each wall to hold alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::bench::{self, Attempt, Bench, beginning};
use super::say;
use super::variant::head_and_body;
use crate::exercise::Solution;
use crate::libtest::Build;

/// The test program, which is told by this what is off.
const PROGRAM: &str = "attacks";
const OFF: &str = "BOXWRIGHT_LAYERS_OFF";
const DIRECTORY: &str = "tests/attacks/layers";

/// A file of `tests/attacks/layers`: what stands in place of a layer's source when it is off.
struct Layer {
    /// The file's name without `.rs`.
    name: String,
    /// `file:`, the file that the layer is in.
    file: PathBuf,
    place: Place,
    /// `leans on:`, the layers without which it holds nothing.
    leans_on: Vec<String>,
    /// Nothing: the do-nothing body of the task.
    body: String,
}

enum Place {
    /// `task:`, the region of a solution.
    Task(u8),
    /// `in place of:`, words that the file has once.
    Words(String),
}

impl Layer {
    fn all(root: &Path) -> Result<Vec<Self>> {
        let mut layers = Vec::new();
        for entry in fs::read_dir(root.join(DIRECTORY)).context(DIRECTORY)? {
            let path = entry?.path();
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            layers.push(Self::parse(&name, &text)?);
        }
        layers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(layers)
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let (mut file, mut place, mut leans_on) = (None, None, Vec::new());
        let (head, below) = head_and_body(text);
        for (key, value) in head {
            match key {
                "file" => file = Some(value.into()),
                "task" => place = Some(Place::Task(value.parse().context("task")?)),
                "in place of" => place = Some(Place::Words(value.to_owned())),
                "leans on" => leans_on.push(value.to_owned()),
                _ => {}
            }
        }
        let body = below.trim_matches('\n').to_owned();
        let (Some(file), Some(place)) = (file, place) else {
            bail!("{DIRECTORY}/{name}.rs: write `//! file: PATH`, and `//! task: N` or `//! in place of: WORDS`");
        };
        Ok(Self { name: name.to_owned(), file, place, leans_on, body })
    }

    /// `text`, its file's, with the layer off.
    fn off(&self, text: &str) -> Result<String> {
        let place = format!("{DIRECTORY}/{}.rs: {}", self.name, self.file.display());
        match &self.place {
            Place::Task(task) => {
                let solution = Solution::parse(&self.file.display().to_string(), text)?;
                let exercise = solution.exercise(*task).with_context(|| format!("{place} has no task {task}"))?;
                let body = if self.body.is_empty() { &exercise.nothing } else { &self.body };
                solution.with_body(*task, body).with_context(|| format!("{place} has no task {task}"))
            }
            Place::Words(words) => {
                ensure!(text.matches(words).count() == 1, "{place} does not have once: {words}");
                Ok(text.replace(words, &self.body))
            }
        }
    }
}

/// One way to build `boxwright`.
struct State {
    /// What is left: `nothing`, or a layer with what it leans on.
    left: String,
    /// With commas between.
    off: String,
    files: BTreeMap<PathBuf, String>,
}

/// Nothing is left, and each layer alone.
fn states(root: &Path) -> Result<Vec<State>> {
    let layers = Layer::all(root)?;
    let alone =
        layers.iter().map(|layer| [&layer.name].into_iter().chain(&layer.leans_on).map(String::as_str).collect());
    [Vec::new()].into_iter().chain(alone).map(|left| state(root, &layers, &left)).collect()
}

fn state(root: &Path, layers: &[Layer], left: &[&str]) -> Result<State> {
    let off: Vec<&Layer> = layers.iter().filter(|layer| !left.contains(&layer.name.as_str())).collect();
    let mut files = BTreeMap::new();
    for layer in &off {
        let text = match files.remove(&layer.file) {
            Some(text) => text,
            None => fs::read_to_string(root.join(&layer.file)).with_context(|| layer.file.display().to_string())?,
        };
        files.insert(layer.file.clone(), layer.off(&text)?);
    }
    let left = if left.is_empty() { "nothing".to_owned() } else { left.join("+") };
    Ok(State { left, off: off.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>().join(","), files })
}

/// What a test says of its attack, in one line: see `tests/attacks/main.rs`.
struct Told<'a> {
    attack: &'a str,
    walls: &'a str,
    standing: &'a str,
    what: &'a str,
}

fn told(attempt: &Attempt) -> impl Iterator<Item = Told<'_>> {
    let lines = attempt.report().into_iter().flat_map(|report| report.stderr.lines());
    lines.filter_map(|line| {
        let mut words = line.strip_prefix("ATTACK ")?.split('|').map(str::trim);
        Some(Told { attack: words.next()?, walls: words.next()?, standing: words.next()?, what: words.next()? })
    })
}

/// What is known of an attack after some builds.
#[derive(Default)]
struct Seen {
    walls: String,
    /// Those that have refused it while no other stood.
    held: BTreeSet<String>,
    works: bool,
}

/// Makes every attack in every state.
pub fn attacks(bench: &mut Bench) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut skipped = BTreeSet::new();
    for State { left, off, files } in states(&bench.course.root)? {
        let cargo = bench.arrange(true, files)?;
        findings.extend(bench::persist(|| {
            let attempt = bench::run(&cargo, PROGRAM, |command| {
                command.env(OFF, &off);
                Ok(())
            })?;
            for Told { attack, walls, standing, what } in told(&attempt) {
                let seen = seen.entry(attack.to_owned()).or_default();
                walls.clone_into(&mut seen.walls);
                match what {
                    "works" => seen.works = true,
                    _ => seen.held.extend((!standing.contains(',')).then(|| standing.to_owned())),
                }
            }
            skipped.extend(attempt.report().into_iter().flat_map(|report| &report.skips).map(|skip| skip.test.clone()));
            let failed = attempt.complaint().map(|complaint| format!("{left} is left: {complaint}"));
            say(format_args!("{left} is left: {:.1} s", attempt.took.as_secs_f32()));
            Ok(failed.into_iter().collect())
        })?);
    }
    for test in skipped {
        say(format_args!("  {test}: not made here, see `.ci/run vm`"));
    }
    for (attack, Seen { walls, held, works }) in &seen {
        say(format_args!("  {attack}: {walls}"));
        findings.extend((!works).then(|| format!("{attack}: nobody has seen it work")));
        let unseen = walls.split(", ").filter(|wall| !held.contains(*wall));
        findings.extend(unseen.map(|wall| format!("{attack}: nobody has seen {wall} hold alone")));
    }
    findings.extend(seen.is_empty().then(|| "no attack was made".to_owned()));
    Ok(findings)
}

/// Builds every state into `directory`: a `boxwright` for each under the name of what is left; and `list`, a line for each:
/// that name, what is off, where the test program looks for its `boxwright`, and the test program.
pub fn build(bench: &mut Bench, directory: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    let mut list = String::new();
    for State { left, off, files } in states(&bench.course.root)? {
        let cargo = bench.arrange(true, files)?;
        let program = match cargo.build_test(PROGRAM)? {
            Build::Ready { program, .. } => program,
            Build::Failed { rendered } => return Ok(vec![format!("{left} is left: {}", beginning(&rendered))]),
        };
        let built = program.ancestors().nth(2).context("a test program is in target/debug/deps")?.join("boxwright");
        fs::copy(&built, directory.join(&left)).with_context(|| format!("copy {}", built.display()))?;
        list.push_str(&format!("{left} {off} {} {}\n", built.display(), program.display()));
    }
    fs::write(directory.join("list"), list).context("write the list")?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_a_task_or_some_words() {
        let text = "// head\nfn f() {\n    // task 3: do it\n    // nothing: none()\n    it()\n    // end task\n}\n";
        let layer = |head: &str| Layer::parse("l", &format!("//! A layer.\n//!\n//! file: f.rs\n{head}")).unwrap();
        assert_eq!(layer("//! task: 3\n").off(text).unwrap(), "// head\nfn f() {\nnone()\n}\n");
        assert_eq!(layer("//! task: 3\n\nother()\n").off(text).unwrap(), "// head\nfn f() {\nother()\n}\n");
        assert!(layer("//! in place of: // head\n").off(text).unwrap().starts_with("\nfn"));
        assert!(layer("//! in place of: it\n").off(text).is_err(), "it stands there twice");
        assert!(Layer::parse("l", "//! file: f.rs\n").is_err());
    }

    #[test]
    fn one_state_has_nothing_and_each_other_a_layer_with_what_it_leans_on() {
        let course = crate::course::Course::find().unwrap();
        let (layers, states) = (Layer::all(&course.root).unwrap(), states(&course.root).unwrap());
        assert_eq!(states.len(), layers.len() + 1);
        assert_eq!(states[0].off.split(',').count(), layers.len());
        let session = states.iter().find(|state| state.left == "session+caps").unwrap();
        assert!(!session.off.contains("caps") && session.off.contains("seccomp"), "{}", session.off);
    }
}
