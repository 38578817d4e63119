//! `cargo lab plot`: containers of the finished runtime, measured from outside, and drawn.
//!
//! The book shows these pictures; whoever does not believe them draws them again.

mod container;
mod copy_up;
mod cpu;
mod layers;
mod memory;
mod picture;
mod store;

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
    /// Disk and time of 100 containers of one image, by storage driver; a minute or two, as root
    Layers,
    /// The first write to a file of the image, by its size and the storage driver; as root
    CopyUp,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Subject::Cpu => "cpu",
            Subject::Memory => "memory",
            Subject::Layers => "layers",
            Subject::CopyUp => "copy-up",
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
/// There is no cgroup here that the caller may use (the text says how to get one), it takes root, a program is not there, or a
/// container did not start.
pub fn run(course: &Course, subject: Subject, output: Option<PathBuf>) -> Result<()> {
    // Before minutes are spent on building.
    match subject {
        Subject::Cpu => cpu::check()?,
        Subject::Memory => memory::check()?,
        Subject::Layers | Subject::CopyUp => store::check()?,
    }
    let boxwright = demo::build(&course.root)?;
    anstream::println!("{DIM}measuring; whatever else runs on this machine is seen in the picture{DIM:#}");
    let outcome = match subject {
        Subject::Cpu => cpu::run(&boxwright)?,
        Subject::Memory => memory::run(&boxwright)?,
        Subject::Layers => layers::run(&boxwright)?,
        Subject::CopyUp => copy_up::run(&boxwright)?,
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
