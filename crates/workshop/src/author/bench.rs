//! The workbench: puts texts in place of a lab's files, runs the lab's tests, remembers what came of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testkit::SLOWNESS;

use super::bodies::{self, Bodies};
use super::tree::Tree;
use super::{host, right, say};
use crate::course::{Course, Lab};
use crate::exercise::Solution;
use crate::libtest::{self, Build, Cargo, Report, Test};

/// A lab's tests take two seconds; whatever takes this long hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// The tests of a mistake mostly wait for what does not come, and can do so side by side.
const THREADS: &str = "--test-threads=8";
/// How often a thing is tried: a mistake may lose a race that is only mostly lost, a machine may be busy elsewhere for
/// longer than a test waits, and a learner too runs the tests again.
const TRIES: usize = 3;

/// A copy of the course, and what was tried in it.
pub struct Bench {
    pub course: Course,
    tree: Tree,
    /// By the lab and the text that stood in place of its solution.
    tried: HashMap<(u8, String), Rc<Attempt>>,
    /// What can be tried without a build for each; `None` for a lab where one of them does not compile.
    bodies: HashMap<u8, Option<Bodies>>,
    /// The lab with all of whose bodies the copy is built now, and its test program.
    together: Option<(u8, PathBuf)>,
    /// By lab, its test program, built with every lab written.
    programs: BTreeMap<u8, PathBuf>,
}

/// What came of running a lab's tests.
pub struct Attempt {
    pub outcome: Outcome,
    /// Building and running.
    pub took: Duration,
    /// What is other on the host than before.
    pub left: Vec<String>,
}

pub enum Outcome {
    /// It does not compile: what rustc says.
    Broken(String),
    Ran(Report),
}

impl Bench {
    /// `worker` is whose copy it is.
    pub fn new(course: &Course, worker: usize) -> Result<Self> {
        let tree = Tree::sync(&course.root, worker)?;
        Ok(Self {
            course: course.clone(),
            tree,
            tried: HashMap::new(),
            bodies: HashMap::new(),
            together: None,
            programs: BTreeMap::new(),
        })
    }

    /// The labs that have tests already; that the others have none is for `forms` to say.
    pub fn tested(&self) -> Vec<Lab> {
        self.course.labs.iter().filter(|lab| self.course.root.join(lab.tests()).exists()).cloned().collect()
    }

    /// The solution of `lab`, parsed.
    pub fn solution(&self, lab: &Lab) -> Result<Solution> {
        Solution::read(&self.course.root, &lab.solution())
    }

    /// Runs the tests of `lab` with `text` in place of its solution, or remembers having done so.
    pub fn attempt(&mut self, lab: &Lab, text: String) -> Result<Rc<Attempt>> {
        match self.tried.get(&(lab.number, text.clone())) {
            Some(attempt) => Ok(attempt.clone()),
            None => self.attempt_anew(lab, text),
        }
    }

    /// What is wrong with every try of that, as `judge` sees it, the one that is remembered included.
    pub fn judge(
        &mut self,
        lab: &Lab,
        text: &str,
        mut judge: impl FnMut(&Attempt) -> Vec<String>,
    ) -> Result<Vec<String>> {
        let mut known = Some(self.attempt(lab, text.to_owned())?);
        persist(|| {
            let attempt = known.take().map_or_else(|| self.attempt_anew(lab, text.to_owned()), Ok)?;
            Ok(judge(&attempt))
        })
    }

    /// The same, whatever came of it before.
    fn attempt_anew(&mut self, lab: &Lab, text: String) -> Result<Rc<Attempt>> {
        let attempt = match self.attempt_together(lab, &text)? {
            Some(attempt) => attempt,
            None => test(&self.arrange(true, BTreeMap::from([(lab.solution(), text.clone())]))?, lab)?,
        };
        let attempt = Rc::new(attempt);
        self.tried.insert((lab.number, text), attempt.clone());
        Ok(attempt)
    }

    /// The same in the program with all of the lab's bodies; `None` for a text that is none of these, and when they do not compile.
    fn attempt_together(&mut self, lab: &Lab, text: &str) -> Result<Option<Attempt>> {
        if !self.bodies.contains_key(&lab.number) {
            let bodies = Bodies::of(&self.course.root, lab, &self.solution(lab)?)?;
            self.bodies.insert(lab.number, Some(bodies));
        }
        let bodies = self.bodies[&lab.number].as_ref();
        let Some((number, all)) = bodies.and_then(|bodies| Some((bodies.number(text)?, bodies.text.clone()))) else {
            return Ok(None);
        };
        let program = match self.together.take() {
            Some((built, program)) if built == lab.number => program,
            _ => match self.arrange(true, BTreeMap::from([(lab.solution(), all)]))?.build_test(&lab.name())? {
                Build::Ready { program, .. } => program,
                Build::Failed { .. } => {
                    say(format_args!("{}: its bodies do not compile together, so each is built alone", lab.name()));
                    self.bodies.insert(lab.number, None);
                    return Ok(None);
                }
            },
        };
        let attempt = run_built(&self.tree.cargo(true), &program, |_| bodies::choose(&program, number))?;
        self.together = Some((lab.number, program));
        Ok(Some(attempt))
    }

    /// The test programs of every lab, built with every lab written, and kept where no build comes by. In them, whatever starts
    /// `boxwright` starts the one that was built last.
    pub fn programs(&mut self) -> Result<BTreeMap<u8, PathBuf>> {
        if self.programs.is_empty() {
            let cargo = self.arrange(false, right::solved(&self.course, |_| true)?)?;
            for lab in self.tested() {
                let program = match cargo.build_test(&lab.name())? {
                    Build::Ready { program, .. } => program,
                    Build::Failed { rendered } => bail!("{} does not compile:\n{}", lab.name(), beginning(&rendered)),
                };
                let kept = program.with_file_name(format!("{}-kept", lab.name()));
                fs::copy(&program, &kept).with_context(|| format!("copy {}", program.display()))?;
                self.programs.insert(lab.number, kept);
            }
        }
        Ok(self.programs.clone())
    }

    /// Makes these files of the copy differ from the course, and no others; gives the cargo to go on with.
    pub fn arrange(&mut self, solutions: bool, files: BTreeMap<PathBuf, String>) -> Result<Cargo> {
        self.together = None;
        self.tree.arrange(files)?;
        Ok(self.tree.cargo(solutions))
    }
}

/// Makes a check until it has no findings, and gives those of the last time. What is tried again is told.
pub fn persist(mut check: impl FnMut() -> Result<Vec<String>>) -> Result<Vec<String>> {
    for _ in 1..TRIES {
        let findings = check()?;
        if findings.is_empty() {
            return Ok(findings);
        }
        for finding in findings {
            say(format_args!("again: {finding}"));
        }
    }
    check()
}

/// Builds and runs the tests of `lab`, and looks at the host before and after. With patience: what is right waits for nothing in vain.
pub fn test(cargo: &Cargo, lab: &Lab) -> Result<Attempt> {
    run(cargo, &lab.name(), |command| {
        command.env(SLOWNESS, "3");
        Ok(())
    })
}

/// The same with any test program, started as `prepare` wants it.
pub fn run(cargo: &Cargo, program: &str, prepare: impl FnOnce(&mut Command) -> Result<()>) -> Result<Attempt> {
    let start = Instant::now();
    match cargo.build_test(program)? {
        Build::Failed { rendered } => {
            Ok(Attempt { outcome: Outcome::Broken(rendered), took: start.elapsed(), left: Vec::new() })
        }
        Build::Ready { program, .. } => {
            let attempt = run_built(cargo, &program, prepare)?;
            Ok(Attempt { took: start.elapsed(), ..attempt })
        }
    }
}

/// The same with one that is built.
pub fn run_built(cargo: &Cargo, program: &Path, prepare: impl FnOnce(&mut Command) -> Result<()>) -> Result<Attempt> {
    let (before, start) = (host::snapshot()?, Instant::now());
    let mut command = cargo.command(program);
    prepare(command.arg(THREADS))?;
    let outcome = Outcome::Ran(libtest::run(&mut command, LIMIT)?);
    let took = start.elapsed();
    Ok(Attempt { outcome, took, left: host::difference(&before)? })
}

impl Attempt {
    /// The report, if it compiles.
    pub fn report(&self) -> Option<&Report> {
        match &self.outcome {
            Outcome::Broken(_) => None,
            Outcome::Ran(report) => Some(report),
        }
    }

    /// The failed test that says `words`, if any.
    pub fn says(&self, words: &str) -> Option<&Test> {
        self.report()?.failed().find(|test| says(test, words))
    }

    /// What it left on the host, as findings about `who`.
    pub fn blame(&self, who: impl Display) -> impl Iterator<Item = String> {
        self.left.iter().map(move |thing| format!("{who}: the host is not as it was: {thing}"))
    }

    /// Why it is not a clean pass; `None` when it is.
    pub fn complaint(&self) -> Option<String> {
        match &self.outcome {
            _ if !self.left.is_empty() => Some(format!("the host is not as it was: {}", self.left.join(", "))),
            Outcome::Broken(rendered) => Some(format!("does not compile:\n{}", beginning(rendered))),
            Outcome::Ran(report) if report.passed() => None,
            Outcome::Ran(report) => {
                let failed: Vec<_> = report.failed().map(|test| test.name.as_str()).collect();
                let first = report.failed().next().map_or(report.stderr.as_str(), |test| &test.output);
                Some(format!("{}: {}\n{}", report.ended, failed.join(", "), beginning(first)))
            }
        }
    }
}

/// Whether `test` said `words`, however the lines were broken.
pub fn says(test: &Test, words: &str) -> bool {
    folded(&test.output).contains(&folded(words))
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As much of a long text as helps.
pub fn beginning(text: &str) -> String {
    let mut lines: Vec<String> = text.trim().lines().take(20).map(|line| format!("    {line}")).collect();
    if text.trim().lines().count() > lines.len() {
        lines.push("    …".to_owned());
    }
    lines.join("\n")
}
