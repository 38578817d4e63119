//! `cargo lab doctor`: what this machine can do, and a verdict a lab.

use anyhow::Result;
use serde::Serialize;

use super::needs::{self, Need, State};
use super::paint::{BAD, BOLD, DIM, GOOD, WARN};
use crate::course::{Course, Lab};

/// What a machine means for one lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The lab's number.
    pub number: u8,
    /// The worst of its needs.
    pub state: State,
    /// The names of the needs that are not met.
    pub because: Vec<&'static str>,
}

impl Verdict {
    /// From what was seen of the machine.
    #[must_use]
    pub fn of(lab: &Lab, needs: &[Need]) -> Self {
        let unmet = needs.iter().filter(|need| need.state != State::Met && need.labs.contains(&lab.number));
        let because: Vec<_> = unmet.clone().map(|need| need.name).collect();
        let state = match () {
            () if unmet.clone().any(|need| need.state == State::Missing) => State::Missing,
            () if because.is_empty() => State::Met,
            () => State::Limited,
        };
        Self { number: lab.number, state, because }
    }
}

/// Shows every need and every verdict. Whether each lab can be done here, be it with some tests skipped.
///
/// # Errors
/// None but JSON's own.
pub fn run(course: &Course, json: bool) -> Result<bool> {
    let needs = needs::all();
    let verdicts: Vec<_> = course.labs.iter().map(|lab| Verdict::of(lab, &needs)).collect();
    let ready = verdicts.iter().all(|verdict| verdict.state != State::Missing);
    if json {
        let report = serde_json::json!({ "ready": ready, "needs": needs, "labs": verdicts });
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(ready);
    }
    anstream::println!("{BOLD}This machine{BOLD:#}");
    needs.iter().for_each(show);
    anstream::println!("\n{BOLD}The labs on it{BOLD:#}");
    for (lab, verdict) in course.labs.iter().zip(&verdicts) {
        let (style, word) = match verdict.state {
            State::Met => (GOOD, "ready".to_owned()),
            State::Limited => (WARN, format!("ready, some tests will be skipped: {}", verdict.because.join(", "))),
            State::Missing => (BAD, format!("not possible yet: {}", verdict.because.join(", "))),
        };
        anstream::println!("  {:02} {:<10} {style}{word}{style:#}", lab.number, lab.topic);
    }
    let todo = if ready { "Every lab can be done here." } else { "Do what stands after the arrows, then ask again." };
    anstream::println!("\n{todo}");
    Ok(ready)
}

/// One line a need, and one more where there is something to do.
pub fn show(need: &Need) {
    let (style, word) = match need.state {
        State::Met => (GOOD, "ok"),
        State::Limited => (WARN, "limited"),
        State::Missing => (BAD, "missing"),
    };
    anstream::println!("  {style}{word:<8}{style:#} {:<16} {}", need.name, need.detail);
    if !need.fix.is_empty() {
        let (first, last) = (need.labs.start(), need.labs.end());
        let labs = if first == last { format!("lab {first:02}") } else { format!("labs {first:02} to {last:02}") };
        anstream::println!("           {BOLD}->{BOLD:#} {} {DIM}({labs}){DIM:#}", need.fix);
    }
}
