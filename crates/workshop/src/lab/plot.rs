//! `cargo lab plot`: containers of the finished runtime, measured from outside, and drawn.
//!
//! The book shows two of these pictures; whoever does not believe them draws them again.

mod container;
mod cpu;
mod memory;
mod picture;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;
use testkit::needs::kernel;

use super::demo;
use super::paint::{BOLD, DIM};
use crate::course::Course;

/// What is measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Subject {
    /// Processor time: three quotas, then two groups by weight
    Cpu,
    /// Memory: up to the limit, and what happens there
    Memory,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Cpu => "cpu",
            Subject::Memory => "memory",
        }
    }
}

/// What came out of a run.
struct Outcome {
    /// The SVG file.
    picture: String,
    /// The same in a few lines.
    lines: Vec<String>,
}

/// Measures `subject` in containers of the reference, and writes the picture to `output`, else below `target/plots`.
///
/// # Errors
/// There is no cgroup here that the caller may use (the text says how to get one), or a container did not start.
pub fn run(course: &Course, subject: Subject, output: Option<PathBuf>) -> Result<()> {
    // Before minutes are spent on building.
    match subject {
        Subject::Cpu => cpu::check()?,
        Subject::Memory => memory::check()?,
    }
    let boxwright = demo::build(&course.root)?;
    anstream::println!("{DIM}measuring; whatever else runs on this machine is seen in the picture{DIM:#}");
    let outcome = match subject {
        Subject::Cpu => cpu::run(&boxwright)?,
        Subject::Memory => memory::run(&boxwright)?,
    };
    let path = output.unwrap_or_else(|| course.root.join("target/plots").join(format!("{}.svg", subject.name())));
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("mkdir {}", directory.display()))?;
    }
    fs::write(&path, outcome.picture).with_context(|| format!("write {}", path.display()))?;
    outcome.lines.iter().for_each(|line| anstream::println!("{line}"));
    anstream::println!("{BOLD}{}{BOLD:#}", path.display());
    Ok(())
}

/// What a figure is worth nothing without: `Linux 6.1, cgroup v2`.
fn machine(version: model::cgroup::Version) -> String {
    let (major, minor) = kernel();
    let version = match version {
        model::cgroup::Version::V1 => "v1",
        model::cgroup::Version::V2 => "v2",
    };
    format!("Linux {major}.{minor}, cgroup {version}")
}
