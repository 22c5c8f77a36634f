//! Charts: one or more panels over a common horizontal axis.
//!
//! Lines are named at their right end rather than in a legend; events (losses, marks) are ticks
//! along the top of a panel.
use super::scene::*;
use super::ticks::{label, ticks};

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line from point to point.
    Line,
    /// A value holds until the next.
    Step,
    /// A dashed step.
    Dashed,
    /// The area below a step, pale.
    Area,
    /// Dots.
    Dots,
    /// A dashed line from point to point, for what theory says.
    Theory,
}

/// A line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub label: String,
    /// In order of x.
    pub points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub style: Style,
    /// Which of the palette's colours.
    pub colour: usize,
}

/// Events along the top of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Marks {
    /// What they are.
    pub label: String,
    /// Where.
    pub at: Vec<f64>,
    /// Which of the palette's colours; `None`: that of losses.
    pub colour: Option<usize>,
}

/// A panel.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Panel {
    /// What its vertical axis shows, with the unit.
    pub axis: String,
    /// Its lines.
    pub series: Vec<Series>,
    /// Its events.
    pub marks: Vec<Marks>,
    /// The axis ends here; by the data if `None`.
    pub top: Option<f64>,
}

/// The picture.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Chart {
    /// Stem of its file's name.
    pub name: String,
    /// Above it.
    pub title: String,
    /// What the horizontal axis shows, with the unit.
    pub axis: String,
    /// From above.
    pub panels: Vec<Panel>,
    /// The horizontal axis is logarithmic.
    pub log_x: bool,
}

const LEFT: f64 = 78.0;
const PLOT: f64 = 640.0;
const TOP: f64 = 50.0;
const GAP: f64 = 34.0;

impl Series {
    /// A series.
    pub fn new(label: &str, colour: usize, style: Style, points: Vec<(f64, f64)>) -> Series {
        Series { label: label.into(), points, style, colour }
    }

    pub(super) fn paint(&self) -> Colour {
        SERIES[self.colour % SERIES.len()]
    }
}

impl Marks {
    pub(super) fn paint(&self) -> Colour {
        self.colour.map_or(LOSS, |n| SERIES[n % SERIES.len()])
    }
}

impl Panel {
    /// The upper end of its axis.
    pub(super) fn limit(&self) -> f64 {
        if let Some(top) = self.top {
            return top;
        }
        let all = self.series.iter().flat_map(|s| &s.points).map(|p| p.1);
        let most = all.filter(|y| y.is_finite()).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let step = ticks(0.0, most, 5).get(1).copied().unwrap_or(most);
        // Room above for the marks.
        (most / step).ceil() * step + if self.marks.is_empty() { 0.0 } else { step * 0.35 }
    }
}

impl Chart {
    /// The range of the horizontal axis.
    pub(super) fn range(&self) -> (f64, f64) {
        let all = self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points);
        let (mut from, mut to) = (f64::MAX, f64::MIN);
        for (x, _) in all.filter(|p| p.0.is_finite() && (p.0 > 0.0 || !self.log_x)) {
            (from, to) = (from.min(*x), to.max(*x));
        }
        if from > to {
            return (0.0, 1.0);
        }
        if !self.log_x && from > 0.0 && from < (to - from) * 0.5 {
            from = 0.0;
        }
        (from, if to > from { to } else { from + 1.0 })
    }

    /// Where `x` lies: 0 at the left end, 1 at the right.
    pub(super) fn place(&self, x: f64) -> f64 {
        let (from, to) = self.range();
        match self.log_x {
            true => (x.max(from) / from).ln() / (to / from).ln(),
            false => (x - from) / (to - from),
        }
    }

    pub(super) fn x_ticks(&self) -> Vec<(f64, String)> {
        let (from, to) = self.range();
        if self.log_x {
            let powers = (from.log10().floor() as i32)..=(to.log10().ceil() as i32);
            let all = powers.flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(p)));
            let inside = all.filter(|x| *x >= from * 0.999 && *x <= to * 1.001);
            return inside.map(|x| (x, label(x, x.min(1.0)))).collect();
        }
        let places = ticks(from, to, 8);
        let step = places.get(1).map_or(1.0, |second| second - places[0]);
        places.into_iter().map(|x| (x, label(x, step))).collect()
    }

    /// Laid out.
    pub fn scene(&self) -> Scene {
        let names = self.panels.iter().flat_map(|p| {
            let series = p.series.iter().map(|s| s.label.as_str());
            series.chain(p.marks.iter().map(|m| m.label.as_str()))
        });
        let right = names.map(|n| width(n, 11.0)).fold(40.0, f64::max) + 24.0;
        let tall = if self.panels.len() > 1 { 190.0 } else { 320.0 };
        let count = self.panels.len().max(1) as f64;
        let bottom = TOP + count * tall + (count - 1.0) * GAP;
        let page = (LEFT + PLOT + right, bottom + 52.0);
        let mut scene = Scene::new(page.0, page.1, &self.title);
        scene.text(Text::new((LEFT, 26.0), 15.0, &*self.title).bold());
        let ticks = self.x_ticks();
        for (number, panel) in self.panels.iter().enumerate() {
            let top = TOP + number as f64 * (tall + GAP);
            let frame = Frame { chart: self, top, tall, limit: panel.limit() };
            for (x, text) in &ticks {
                let x = frame.x(*x);
                scene.line((x, top), (x, top + tall), Stroke::full(FAINT, 1.0));
                if number + 1 == self.panels.len() {
                    let at = (x, bottom + 17.0);
                    scene.text(Text::new(at, 11.0, &**text).anchor(Anchor::Middle));
                }
            }
            frame.draw(&mut scene, panel);
        }
        let at = (LEFT + PLOT / 2.0, bottom + 40.0);
        scene.text(Text::new(at, 12.0, &*self.axis).anchor(Anchor::Middle));
        scene
    }
}

/// A panel's place on the page.
struct Frame<'a> {
    chart: &'a Chart,
    top: f64,
    tall: f64,
    limit: f64,
}

impl Frame<'_> {
    fn x(&self, x: f64) -> f64 {
        LEFT + self.chart.place(x) * PLOT
    }

    fn y(&self, y: f64) -> f64 {
        self.top + self.tall - (y / self.limit).clamp(0.0, 1.0) * self.tall
    }

    fn draw(&self, scene: &mut Scene, panel: &Panel) {
        let places = ticks(0.0, self.limit, if self.tall > 250.0 { 7 } else { 5 });
        let step = places.get(1).copied().unwrap_or(1.0);
        for y in places {
            let at = self.y(y);
            scene.line((LEFT, at), (LEFT + PLOT, at), Stroke::full(FAINT, 1.0));
            let text = Text::new((LEFT - 7.0, at + 4.0), 11.0, label(y, step));
            scene.text(text.anchor(Anchor::End));
        }
        let foot = self.top + self.tall;
        scene.line((LEFT, self.top), (LEFT, foot), Stroke::full(INK, 1.0));
        scene.line((LEFT, foot), (LEFT + PLOT, foot), Stroke::full(INK, 1.0));
        let middle = (20.0, self.top + self.tall / 2.0);
        let axis = Text { angle: -90.0, ..Text::new(middle, 12.0, &*panel.axis) };
        scene.text(axis.anchor(Anchor::Middle));
        for series in &panel.series {
            self.series(scene, series);
        }
        for (row, marks) in panel.marks.iter().enumerate() {
            self.marks(scene, marks, row);
        }
        self.names(scene, panel);
    }

    fn series(&self, scene: &mut Scene, series: &Series) {
        let colour = series.paint();
        let stroke = match series.style {
            Style::Line | Style::Step | Style::Dots | Style::Area => Stroke::full(colour, 1.8),
            Style::Dashed | Style::Theory => Stroke::dashed(colour, 1.5),
        };
        let steps = matches!(series.style, Style::Step | Style::Dashed | Style::Area);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (x, y) in &series.points {
            let (x, y) = (self.x(*x), self.y(*y));
            if let Some((_, before)) = points.last().copied().filter(|_| steps) {
                points.push((x, before));
            }
            points.push((x, y));
        }
        if series.style == Style::Dots {
            let mut last: Option<(f64, f64)> = None;
            for (x, y) in points {
                // Dots that would lie on each other are one.
                if last.is_none_or(|(a, b)| (a - x).abs() + (b - y).abs() > 0.8) {
                    scene.shapes.push(Shape::Dot((x, y), 2.2, colour));
                    last = Some((x, y));
                }
            }
            return;
        }
        let mut points = thin(&points);
        if series.style == Style::Area {
            let foot = self.top + self.tall;
            if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
                points.extend([(last.0, foot), (first.0, foot)]);
                scene.shapes.push(Shape::Area(points, colour, 0.35));
            }
            return;
        }
        scene.shapes.push(Shape::Line(points, stroke));
    }

    fn marks(&self, scene: &mut Scene, marks: &Marks, row: usize) {
        let y = self.top + 6.0 + row as f64 * 11.0;
        let mut last = f64::MIN;
        for x in &marks.at {
            let x = self.x(*x);
            if x - last < 1.0 {
                continue;
            }
            last = x;
            scene.line((x, y - 4.0), (x, y + 4.0), Stroke::full(marks.paint(), 1.4));
        }
    }

    /// Names at the right ends, moved apart.
    fn names(&self, scene: &mut Scene, panel: &Panel) {
        let mut names: Vec<(f64, &str, Colour)> = Vec::new();
        for series in &panel.series {
            let end = series.points.iter().rev().find(|p| p.1.is_finite());
            let y = end.map_or(self.top + self.tall, |p| self.y(p.1));
            names.push((y, &series.label, series.paint()));
        }
        for (row, marks) in panel.marks.iter().enumerate() {
            names.push((self.top + 6.0 + row as f64 * 11.0, &marks.label, marks.paint()));
        }
        names.retain(|(_, name, _)| !name.is_empty());
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: Vec<f64> = names.iter().map(|n| n.0).collect();
        for n in 1..places.len() {
            places[n] = places[n].max(places[n - 1] + 14.0);
        }
        // What was pushed out at the foot comes back.
        let mut floor = self.top + self.tall + 4.0;
        for place in places.iter_mut().rev() {
            *place = place.min(floor);
            floor = *place - 14.0;
        }
        for ((end, name, colour), y) in names.into_iter().zip(places) {
            let x = LEFT + PLOT;
            if (end - y).abs() > 3.0 {
                scene.line((x + 1.0, end), (x + 8.0, y), Stroke::full(colour, 0.7));
            }
            scene.text(Text::new((x + 10.0, y + 4.0), 11.0, name).colour(colour));
        }
    }
}

/// Leaves out points that nobody could see: of each unit of width its first, lowest, highest and
/// last one stay.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut at = 0;
    while at < points.len() {
        let column = points[at].0.floor();
        let mut end = at;
        while end < points.len() && points[end].0.floor() == column {
            end += 1;
        }
        let part = &points[at..end];
        if part.len() <= 4 {
            out.extend_from_slice(part);
        } else {
            let by = |a: &usize, b: &usize| part[*a].1.total_cmp(&part[*b].1);
            let low = (0..part.len()).min_by(by).unwrap_or(0);
            let high = (0..part.len()).max_by(by).unwrap_or(0);
            let mut keep = [0, low.min(high), low.max(high), part.len() - 1].to_vec();
            keep.dedup();
            out.extend(keep.into_iter().map(|n| part[n]));
        }
        at = end;
    }
    out
}
