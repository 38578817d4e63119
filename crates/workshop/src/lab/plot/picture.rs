//! Lines over axes, in the manner of `book/PICTURES.md`.
//!
//! The crate `svg` puts the elements together and escapes the texts: it takes a second to build and needs no other. A
//! plotting crate would take two to four, in every learner's first `cargo lab`, and not make the book's kind of picture:
//! titled, described, without a size of its own, each line with its name at its end.

use svg::Document;
use svg::node::element::{Description, Element, Path, Rectangle, Text, Title};

use super::container::Point;

const INK: &str = "#1f2933";
const SLATE: &str = "#52606d";
const GREY: &str = "#e4e7eb";
const BLUE: &str = "#2b6cb0";
const RED: &str = "#b83a26";
const SANS: &str = "system-ui, sans-serif";

const WIDTH: f64 = 760.0;
/// Of one panel, its title and the names of its axes included.
const HEIGHT: f64 = 296.0;
/// Of the lines' own field, in a panel.
const FIELD: Field = Field { left: 72.0, top: 46.0, width: 480.0, height: 190.0 };
/// Labels of 14 px need so much for themselves.
const LABEL_HEIGHT: f64 = 17.0;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What is measured.
    Solid,
    /// What is measured too, and not the point.
    Quiet,
    /// What nothing may cross.
    Limit,
}

/// A line with its name, which stands at its end.
pub struct Line {
    pub points: Vec<Point>,
    pub label: String,
    pub style: Style,
}

/// An axis: where it ends (it begins at 0), how far its ticks are apart, and what it counts.
pub type Axis = (f64, f64, &'static str);

/// Axes, and lines over them.
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    /// Points with a word.
    pub marks: Vec<(Point, String)>,
}

struct Field {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// The file: `panels` one below the other, and `note` at the foot.
pub fn picture(title: &str, description: &str, panels: &[Panel], note: &str) -> String {
    let height = HEIGHT * panels.len() as f64 + 30.0;
    let background = Rectangle::new().set("width", WIDTH).set("height", height).set("rx", 8).set("fill", "#f7f7f4");
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("role", "img")
        .set("aria-labelledby", "title desc")
        .set("font-family", SANS)
        .set("font-size", 14)
        .set("fill", INK)
        .add(Title::new(title).set("id", "title"))
        .add(Description::new().set("id", "desc").add(svg::node::Text::new(description)))
        .add(background);
    for (place, panel) in panels.iter().enumerate() {
        for element in panel.elements(HEIGHT * place as f64) {
            document = document.add(element);
        }
    }
    let note = text(note, FIELD.left, height - 16.0).set("font-size", 13).set("fill", SLATE);
    format!("{}\n", document.add(note))
}

impl Panel {
    /// Everything of it, `down` from the top of the picture.
    fn elements(&self, down: f64) -> Vec<Element> {
        let x = |value: f64| FIELD.left + FIELD.width * value / self.x.0;
        let y = |value: f64| down + FIELD.top + FIELD.height * (1.0 - value / self.y.0);
        let (right, bottom) = (FIELD.left + FIELD.width, down + FIELD.top + FIELD.height);
        let mut all: Vec<Element> = vec![
            text(&self.title, FIELD.left, down + 30.0).set("font-size", 15).set("font-weight", 600).into(),
            text(self.x.2, FIELD.left + FIELD.width / 2.0, bottom + 40.0).set("text-anchor", "middle").into(),
            text(self.y.2, 0.0, 0.0)
                .set("text-anchor", "middle")
                .set("transform", format!("translate(24 {:.0}) rotate(-90)", (y(0.0) + y(self.y.0)) / 2.0))
                .into(),
        ];
        for value in ticks(self.x) {
            all.push(stroke(&[(x(value), bottom), (x(value), bottom + 5.0)], SLATE, 1.2).into());
            all.push(text(&value.to_string(), x(value), bottom + 20.0).set("text-anchor", "middle").into());
        }
        for value in ticks(self.y) {
            all.push(stroke(&[(FIELD.left, y(value)), (right, y(value))], GREY, 1.2).into());
            all.push(text(&value.to_string(), FIELD.left - 8.0, y(value) + 5.0).set("text-anchor", "end").into());
        }
        all.push(stroke(&[(FIELD.left, y(self.y.0)), (FIELD.left, bottom), (right, bottom)], SLATE, 1.2).into());

        let ends = self.lines.iter().map(|line| line.points.last().map_or(bottom, |point| y(point.1)));
        let heights = apart(ends.collect(), bottom);
        for (line, height) in self.lines.iter().zip(heights) {
            let (colour, width) = match line.style {
                Style::Solid => (BLUE, 2.0),
                Style::Quiet => (SLATE, 2.0),
                Style::Limit => (RED, 1.6),
            };
            // A run ends a moment late: what is beyond the axis is not drawn.
            let inside = line.points.iter().filter(|point| point.0 <= self.x.0);
            let points: Vec<_> = inside.map(|point| (x(point.0), y(point.1))).collect();
            let mut path = stroke(&points, colour, width);
            if line.style == Style::Limit {
                path = path.set("stroke-dasharray", "7 5");
            }
            all.push(path.into());
            all.push(text(&line.label, right + 10.0, height + 5.0).set("fill", colour).into());
        }
        for (point, word) in &self.marks {
            let (at, height) = (x(point.0), y(point.1));
            for (from, to) in [(-5.0, 5.0), (5.0, -5.0)] {
                all.push(stroke(&[(at - 5.0, height + from), (at + 5.0, height + to)], RED, 2.4).into());
            }
            all.push(text(word, at, height - 12.0).set("text-anchor", "middle").set("fill", RED).into());
        }
        all
    }
}

/// An axis with room for `most`, and a tick at every so many: 1, 2 or 5, or a tenfold of these.
pub fn axis(most: f64, counts: &'static str) -> Axis {
    let power = 10_f64.powf((most.max(4.0) / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|digit| digit * power).find(|step| step * 4.0 <= most).unwrap_or(power);
    ((most / step).ceil() * step, step, counts)
}

fn ticks((end, step, _): Axis) -> Vec<f64> {
    let mut ticks = vec![0.0];
    while let Some(next) = ticks.last().map(|last| last + step).filter(|next| *next <= end) {
        ticks.push(next);
    }
    ticks
}

/// Where labels stand that want to stand at `heights`, in the same order: no two closer than a line of text, and none below
/// `bottom`, where the axis has its own.
fn apart(heights: Vec<f64>, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&one, &other| heights[one].total_cmp(&heights[other]));
    let mut placed = heights;
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].max(placed[pair[0]] + LABEL_HEIGHT);
    }
    let mut lowest = bottom;
    for &label in order.iter().rev() {
        placed[label] = placed[label].min(lowest);
        lowest = placed[label] - LABEL_HEIGHT;
    }
    placed
}

fn text(words: &str, x: f64, y: f64) -> Text {
    Text::new(words).set("x", rounded(x)).set("y", rounded(y))
}

fn stroke(points: &[Point], colour: &str, width: f64) -> Path {
    let mut data = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        data.push_str(&format!("{}{} {}", if at == 0 { 'M' } else { 'L' }, rounded(*x), rounded(*y)));
    }
    Path::new().set("d", data).set("fill", "none").set("stroke", colour).set("stroke-width", width)
}

/// To a tenth of a pixel: nobody sees more, and the file is a third of the size.
fn rounded(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        Panel {
            title: "a < b".into(),
            x: (2.0, 0.5, "s"),
            y: (1.0, 0.25, "y"),
            lines: vec![
                Line { points: vec![(0.0, 0.0), (1.0, 0.5), (3.0, 9.0)], label: "one".into(), style: Style::Solid },
                Line { points: vec![(0.0, 1.0), (2.0, 1.0)], label: "limit".into(), style: Style::Limit },
            ],
            marks: vec![((1.0, 0.5), "here".into())],
        }
    }

    #[test]
    fn a_picture_has_the_forms_of_the_book() {
        let svg = picture("title & more", "what it shows", &[panel()], "Linux");
        for words in [
            r#"viewBox="0 0 760 326""#,
            ">title &amp; more</title>",
            ">what it shows</desc>",
            "a &lt; b",
            ">limit<",
            ">here<",
        ] {
            assert!(svg.contains(words), "{words} in\n{svg}");
        }
        assert!(!svg.contains(r#"<svg width"#) && svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_beyond_the_axis() {
        let svg = picture("t", "d", &[panel()], "");
        assert!(svg.contains("M72 236L312 141\""), "{svg}");
    }

    #[test]
    fn labels_stand_apart_and_keep_their_order() {
        assert_eq!(apart(vec![100.0, 50.0, 101.0], 200.0), [100.0, 50.0, 117.0]);
        assert_eq!(apart(vec![10.0, 10.0], 200.0), [10.0, 27.0]);
        assert_eq!(apart(vec![200.0, 199.0, 90.0], 200.0), [200.0, 183.0, 90.0]);
    }

    #[test]
    fn an_axis_has_room_and_round_ticks() {
        for (most, end, step) in [(890.0, 1000.0, 200.0), (70.0, 70.0, 10.0), (100.0, 100.0, 20.0), (4.5, 5.0, 1.0)] {
            assert_eq!(axis(most, ""), (end, step, ""), "{most}");
        }
    }

    #[test]
    fn ticks_reach_the_end() {
        assert_eq!(ticks((2.0, 0.5, "")), [0.0, 0.5, 1.0, 1.5, 2.0]);
    }
}
