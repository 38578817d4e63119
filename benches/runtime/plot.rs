//! The table as a picture, in the manner of `book/PICTURES.md`: a bar for each median, a line from the least to the third quartile.

use std::fmt::Write as _;

/// A runtime in one panel, in milliseconds.
pub struct Bar {
    pub name: &'static str,
    pub least: f64,
    pub median: f64,
    pub third_quartile: f64,
}

pub struct Panel {
    pub title: String,
    pub bars: Vec<Bar>,
}

const LEFT: f64 = 96.0;
const WIDTH: f64 = 560.0;
const ROW: f64 = 26.0;

/// The file. All panels have one scale, so that they can be compared.
pub fn svg(panels: &[Panel], note: &str) -> String {
    let most = panels.iter().flat_map(|panel| &panel.bars).map(|bar| bar.third_quartile).fold(1.0, f64::max);
    let x = |ms: f64| LEFT + WIDTH * ms / most;
    let mut body = String::new();
    let mut y = 24.0;
    for Panel { title, bars } in panels {
        text(&mut body, 24.0, y + 14.0, "font-size=\"15\" font-weight=\"600\"", title);
        y += 26.0;
        for bar in bars {
            let colour = if bar.name == "runbox" { "#2b6cb0" } else { "#9aa5b1" };
            let middle = y + 10.0;
            text(&mut body, LEFT - 10.0, y + 15.0, "text-anchor=\"end\"", bar.name);
            let width = x(bar.median) - LEFT;
            let _ =
                writeln!(body, r##"<rect x="{LEFT}" y="{y}" width="{width:.1}" height="20" rx="2" fill="{colour}"/>"##);
            let (from, to) = (x(bar.least), x(bar.third_quartile));
            let line = format!("M{from:.1} {middle}H{to:.1}M{from:.1} {y}v20M{to:.1} {y}v20");
            let _ = writeln!(body, r##"<path d="{line}" stroke="#1f2933" stroke-width="1.2" fill="none"/>"##);
            text(&mut body, to.max(x(bar.median)) + 8.0, y + 15.0, "", &format!("{:.1}", bar.median));
            y += ROW;
        }
        y += 14.0;
    }
    text(&mut body, 24.0, y + 10.0, "fill=\"#52606d\" font-size=\"13\"", note);
    let height = y + 28.0;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="14" fill="#1f2933">
<title id="title">What a container costs</title>
<desc id="desc">Bars, one for each runtime, as long as it takes to run a container: runbox, crun, runc, and the least that the kernel asks for.</desc>
<rect width="760" height="{height}" rx="8" fill="#f7f7f4"/>
{body}</svg>
"##
    )
}

fn text(body: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let _ = writeln!(body, r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{text}</text>"#);
}
