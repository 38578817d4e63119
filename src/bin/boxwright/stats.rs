//! `boxwright stats`: what the running containers use.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::{env, fs};

use boxwright::runtime::callers_size;
use boxwright::runtime::usage::{Sample, sample};
use cli::Format;
use model::{During, Result, StateDir, size};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

/// From one look to the next, in ms.
const INTERVAL_MS: u16 = 1000;
/// How many characters show how near a container is to its memory limit.
const BAR_CELLS: usize = 8;

/// Containers by name.
type Samples = BTreeMap<String, Sample>;

/// Shows it each second, or `once`, for the containers `names` or for all. Ends when nobody reads any more, and
/// when the containers that were named have ended.
///
/// # Errors
/// ENOENT when one of `names` does not run.
pub fn show(states: &StateDir, names: &[String], format: Format, once: bool) -> Result<()> {
    names.iter().try_for_each(|name| states.find(name).map(drop))?;
    let screen = Screen::new();
    let mut lines_shown = 0;
    let mut before = samples(states, names)?;
    // Two looks make a difference: nothing is shown before the second.
    while !is_closed_in_an_interval()? {
        let now = samples(states, names)?;
        let lines: Vec<_> = now.iter().map(|(name, now)| Line::new(name, before.get(name), now)).collect();
        let text = match format {
            Format::Table => screen.frame(&lines, &mut lines_shown),
            Format::Json => lines.iter().map(Line::json).collect::<io::Result<_>>().during("write", "JSON")?,
        };
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            result => result.during("write", "standard output")?,
        }
        if once || (now.is_empty() && !names.is_empty()) {
            break;
        }
        before = now;
    }
    Ok(())
}

fn samples(states: &StateDir, names: &[String]) -> Result<Samples> {
    let mut all = Samples::new();
    for state in states.running()? {
        if names.is_empty() || names.contains(&state.id) {
            // One that ends while we look is left out.
            let Some(sample) = states.cgroup(&state).and_then(|group| sample(&group))? else { continue };
            all.insert(state.id, sample);
        }
    }
    Ok(all)
}

/// Waits; whether meanwhile the reader of standard output went away.
fn is_closed_in_an_interval() -> Result<bool> {
    let stdout = io::stdout();
    let mut files = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    match poll(&mut files, PollTimeout::from(INTERVAL_MS)) {
        Err(Errno::EINTR) => Ok(false),
        result => result.during("poll", "standard output").map(|count| count > 0),
    }
}

/// What is told of a container, in the order in which JSON has it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a str,
    /// Of one processor; unknown until the second look.
    cpu_percent: Option<f64>,
    cpu_us: Option<u64>,
    memory_bytes: Option<u64>,
    memory_peak_bytes: Option<u64>,
    memory_limit_bytes: Option<u64>,
    pids: Option<u64>,
    pids_limit: Option<u64>,
    io_read_bytes: Option<u64>,
    io_written_bytes: Option<u64>,
}

impl<'a> Line<'a> {
    fn new(name: &'a str, before: Option<&Sample>, now: &Sample) -> Self {
        let percent = |before: &Sample| {
            // A container that has taken the name since begins at 0 again.
            let used_us = now.cpu_us?.checked_sub(before.cpu_us?)?;
            let percent = 100.0 * used_us as f64 / (now.at - before.at).as_micros() as f64;
            Some((percent * 100.0).round() / 100.0)
        };
        Line {
            name,
            cpu_percent: before.and_then(percent),
            cpu_us: now.cpu_us,
            memory_bytes: now.memory_bytes,
            memory_peak_bytes: now.memory_peak_bytes,
            memory_limit_bytes: now.memory_limit_bytes,
            pids: now.pids,
            pids_limit: now.pids_limit,
            io_read_bytes: now.io.map(|io| io.read_bytes),
            io_written_bytes: now.io.map(|io| io.written_bytes),
        }
    }

    fn json(&self) -> io::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// What the table is written to.
struct Screen {
    is_terminal: bool,
    has_blocks: bool,
    /// What a container without a limit can use.
    machine_bytes: Option<u64>,
}

impl Screen {
    fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        // The first that is set counts: locale(7).
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
        let is_utf8 = locale.is_some_and(|name| name.to_ascii_uppercase().replace('-', "").contains("UTF8"));
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
        Screen { is_terminal, has_blocks: is_terminal && is_utf8, machine_bytes: total.map(|kb| kb << 10) }
    }

    /// The table, on a terminal in place of the one before, which had `lines_shown`.
    fn frame(&self, lines: &[Line<'_>], lines_shown: &mut usize) -> String {
        let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0).max("NAME".len());
        let mut rows = vec![format!(
            "{:<width$}  {:>7}  {:>17}  {:<15}  {:>11}  BLOCK IO READ / WRITTEN",
            "NAME", "CPU %", "MEM / LIMIT", "MEM %", "PIDS"
        )];
        rows.extend(lines.iter().map(|line| self.row(line, width)));
        if !self.is_terminal {
            return rows.join("\n") + "\n";
        }
        // A row that has scrolled out at the top cannot be written again.
        if let Some(height) = callers_size().map(|size| usize::from(size.ws_row)).filter(|height| *height > 2) {
            rows.truncate(height - 1);
        }
        let up = if *lines_shown > 0 { format!("\x1b[{lines_shown}A\x1b[J") } else { String::new() };
        *lines_shown = rows.len();
        // In one piece, and meanwhile a long line is cut at the edge: a wrapped one would count as two.
        format!("\x1b[?7l{up}{}\n\x1b[?7h", rows.join("\n"))
    }

    fn row(&self, line: &Line<'_>, width: usize) -> String {
        let known = |text: Option<String>| text.unwrap_or_else(|| "--".to_owned());
        let bytes = |number: Option<u64>| known(number.map(size::in_words));
        let most_bytes = line.memory_limit_bytes.or(self.machine_bytes);
        let share = line.memory_bytes.zip(most_bytes).map(|(used, most)| used as f64 / most.max(1) as f64);
        let memory = line.memory_bytes.map(|used| format!("{} / {}", size::in_words(used), bytes(most_bytes)));
        let pids = |pids: u64| match line.pids_limit {
            Some(limit) => format!("{pids} / {limit}"),
            None => pids.to_string(),
        };
        let io =
            line.io_read_bytes.map(|_| format!("{} / {}", bytes(line.io_read_bytes), bytes(line.io_written_bytes)));
        format!(
            "{:<width$}  {:>7}  {:>17}  {:<15}  {:>11}  {}",
            line.name,
            known(line.cpu_percent.map(|percent| format!("{percent:.1}"))),
            known(memory),
            known(share.map(|share| format!("{} {:>5.1}", self.bar(share), share * 100.0))),
            known(line.pids.map(pids)),
            known(io),
        )
    }

    fn bar(&self, share: f64) -> String {
        let full = ((share * BAR_CELLS as f64).round() as usize).min(BAR_CELLS);
        let (used, free) = if self.has_blocks { ("█", "░") } else { ("#", ".") };
        used.repeat(full) + &free.repeat(BAR_CELLS - full)
    }
}
