//! The pictures and the table of `docs/scaling.md`: the same results make the same bytes.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What stands before and behind the table in the page.
const BEGIN: &str = "<!-- benches/growth/run -->\n";
const END: &str = "<!-- end -->";

/// One point of a curve.
#[derive(Clone, Debug)]
struct Point {
    axis: String,
    unit: String,
    count: f64,
    instructions: f64,
    nanoseconds: f64,
}

/// Puts pictures into `folder`, and the table into its `scaling.md`.
pub(crate) fn page(results: &str, folder: &Path) {
    let points: Vec<Point> = results.lines().map(point).collect();
    for axis in ["streams", "tunnels"] {
        let name = format!("scaling-{axis}.svg");
        fs::write(folder.join(name), picture(axis, &points)).expect("a picture is written");
    }
    let path = folder.join("scaling.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark behind the table");
    let page = format!("{before}{BEGIN}{}{END}{after}", table(&points));
    fs::write(path, page).expect("the page is written");
}

fn point(line: &str) -> Point {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [axis, unit, count, instructions, nanoseconds] = words[..] else {
        panic!("{line:?} is no result");
    };
    let number = |text: &str| text.parse::<f64>().expect("a number");
    Point {
        axis: axis.to_owned(),
        unit: unit.to_owned(),
        count: number(count),
        instructions: number(instructions),
        nanoseconds: number(nanoseconds),
    }
}

fn curve<'a>(points: &'a [Point], axis: &str, unit: &str) -> Vec<&'a Point> {
    points.iter().filter(|point| point.axis == axis && point.unit == unit).collect()
}

fn table(points: &[Point]) -> String {
    let mut table = String::from(
        "\n| beside | a request: instructions | time | a KiB: instructions | time |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for axis in ["streams", "tunnels"] {
        let bytes = curve(points, axis, "byte");
        for (request, byte) in curve(points, axis, "request").into_iter().zip(bytes) {
            let _ = writeln!(
                table,
                "| {} {axis} | {:.0} | {:.1} µs | {:.0} | {:.2} µs |",
                request.count,
                request.instructions,
                request.nanoseconds / 1e3,
                byte.instructions * 1024.0,
                byte.nanoseconds * 1024.0 / 1e3,
            );
        }
    }
    table.push('\n');
    table
}

/// A picture's size and margin, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;
/// The top of the scale: the cost of a curve's first point is 1.
const TOP: f64 = 2.0;
/// How far a curve may leave its first point.
const FLAT: f64 = 0.2;

/// The curves of one axis, each beside its first point; the band is what counts as flat.
fn picture(axis: &str, points: &[Point]) -> String {
    let curves = [
        ("request", "instructions", "#1f4e9c", ""),
        ("request", "time", "#1f4e9c", "4 4"),
        ("byte", "instructions", "#b3541e", ""),
        ("byte", "time", "#b3541e", "4 4"),
    ];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let (top, bottom) = (y(1.0 + FLAT), y(1.0 - FLAT));
    let _ = writeln!(
        svg,
        "<rect x=\"{MARGIN}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#e8f0e4\"/>",
        WIDTH - 2.0 * MARGIN,
        bottom - top,
    );
    for mark in [0.0, 0.5, 1.0, 1.5, 2.0] {
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#ccc\"/>\
             <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{mark:.1}</text>",
            WIDTH - MARGIN,
            y(mark),
            MARGIN - 6.0,
            y(mark) + 4.0,
        );
    }
    let counts = curve(points, axis, "request");
    for (index, point) in counts.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(index, counts.len()),
            HEIGHT - MARGIN + 18.0,
            point.count,
        );
    }
    for (row, (unit, what, colour, dashes)) in curves.into_iter().enumerate() {
        let value = |point: &Point| match what {
            "time" => point.nanoseconds,
            _ => point.instructions,
        };
        let curve = curve(points, axis, unit);
        let Some(first) = curve.first().map(|point| value(point)) else { continue };
        let line: Vec<String> = curve
            .iter()
            .enumerate()
            .map(|(index, point)| {
                let height = y((value(point) / first).min(TOP));
                format!("{:.1},{height:.1}", x(index, curve.len()))
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dashes}\"/>",
            line.join(" "),
        );
        let height = MARGIN + 8.0 + 16.0 * row as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{height:.1}\" y2=\"{height:.1}\" stroke=\"{colour}\" \
             stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{what} of a {unit}</text>",
            MARGIN + 8.0,
            MARGIN + 40.0,
            MARGIN + 46.0,
            height + 4.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{axis}; the first point is 1, the \
         band is 20 %</text>\n</svg>",
        WIDTH / 2.0,
        HEIGHT - 10.0,
    );
    svg
}

/// Where the `index`th of `count` points stands.
fn x(index: usize, count: usize) -> f64 {
    MARGIN + 24.0 + (WIDTH - 2.0 * MARGIN - 48.0) * index as f64 / (count.max(2) - 1) as f64
}

fn y(cost: f64) -> f64 {
    HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * cost / TOP
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULTS: &str = "streams request 10 1000 500\nstreams request 100 1100 510\n\
                           streams byte 10 2 1\nstreams byte 100 2 1.1\n";

    #[test]
    fn a_picture_is_the_same_each_time() {
        let points: Vec<Point> = RESULTS.lines().map(point).collect();
        let one = picture("streams", &points);
        assert_eq!(one, picture("streams", &points));
        assert_eq!(one.matches("<polyline").count(), 4);
        assert!(table(&points).contains("| 100 streams | 1100 | 0.5 µs | 2048 | 1.13 µs |"));
    }
}
