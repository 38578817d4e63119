//! `cargo lab`: where one is, and the one next step.

use anyhow::Result;

use super::needs::{self, State};
use super::paint::{BAD, BOLD, DIM, GOOD, WARN};
use super::status::{self, Standing, Status};
use super::{doctor, state};
use crate::course::Course;

/// Shows the machine, the labs and the next step.
///
/// # Errors
/// A file of the course cannot be read.
pub fn run(course: &Course, json: bool) -> Result<()> {
    let needs = needs::all();
    let standings = Standing::all(course, &state::load(&course.root)?)?;
    let next = next(course, &needs, &standings);
    if json {
        let report = serde_json::json!({ "needs": needs, "labs": standings, "next": next });
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    anstream::println!("{BOLD}This machine{BOLD:#}");
    needs.iter().for_each(doctor::show);
    anstream::println!();
    labs(&standings);
    anstream::println!("\n{BOLD}next{BOLD:#}: {next}");
    Ok(())
}

/// One line a lab.
pub fn labs(standings: &[Standing]) {
    let done = standings.iter().filter(|standing| standing.is_done()).count();
    anstream::println!("{BOLD}Your labs{BOLD:#} {DIM}({done} of {} done){DIM:#}", standings.len());
    for Standing { number, topic, status, why, .. } in standings {
        let (style, word) = match status {
            Status::Passed => (GOOD, "passed"),
            Status::Skipped => (WARN, "skipped"),
            Status::InProgress => (BOLD, "in progress"),
            Status::NotStarted => (DIM, "not started"),
            Status::Missing => (BAD, "missing"),
        };
        let why = if why.is_empty() { String::new() } else { format!("  {DIM}{why}{DIM:#}") };
        anstream::println!("  {number:02} {topic:<10} {style}{word}{style:#}{why}");
    }
}

/// The next lab's step; the machine comes first where that lab cannot be done on it.
fn next(course: &Course, needs: &[needs::Need], standings: &[Standing]) -> String {
    let open = standings.iter().find(|standing| !standing.is_done());
    let lab = open.and_then(|open| course.lab(open.number).ok());
    let blocking =
        lab.and_then(|lab| needs.iter().find(|need| need.state == State::Missing && need.labs.contains(&lab.number)));
    blocking.map_or_else(|| status::next(standings), |need| format!("{}: {}", need.name, need.fix))
}
