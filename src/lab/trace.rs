//! From what was recorded to pictures: labels of segments, states, series of a variable.
use super::draw::chart::{Marks, Series, Style};
use super::draw::ladder::{Arrow, Kind, Ladder, StateMark};
use super::sim::{Packet, Place, Record, StateChange, View, What};
use crate::base::{FourTuple, Instant, addr::SocketAddr, time::Duration};
use crate::stack::tcp::{State, TcpInfo};
use crate::wire::tcp::Flags;
use std::collections::HashMap;

/// How segments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// Sequence numbers as on the wire rather than from 0.
    pub absolute: bool,
    /// Windows too, scaled.
    pub windows: bool,
    /// Packets at most.
    pub most: usize,
}

impl Default for Show {
    fn default() -> Self {
        Show { absolute: false, windows: false, most: 60 }
    }
}

type Ends = (SocketAddr, SocketAddr);

/// Turns segments into labels. It has to see all of a connection, in order.
#[derive(Debug, Default)]
pub struct Labels {
    show: Show,
    /// The number that a direction's sequence numbers are written relative to.
    first: HashMap<Ends, u32>,
    /// The highest end sent on a link in a direction.
    highest: HashMap<(Place, Ends), u32>,
    /// The window shift of a direction, once both SYNs have been seen to offer one.
    shift: HashMap<Ends, u8>,
}

impl Labels {
    /// None seen yet.
    pub fn new(show: Show) -> Labels {
        Labels { show, ..Labels::default() }
    }

    /// The label of a packet that set off at `from`, and its kind.
    pub fn label(&mut self, from: Place, view: &View) -> (String, Kind) {
        match &view.what {
            What::Tcp { .. } => self.segment(from, view),
            What::Udp { len, ports } => {
                (format!("UDP to port {}, {len} bytes", ports.1), Kind::Data)
            }
            What::Fragment { id, offset, len, more } => {
                let more = if *more { ", more" } else { ", the last" };
                (format!("fragment {id:#06x} offset {offset}, {len} bytes{more}"), Kind::Data)
            }
            What::Icmp(words) => (format!("ICMP: {words}"), Kind::Other),
            What::Other => (format!("{} bytes", view.len), Kind::Other),
        }
    }

    fn relative(&mut self, ends: Ends, seen: u32, syn: bool) -> u32 {
        if self.show.absolute {
            return 0;
        }
        if syn {
            self.first.insert(ends, seen);
        }
        *self.first.entry(ends).or_insert(seen)
    }

    fn segment(&mut self, from: Place, view: &View) -> (String, Kind) {
        let (Some((src, dst)), What::Tcp { seq, ack, flags, window, len, options, .. }) =
            (view.ends(), &view.what)
        else {
            return (String::new(), Kind::Other);
        };
        let (ends, back) = ((src, dst), (dst, src));
        let syn = flags.has(Flags::SYN);
        let names = [
            (Flags::SYN, "SYN"),
            (Flags::FIN, "FIN"),
            (Flags::RST, "RST"),
            (Flags::PSH, "PSH"),
            (Flags::URG, "URG"),
            (Flags::ACK, "ACK"),
        ];
        let set: Vec<&str> = names.iter().filter(|(f, _)| flags.has(*f)).map(|n| n.1).collect();
        let mut text = set.join(" ");
        let base = self.relative(ends, *seq, syn);
        text.push_str(&format!(" seq {}", seq.wrapping_sub(base)));
        if flags.has(Flags::ACK) {
            let base = self.relative(back, *ack, false);
            text.push_str(&format!(" ack {}", ack.wrapping_sub(base)));
        }
        if *len > 0 {
            text.push_str(&format!(", {len} bytes"));
        }
        if let Some(mss) = options.mss {
            text.push_str(&format!(", MSS {mss}"));
        }
        if let Some(shift) = options.window_shift {
            self.shift.insert(ends, shift);
        }
        if self.show.windows || (syn && self.show.absolute) {
            let scaled = self.shift.contains_key(&back) && !syn;
            let shift = self.shift.get(&ends).copied().filter(|_| scaled).unwrap_or(0);
            text.push_str(&format!(", win {}", u32::from(*window) << shift));
        }
        for (left, right) in options.sack_blocks() {
            let base = self.relative(back, *ack, false);
            let (left, right) = (left.wrapping_sub(base), right.wrapping_sub(base));
            text.push_str(&format!(", SACK {left}-{right}"));
        }
        if view.marked() {
            text.push_str(", CE");
        }
        let end = seq.wrapping_add(len + u32::from(syn) + u32::from(flags.has(Flags::FIN)));
        let again = self.again(from, ends, *seq, end);
        let kind = match () {
            () if flags.has(Flags::RST) => Kind::Reset,
            () if again => Kind::Again,
            () if syn => Kind::Syn,
            () if flags.has(Flags::FIN) => Kind::Fin,
            () if *len > 0 => Kind::Data,
            () => Kind::Ack,
        };
        (if again { format!("again: {text}") } else { text }, kind)
    }

    /// Whether something of this has been sent on that link before.
    fn again(&mut self, from: Place, ends: Ends, seq: u32, end: u32) -> bool {
        if seq == end {
            return false;
        }
        let highest = self.highest.entry((from, ends)).or_insert(seq);
        let before = (seq.wrapping_sub(*highest) as i32) < 0;
        if (end.wrapping_sub(*highest) as i32) > 0 {
            *highest = end;
        }
        before
    }
}

/// Seconds since `start`.
pub fn seconds(start: Instant, at: Instant) -> f64 {
    at.since(start).as_secs_f64()
}

/// RFC 9293's name of a state.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::Established => "ESTABLISHED",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::Closed => "CLOSED",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Listen => "LISTEN",
        State::Closing => "CLOSING",
    }
}

/// A ladder of `packets` between places, with the changes of state there. Times count from
/// `start`.
pub fn ladder(
    packets: &[Packet],
    states: &[StateChange],
    places: &[(Place, String)],
    start: Instant,
    show: Show,
) -> Ladder {
    let line = |place: Place| places.iter().position(|(p, _)| *p == place);
    let mut labels = Labels::new(show);
    let mut arrows = Vec::new();
    let mut left_out = 0;
    for packet in packets {
        let (label, kind) = labels.label(packet.from, &packet.view);
        let (Some(from), Some(to)) = (line(packet.from), line(packet.to)) else { continue };
        if packet.sent < start || from == to {
            continue;
        }
        if arrows.len() >= show.most {
            left_out += 1;
            continue;
        }
        let sent = seconds(start, packet.sent);
        let arrived = packet.arrived.map(|at| seconds(start, at));
        arrows.push(Arrow { from, to, sent, arrived, label, kind });
    }
    let last = arrows.iter().map(|a: &Arrow| a.arrived.unwrap_or(a.sent).max(a.sent));
    let last = last.fold(0.0, f64::max);
    let marks = states.iter().filter_map(|change| {
        let at = seconds(start, change.at);
        let shown = change.at >= start && (left_out == 0 || at <= last);
        let line = line(change.place).filter(|_| shown)?;
        Some(StateMark { line, at, state: state_name(change.state).into() })
    });
    Ladder {
        lines: places.iter().map(|(_, name)| name.clone()).collect(),
        arrows,
        states: marks.collect(),
        left_out,
        ..Ladder::default()
    }
}

/// A variable of one end of a connection over time, seconds since `start`.
pub fn variable(
    record: &Record,
    (place, tuple): (Place, FourTuple),
    start: Instant,
    value: impl Fn(&TcpInfo) -> f64,
) -> Vec<(f64, f64)> {
    let mine = record.samples.iter().filter(|s| s.place == place && s.tuple == tuple);
    let mut points: Vec<(f64, f64)> = Vec::new();
    for sample in mine {
        let at = seconds(start, sample.at);
        let y = value(&sample.info);
        // Of several values at one time the last one holds.
        match points.last_mut() {
            Some(last) if last.0 == at => last.1 = y,
            Some(last) if last.1 == y => {}
            _ => points.push((at, y)),
        }
    }
    points
}

/// What a growing count grew by in each `step`, per second, in the middle of the step.
pub fn rate(points: &[(f64, f64)], step: Duration, end: f64) -> Vec<(f64, f64)> {
    let step = step.as_secs_f64();
    let (mut next, mut value, mut before) = (0, 0.0, 0.0);
    let mut out = Vec::new();
    let mut at = step;
    while at <= end + step / 2.0 {
        while next < points.len() && points[next].0 <= at {
            value = points[next].1;
            next += 1;
        }
        out.push((at - step / 2.0, (value - before) / step));
        before = value;
        at += step;
    }
    out
}

/// The highest value in each `step` of time: a queue goes up and down with every packet, and what
/// counts is how full it gets.
pub fn highest(points: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    for (at, value) in points {
        let start = (at / step).floor() * step;
        match out.last_mut() {
            Some(last) if last.0 == start => last.1 = last.1.max(*value),
            _ => out.push((start, *value)),
        }
    }
    out
}

/// When packets of a connection were lost, seconds since `start`.
pub fn losses(record: &Record, tuple: FourTuple, start: Instant) -> Vec<f64> {
    let ours = |p: &&Packet| p.view.ends() == Some((tuple.local, tuple.remote));
    record.losses().filter(ours).map(|p| seconds(start, p.sent)).collect()
}

/// Ticks for them.
pub fn loss_marks(at: Vec<f64>) -> Vec<Marks> {
    if at.is_empty() { Vec::new() } else { vec![Marks { label: "loss".into(), at, colour: None }] }
}

/// A stepped line.
pub fn step(label: &str, colour: usize, points: Vec<(f64, f64)>) -> Series {
    Series::new(label, colour, Style::Step, points)
}
