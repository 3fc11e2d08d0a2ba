//! A line chart as SVG inside HTML: colours come from the page's style, so that it is right by day and by night.
//! What the lines mean is [`crate::page`]'s.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 30.0;
/// More points than this are no longer told apart; of neighbours the highest is kept.
const POINTS_MAX: usize = 380;

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// As in the legend.
    pub name: String,
    /// Which of the page's colours.
    pub color: usize,
    /// Only for comparison.
    pub dashed: bool,
    /// x rises.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// A plain line.
    pub fn new(name: &str, color: usize, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), color, dashed: false, points: thinned(points) }
    }

    /// A line that is only for comparison.
    pub fn dashed(name: &str, color: usize, points: Vec<(f64, f64)>) -> Self {
        Self { dashed: true, ..Self::new(name, color, points) }
    }
}

/// What a chart shows.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Its headline.
    pub title: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// The unit of y.
    pub unit: &'static str,
    /// y counts by factors of ten.
    pub logarithmic: bool,
    /// The lines.
    pub lines: Vec<Line>,
    /// Where x is labelled, and how.
    pub x_ticks: Vec<(f64, String)>,
    /// Where something begins, and what.
    pub marks: Vec<(f64, String)>,
}

/// How values become places.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    fn of(chart: &Chart) -> Self {
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let marks = chart.x_ticks.iter().map(|tick| tick.0);
        let xs = || points().map(|point| point.0).chain(marks.clone());
        let x = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
        let most = points().map(|point| point.1).fold(0.0, f64::max);
        let y = if chart.logarithmic {
            let positive = points().map(|point| point.1).filter(|y| *y > 0.0);
            let least = positive.fold(f64::INFINITY, f64::min).min(most);
            (10f64.powf(least.log10().floor()), 10f64.powf((most * 1.05).log10().ceil()))
        } else {
            (0.0, nice(most))
        };
        Self { x, y, logarithmic: chart.logarithmic }
    }

    fn x(&self, x: f64) -> f64 {
        let span = (self.x.1 - self.x.0).max(f64::MIN_POSITIVE);
        LEFT + (x - self.x.0) / span * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, y: f64) -> f64 {
        let share = if self.logarithmic {
            let (low, high) = (self.y.0.log10(), self.y.1.log10());
            (y.max(self.y.0).log10() - low) / (high - low).max(f64::MIN_POSITIVE)
        } else {
            y / self.y.1.max(f64::MIN_POSITIVE)
        };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn y_ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return (0..=4).map(|tick| self.y.1 * f64::from(tick) / 4.0).collect();
        }
        let (low, high) = (self.y.0.log10().round() as i32, self.y.1.log10().round() as i32);
        (low..=high).map(|power| 10f64.powi(power)).collect()
    }
}

/// The next of 1, 2, 4, 5, 8 or 10 times a power of ten.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(most.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|top| *top >= most)
        .unwrap_or(most)
}

fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS_MAX).max(1);
    let highest = |some: &[(f64, f64)]| some.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    points.chunks(each).filter_map(highest).collect()
}

/// A figure for a label: as many digits as tell something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        abs if abs >= 1e6 => format!("{:.1} M", value / 1e6).replace(".0 M", " M"),
        abs if abs >= 1_000.0 => format!("{:.0},{:03}", (value / 1e3).trunc(), (value.abs() as u64) % 1_000),
        abs if abs >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        abs if abs >= 1.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.3}").trim_end_matches('0').to_owned(),
    }
}

/// Text inside HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Chart {
    /// The chart as a `figure`; nothing where there is nothing to show.
    pub fn html(&self) -> String {
        if self.lines.iter().all(|line| line.points.len() < 2) {
            return String::new();
        }
        let scale = Scale::of(self);
        let mut html = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            html,
            "<figure class=\"card\"><figcaption><h2>{}</h2><p>{}</p>{}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\" data-left=\"{LEFT}\" \
             data-right=\"{RIGHT}\" data-unit=\"{}\">",
            escaped(self.title),
            escaped(self.about),
            self.legend(),
            escaped(self.title),
            escaped(self.unit),
        );
        self.grid(&scale, &mut html);
        for line in &self.lines {
            write_line(line, &scale, &mut html);
        }
        html.push_str("<line class=\"cursor\" hidden></line></svg><output></output></figure>\n");
        html
    }

    fn legend(&self) -> String {
        let entry = |line: &Line| {
            let dashed = if line.dashed { " dashed" } else { "" };
            format!("<li class=\"c{}{dashed}\">{}</li>", line.color, escaped(&line.name))
        };
        let shown = self.lines.iter().filter(|line| line.points.len() > 1);
        format!("<ul class=\"legend\">{}</ul>", shown.map(entry).collect::<String>())
    }

    fn grid(&self, scale: &Scale, html: &mut String) {
        let (left, right, bottom) = (LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in scale.y_ticks() {
            let y = scale.y(tick);
            let _ = write!(
                html,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 8.0,
                y + 4.0,
                figure(tick),
            );
        }
        let _ = write!(html, "<text class=\"unit\" x=\"4\" y=\"11\">{}</text>", escaped(self.unit));
        for (at, label) in &self.x_ticks {
            let x = scale.x(*at);
            let _ = write!(
                html,
                "<text class=\"x\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 18.0,
                escaped(label)
            );
        }
        for (at, label) in &self.marks {
            let x = scale.x(*at);
            let _ = write!(
                html,
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text class=\"mark\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 4.0,
                TOP - 6.0,
                escaped(label),
            );
        }
    }
}

/// The line itself, with its values for whoever points at it.
fn write_line(line: &Line, scale: &Scale, html: &mut String) {
    let mut places = String::new();
    let mut values = String::new();
    for (index, (x, y)) in line.points.iter().enumerate() {
        let (separator, letter) = if index == 0 { ("", 'M') } else { (" ", 'L') };
        let _ = write!(places, "{letter}{:.1},{:.1}", scale.x(*x), scale.y(*y));
        let _ = write!(values, "{separator}{:.1},{}", scale.x(*x), figure(*y).replace([',', ' '], ""));
    }
    let dashed = if line.dashed { " dashed" } else { "" };
    let _ = write!(
        html,
        "<path class=\"line c{}{dashed}\" d=\"{places}\" data-name=\"{}\" data-values=\"{values}\"/>",
        line.color,
        escaped(&line.name)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(logarithmic: bool, points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "T",
            about: "a < b",
            unit: "ms",
            logarithmic,
            lines: vec![Line::new("p99", 0, points)],
            x_ticks: vec![(0.0, "0".to_owned())],
            marks: vec![(1.0, "step \"2\"".to_owned())],
        }
    }

    #[test]
    fn a_line_stays_inside_its_frame() {
        for logarithmic in [false, true] {
            let html = chart(logarithmic, vec![(0.0, 0.2), (1.0, 0.0), (2.0, 740.0)]).html();
            let (_, path) = html.split_once(" d=\"").expect("a line");
            let path = path.split('"').next().expect("its end");
            for place in path.split(['M', 'L']).filter(|place| !place.is_empty()) {
                let (x, y) = place.split_once(',').expect("a place");
                let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
                assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{place}");
                assert!((TOP - 0.1..=HEIGHT - BOTTOM + 0.1).contains(&y), "{place}");
            }
            assert!(html.contains("a &lt; b") && html.contains("step &quot;2&quot;"));
        }
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(chart(true, Vec::new()).html().is_empty());
    }

    #[test]
    fn many_points_become_few_and_peaks_stay() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 1.0)).collect();
        points[7_777].1 = 9.0;
        let thin = thinned(points);
        assert!(thin.len() <= POINTS_MAX);
        assert!(thin.contains(&(7_777.0, 9.0)));
    }

    #[test]
    fn figures_have_the_digits_that_tell_something() {
        let told = [0.0, 0.25, 1.5, 12.0, 640.0, 20_000.0, 12_034.0, 1_500_000.0].map(figure);
        assert_eq!(told, ["0", "0.25", "1.5", "12", "640", "20,000", "12,034", "1.5 M"]);
        assert_eq!([0.3, 3.0, 70.0, 95.0].map(nice), [0.4, 4.0, 80.0, 100.0]);
    }
}
