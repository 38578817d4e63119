//! What many containers of one image take of the disk, and how long each takes to start.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::Outcome;
use super::container::Point;
use super::picture::{Line, Panel, Style, axis, picture};
use super::store::{BTRFS, OVERLAY, Store, VFS, Way, apart, machine, succeed};

const CONTAINERS: u32 = 100;
/// The fastest counts: on a machine that has other things to do too, it is the one that tells what the work takes.
const ROUNDS: usize = 3;
/// Of these the lines tell.
const TOLD: [usize; 3] = [1, 10, 100];
/// The image: so many files of 32 KiB, and a shell.
const FILES: usize = 256;
const WAYS: [(&Way, Style); 3] = [(&VFS, Style::Quiet), (&OVERLAY, Style::Solid), (&BTRFS, Style::Quiet)];

/// By the number of containers: megabytes, and milliseconds that the last one took.
type Seen = (Vec<Point>, Vec<Point>);

/// As many containers by each driver, one after the other: each writes a line to a file of its own, ends, and stays.
pub fn run(boxwright: &Path) -> Result<Outcome> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    for (way, _) in WAYS {
        let (disk, mut starts) = apart(|| containers(boxwright, way))?;
        for _ in 1..ROUNDS {
            let (_, again) = apart(|| containers(boxwright, way))?;
            starts.iter_mut().zip(again).for_each(|(start, again)| start.1 = start.1.min(again.1));
        }
        let used: Vec<_> = TOLD.iter().map(|&count| format!("{count} {}", mb(disk[count].1))).collect();
        let (used, image) = (used.join(", "), mb(disk[0].1));
        lines.push(format!("{:<8} image {image}; with containers: {used}; one takes {}", way.name, ms(&starts)));
        all.push((disk, starts));
    }
    Ok(Outcome { picture: draw(&all), lines })
}

fn containers(boxwright: &Path, way: &Way) -> Result<Seen> {
    let store = Store::with_image(boxwright, way, &["sh"], &[32 << 10; FILES])?;
    let (mut disk, mut starts) = (vec![(0.0, store.used_mb()?)], Vec::new());
    for number in 1..=CONTAINERS {
        let name = format!("{}-{number}", way.name);
        let mut container = store.run(&["--name", &name], "echo own > /own");
        let start = Instant::now();
        succeed(&mut container)?;
        starts.push((f64::from(number), start.elapsed().as_secs_f64() * 1000.0));
        disk.push((f64::from(number), store.used_mb()?));
    }
    Ok((disk, starts))
}

fn draw(all: &[Seen]) -> String {
    let most = |points: fn(&Seen) -> &Vec<Point>| all.iter().flat_map(points).map(|point| point.1).fold(0.0, f64::max);
    let axes = |title: &str, y| Panel {
        title: title.to_owned(),
        x: (f64::from(CONTAINERS), 10.0, "containers"),
        y,
        lines: Vec::new(),
        marks: Vec::new(),
    };
    let mut disk = axes("One image, and containers of it", axis(most(|seen| &seen.0), "MB of the disk"));
    let mut start = axes("A container, from the command to its end", axis(most(|seen| &seen.1), "ms"));
    for ((way, style), (used, starts)) in WAYS.into_iter().zip(all) {
        let label = format!("{}: {}", way.name, mb(used.last().map_or(0.0, |point| point.1)));
        disk.lines.push(Line { points: used.clone(), label, style });
        start.lines.push(Line { points: starts.clone(), label: format!("{}: {}", way.name, ms(starts)), style });
    }
    let description = "Above, megabytes of the disk against the number of containers of one image: with vfs a steep straight \
                       line, with overlay and btrfs two that stay at the bottom. Below, the milliseconds that each \
                       container took, from the command to its end: three uneven lines.";
    let note = format!("{}; the fastest of {ROUNDS} rounds", machine());
    picture("Disk and time of many containers of one image", description, &[disk, start], &note)
}

/// The middle one.
fn ms(points: &[Point]) -> String {
    let mut all: Vec<_> = points.iter().map(|point| point.1).collect();
    all.sort_by(f64::total_cmp);
    format!("{:.0} ms", all.get(all.len() / 2).copied().unwrap_or(0.0))
}

fn mb(megabytes: f64) -> String {
    format!("{megabytes:.1} MB")
}

#[cfg(test)]
mod tests {
    use super::{TOLD, WAYS, draw, ms};

    #[test]
    fn each_way_has_its_line_and_its_last_figure() {
        let seen = |mb: f64| {
            let disk = (0..=100).map(|count| (f64::from(count), mb * f64::from(count))).collect();
            (disk, (1..=100).map(|count| (f64::from(count), 7.0)).collect())
        };
        let svg = draw(&[seen(9.0), seen(0.5), seen(0.25)]);
        for (way, total) in WAYS.iter().zip(["900.0", "50.0", "25.0"]) {
            assert!(svg.contains(&format!(">{}: {total} MB<", way.0.name)), "{svg}");
        }
        assert!(svg.contains(">1000<") && TOLD[2] == 100, "{svg}");
    }

    #[test]
    fn the_middle_is_told() {
        assert_eq!(ms(&[(1.0, 9.0), (2.0, 1.0), (3.0, 400.0)]), "9 ms");
    }
}
