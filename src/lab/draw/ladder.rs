//! Ladder diagrams: time goes down, each place has its lifeline, each packet is a slanted arrow
//! with a label, a lost one ends in a cross; states stand at the outside.
//!
//! Time is to scale only where there is room: packets that leave in one burst are spread so that
//! their labels can be read, and long silences are shortened (the lifeline is dotted there and the
//! time is written beside it).
use super::scene::*;
use super::ticks;
use std::collections::BTreeMap;

/// What kind of packet an arrow is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opens a connection.
    Syn,
    /// Carries data.
    Data,
    /// Carries data that was sent before.
    Again,
    /// Acknowledges and no more.
    Ack,
    /// Closes.
    Fin,
    /// Resets.
    Reset,
    /// Of another protocol.
    Other,
}

/// A packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    /// Lifelines, by number.
    pub from: usize,
    /// See `from`.
    pub to: usize,
    /// Seconds.
    pub sent: f64,
    /// Seconds; `None` if it did not come.
    pub arrived: Option<f64>,
    /// What it says.
    pub label: String,
    /// Its kind.
    pub kind: Kind,
}

/// A new state at one end.
#[derive(Clone, Debug, PartialEq)]
pub struct StateMark {
    /// The lifeline.
    pub line: usize,
    /// Seconds.
    pub at: f64,
    /// Its name.
    pub state: String,
}

/// The picture.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Ladder {
    /// Stem of its file's name.
    pub name: String,
    /// Above it.
    pub title: String,
    /// Names of the lifelines, from left to right.
    pub lines: Vec<String>,
    /// In order of sending.
    pub arrows: Vec<Arrow>,
    /// In order.
    pub states: Vec<StateMark>,
    /// Packets that there was no room for.
    pub left_out: usize,
}

/// The height of a typical flight.
const FLIGHT: f64 = 44.0;
/// The longest silence that is drawn to scale.
const SILENCE: f64 = 64.0;
/// Between labels of one lifeline.
const LABEL: f64 = 17.0;
const MARGIN: f64 = 158.0;
const TOP: f64 = 74.0;

impl Kind {
    /// Its colour.
    pub fn colour(self) -> Colour {
        match self {
            Kind::Syn => SERIES[2],
            Kind::Data => SERIES[0],
            Kind::Again => SERIES[1],
            Kind::Ack => Colour(95, 95, 95),
            Kind::Fin => SERIES[3],
            Kind::Reset => LOSS,
            Kind::Other => SERIES[6],
        }
    }
}

/// One end of an arrow.
#[derive(Clone, Copy, Debug)]
struct End {
    time: f64,
    arrow: usize,
    line: usize,
    arrives: bool,
}

/// Where everything is.
#[derive(Debug, Default)]
struct Layout {
    /// Of each arrow: its start, and its end if it has one.
    arrows: Vec<(f64, Option<f64>)>,
    /// Shortened silences: from, to, and how long they are in seconds.
    silences: Vec<(f64, f64, f64)>,
    /// Lifelines, times and heights, ascending.
    times: Vec<(usize, f64, f64)>,
    /// Times to write beside the first and the last lifeline.
    labels: [Vec<(f64, f64)>; 2],
    /// How far each arrow falls if it is lost.
    falls: Vec<f64>,
    bottom: f64,
    /// Heights per second.
    scale: f64,
}

impl Ladder {
    fn ends(&self) -> Vec<End> {
        let mut ends = Vec::new();
        for (arrow, a) in self.arrows.iter().enumerate() {
            ends.push(End { time: a.sent, arrow, line: a.from, arrives: false });
            if let Some(time) = a.arrived {
                ends.push(End { time, arrow, line: a.to, arrives: true });
            }
        }
        ends.sort_by(|a, b| {
            let order = |e: &End| (!e.arrives, e.arrow);
            a.time.total_cmp(&b.time).then_with(|| order(a).cmp(&order(b)))
        });
        ends
    }

    /// Twice: the steeper the arrows of a burst are, the further apart their labels have to begin.
    fn layout(&self, gap: f64) -> Layout {
        let first = self.layout_with(&vec![LABEL; self.arrows.len()]);
        let room = first.arrows.iter().map(|(start, end)| {
            let fall = end.map_or(FLIGHT, |end| end - start);
            LABEL.max(13.0 * (fall / gap).hypot(1.0) + 1.5)
        });
        self.layout_with(&room.collect::<Vec<f64>>())
    }

    fn layout_with(&self, labels: &[f64]) -> Layout {
        let mut flights: Vec<f64> =
            self.arrows.iter().filter_map(|a| Some(a.arrived? - a.sent)).collect();
        flights.sort_by(f64::total_cmp);
        let typical = flights.get(flights.len() / 2).copied().filter(|t| *t > 0.0);
        let scale = FLIGHT / typical.unwrap_or(0.01);
        let mut layout = Layout { scale, ..Layout::default() };
        layout.arrows = vec![(TOP, None); self.arrows.len()];
        // Height and kind of the last end on each lifeline.
        let mut last: BTreeMap<usize, (f64, bool)> = BTreeMap::new();
        let (mut y, mut time) = (TOP, None);
        for end in self.ends() {
            let passed = (end.time - time.unwrap_or(end.time)) * scale;
            let mut next = y + passed.min(SILENCE);
            if let Some((before, arrived)) = last.get(&end.line) {
                let room = match (*arrived, end.arrives) {
                    (false, false) | (true, false) => labels[end.arrow],
                    (false, true) => 8.0,
                    (true, true) => 10.0,
                };
                next = next.max(before + room);
            }
            if passed > SILENCE * 1.2 {
                layout.silences.push((y, next, end.time - time.unwrap_or(end.time)));
            }
            (y, time) = (next, Some(end.time));
            last.insert(end.line, (y, end.arrives));
            layout.times.push((end.line, end.time, y));
            match end.arrives {
                true => layout.arrows[end.arrow].1 = Some(y),
                false => layout.arrows[end.arrow].0 = y,
            }
            let side = usize::from(end.line != 0);
            if end.line == 0 || end.line + 1 == self.lines.len() {
                let free = |(time, above): &(f64, f64)| {
                    y - above > 12.0 && milliseconds(*time) != milliseconds(end.time)
                };
                if layout.labels[side].last().is_none_or(free) {
                    layout.labels[side].push((end.time, y));
                }
            }
        }
        layout.bottom = y + 30.0;
        layout.falls = (0..self.arrows.len()).map(|n| self.fall(&layout, n)).collect();
        layout
    }

    /// How far an arrow falls if it is lost: as far as its neighbours.
    fn fall(&self, layout: &Layout, number: usize) -> f64 {
        let near = |n: &usize| {
            let (a, b) = (&self.arrows[*n], &self.arrows[number]);
            (a.from, a.to) == (b.from, b.to) && (a.sent - b.sent).abs() < 0.003
        };
        let fall = |n: usize| layout.arrows[n].1.map(|end| end - layout.arrows[n].0);
        let after = (number + 1..self.arrows.len()).filter(near).find_map(fall);
        let before = || (0..number).rev().filter(near).find_map(fall);
        after.or_else(before).unwrap_or(FLIGHT)
    }

    /// Laid out.
    pub fn scene(&self) -> Scene {
        let widest = self.arrows.iter().map(|a| width(&a.label, 11.0)).fold(0.0, f64::max);
        let gap = (widest + 56.0).clamp(300.0, 620.0);
        let layout = self.layout(gap);
        let page = MARGIN * 2.0 + gap * (self.lines.len().max(2) - 1) as f64;
        let x = |line: usize| MARGIN + gap * line as f64;
        let states = self.state_places(&layout);
        let lowest = states.iter().map(|(_, y)| *y).fold(layout.bottom, f64::max);
        let height = lowest + 34.0;
        let mut scene = Scene::new(page, height, &self.title);
        scene.text(Text::new((page / 2.0, 26.0), 15.0, &*self.title).bold().anchor(Anchor::Middle));
        self.draw_lines(&mut scene, &layout, &x, lowest + 8.0);
        let flights = || {
            self.arrows.iter().zip(&layout.arrows).zip(&layout.falls).map(|((arrow, y), fall)| {
                let from = (x(arrow.from), y.0);
                let whole = (x(arrow.to), y.1.unwrap_or(y.0 + fall));
                // What is lost gets two thirds of the way.
                let part = if y.1.is_some() { 1.0 } else { 0.64 };
                let way = |a: f64, b: f64| a + (b - a) * part;
                (arrow, from, (way(from.0, whole.0), way(from.1, whole.1)))
            })
        };
        flights().for_each(|(arrow, from, to)| draw_arrow(&mut scene, arrow, from, to));
        flights().for_each(|(arrow, from, to)| draw_label(&mut scene, arrow, from, to));
        for (mark, y) in &states {
            let left = mark.line == 0;
            let at = if left { x(0) - 66.0 } else { x(mark.line) + 66.0 };
            let anchor = if left { Anchor::End } else { Anchor::Start };
            scene.text(
                Text::new((at, y + 4.0), 10.5, &*mark.state).bold().anchor(anchor).colour(INK),
            );
        }
        if self.left_out > 0 {
            let text = format!("{} more packets are not shown", self.left_out);
            let at = (page / 2.0, height - 10.0);
            scene.text(Text::new(at, 11.0, text).anchor(Anchor::Middle).colour(GREY));
        }
        scene
    }

    fn draw_lines(
        &self,
        scene: &mut Scene,
        layout: &Layout,
        x: &dyn Fn(usize) -> f64,
        bottom: f64,
    ) {
        for (line, name) in self.lines.iter().enumerate() {
            let head = Text::new((x(line), 52.0), 13.0, &**name).bold().anchor(Anchor::Middle);
            scene.text(head);
            let mut y = TOP - 14.0;
            for (from, to, _) in &layout.silences {
                let (from, to) = (from + 6.0, to - 6.0);
                scene.line((x(line), y), (x(line), from), Stroke::full(INK, 1.4));
                let dots = Stroke { colour: GREY, width: 1.4, dash: Some((1.5, 3.5)) };
                scene.line((x(line), from), (x(line), to), dots);
                y = to;
            }
            scene.line((x(line), y), (x(line), bottom), Stroke::full(INK, 1.4));
        }
        for (from, to, time) in &layout.silences {
            let text = ticks::seconds(*time);
            let at = (x(0) - 8.0, (from + to) / 2.0 + 3.5);
            let words = format!("\u{22ee} {text}");
            scene.text(Text::new(at, 9.5, words).anchor(Anchor::End).colour(GREY));
        }
        for (side, labels) in layout.labels.iter().enumerate() {
            let (at, anchor) = match side {
                0 => (x(0) - 8.0, Anchor::End),
                _ => (x(self.lines.len() - 1) + 8.0, Anchor::Start),
            };
            for (time, y) in labels {
                let text = Text::new((at, y + 3.5), 9.5, milliseconds(*time));
                scene.text(text.anchor(anchor).colour(GREY));
            }
        }
    }

    /// States with their heights: at their time, below each other.
    fn state_places(&self, layout: &Layout) -> Vec<(&StateMark, f64)> {
        let mut lowest: BTreeMap<usize, f64> = BTreeMap::new();
        let mut places = Vec::new();
        for mark in &self.states {
            let here = |(line, time, _): &&(usize, f64, f64)| {
                *line == mark.line && (time - mark.at).abs() < 1e-9
            };
            let exact = layout.times.iter().find(here).map(|(.., y)| *y);
            let before = layout.times.iter().rev().find(|(_, time, _)| *time <= mark.at);
            let y = exact.unwrap_or_else(|| {
                let after = before.map_or(0.0, |(_, time, _)| mark.at - time) * layout.scale;
                before.map_or(TOP - 10.0, |(.., y)| *y) + after.min(SILENCE / 2.0)
            });
            let y = y.max(lowest.get(&mark.line).copied().unwrap_or(0.0) + 14.0);
            lowest.insert(mark.line, y);
            places.push((mark, y));
        }
        places
    }
}

/// A time in milliseconds, with what digits it needs.
fn milliseconds(time: f64) -> String {
    let ms = time * 1e3;
    match ms {
        m if m < 9.995 => format!("{m:.2} ms"),
        m if m < 999.95 => format!("{m:.1} ms"),
        m => format!("{:.3} s", m / 1e3),
    }
}

fn draw_arrow(scene: &mut Scene, arrow: &Arrow, from: (f64, f64), end: (f64, f64)) {
    let colour = arrow.kind.colour();
    match arrow.arrived {
        Some(_) => scene.arrow(from, end, Stroke::full(colour, 1.3)),
        None => {
            scene.line(from, end, Stroke::dashed(colour, 1.3));
            scene.cross(end, 10.0, LOSS);
        }
    }
}

fn draw_label(scene: &mut Scene, arrow: &Arrow, from: (f64, f64), end: (f64, f64)) {
    let (dx, dy) = (end.0 - from.0, end.1 - from.1);
    let right = dx >= 0.0;
    let slope = if dx.abs() < 1.0 { 0.0 } else { dy / dx };
    // Near where it set off: there its neighbours are a label's height away.
    let off = if right { 12.0 } else { -12.0 };
    let at = (from.0 + off, from.1 + slope * off - 3.5);
    let anchor = if right { Anchor::Start } else { Anchor::End };
    let text = Text::new(at, 11.0, &*arrow.label).anchor(anchor).colour(arrow.kind.colour());
    scene.text(text.along(slope.atan().to_degrees()));
}
