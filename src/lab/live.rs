//! Pictures of real connections, from frames that were captured at one end and samples of the
//! sender's variables there.
//!
//! One end's clock is all there is, so the other end's times are guesses: half a round trip away.
//! And what was lost on the way is only known from its being sent again.
use super::draw::Picture;
use super::draw::chart::{Chart, Marks, Panel, Series, Style};
use super::experiments::Report;
use super::sim::{Fate, Packet, Place, StateChange, View, What};
use super::trace::{self, Show};
use crate::base::{FourTuple, Instant, addr::SocketAddr, time::Duration};
use crate::stack::tcp::{State, TcpInfo};
use crate::wire::tcp::Flags;

/// A captured packet.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When, since any origin.
    pub at: Duration,
    /// Whether it was on its way out, if that is known.
    pub outgoing: Option<bool>,
    /// The IP packet.
    pub packet: Vec<u8>,
}

/// A sample of the variables of one connection.
#[derive(Clone, Debug)]
pub struct Shot {
    /// When, since the same origin.
    pub at: Duration,
    /// Both ends.
    pub tuple: FourTuple,
    /// Its variables.
    pub info: TcpInfo,
}

/// A connection that was seen.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who opened it.
    pub client: SocketAddr,
    /// The other.
    pub server: SocketAddr,
    /// Bytes of payload, to the server and to the client.
    pub bytes: (u64, u64),
    /// Its segments: when, whether outgoing, what.
    segments: Vec<(Duration, Option<bool>, View)>,
}

/// A time in front of the first segment, so that what was sent before it has a place.
const BEFORE: Duration = Duration::from_secs(3600);

/// All TCP connections, in order of their first segment.
pub fn connections(frames: &[Frame]) -> Vec<Connection> {
    let mut found: Vec<Connection> = Vec::new();
    for frame in frames {
        let Some(view) = View::of(&frame.packet) else { continue };
        let (Some((src, dst)), What::Tcp { flags, len, .. }) = (view.ends(), &view.what) else {
            continue;
        };
        let opens = flags.has(Flags::SYN) && !flags.has(Flags::ACK);
        let same = |c: &&mut Connection| {
            (c.client, c.server) == (src, dst) || (c.client, c.server) == (dst, src)
        };
        let known = found.iter_mut().rev().find(same);
        let connection = match known {
            Some(known) => known,
            None => {
                // Without its SYN: whoever listens has the lower port.
                let client = if opens || src.port() > dst.port() { src } else { dst };
                let server = if client == src { dst } else { src };
                found.push(Connection { client, server, bytes: (0, 0), segments: Vec::new() });
                let last = found.len() - 1;
                &mut found[last]
            }
        };
        let to_server = src == connection.client;
        let bytes = if to_server { &mut connection.bytes.0 } else { &mut connection.bytes.1 };
        *bytes += u64::from(*len);
        connection.segments.push((frame.at, frame.outgoing, view));
    }
    found
}

/// The place of a segment's sender: 0 for the client.
fn side(connection: &Connection, view: &View) -> usize {
    usize::from(view.ends().map(|e| e.0) != Some(connection.client))
}

impl Connection {
    /// How many segments were seen.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    fn flags(&self, wanted: Flags, not: Flags) -> Option<Duration> {
        let is = |f: &Flags| f.has(wanted) && f.0 & not.0 == 0;
        let found = self
            .segments
            .iter()
            .find(|(_, _, view)| matches!(&view.what, What::Tcp { flags, .. } if is(flags)));
        found.map(|(at, ..)| *at)
    }

    /// Which end the capture was taken at, and the round-trip time.
    fn here(&self) -> (usize, Duration) {
        let syn = self.flags(Flags::SYN, Flags::ACK);
        let answer = self.flags(Flags::SYN.with(Flags::ACK), Flags(0));
        let third = answer.and_then(|answer| {
            let later =
                self.segments.iter().find(|(at, _, view)| *at > answer && side(self, view) == 0);
            later.map(|(at, ..)| *at)
        });
        let there = answer.zip(syn).map(|(b, a)| b.saturating_sub(a)).unwrap_or_default();
        let back = third.zip(answer).map(|(b, a)| b.saturating_sub(a)).unwrap_or_default();
        let outgoing = self.segments.iter().find_map(|(_, out, view)| {
            out.map(|out| if out { side(self, view) } else { 1 - side(self, view) })
        });
        let guess = usize::from(back > there);
        (outgoing.unwrap_or(guess), there.max(back).max(Duration::from_micros(100)))
    }

    /// The segments as if both ends had been watched.
    fn packets(&self, start: Duration) -> Vec<Packet> {
        let (here, rtt) = self.here();
        let at = |time: Duration| Instant::ZERO + (BEFORE + time.saturating_sub(start));
        let mut packets = Vec::new();
        for (number, (time, _, view)) in self.segments.iter().enumerate() {
            let from = side(self, view);
            let ours = from == here;
            let lost = ours && self.sent_again(number);
            let (sent, arrived) = match ours {
                true => (at(*time), Some(at(*time) + rtt / 2).filter(|_| !lost)),
                false => (at(*time) - rtt / 2, Some(at(*time))),
            };
            packets.push(Packet {
                from: Place(from),
                to: Place(1 - from),
                sent,
                arrived,
                fate: if lost { Fate::Lost } else { Fate::Arrived },
                view: view.clone(),
                duplicate: false,
            });
        }
        packets.sort_by_key(|p| p.sent);
        packets
    }

    /// Whether the same data (or SYN, FIN) left again later.
    fn sent_again(&self, number: usize) -> bool {
        let what = |view: &View| match &view.what {
            What::Tcp { seq, len, flags, .. } => {
                let takes = flags.has(Flags::SYN) || flags.has(Flags::FIN);
                Some((*seq, *len)).filter(|_| *len > 0 || takes)
            }
            _ => None,
        };
        let view = &self.segments[number].2;
        let Some((seq, len)) = what(view) else { return false };
        let later = self.segments[number + 1..].iter().filter(|s| s.2.ends() == view.ends());
        let mut later = later.filter_map(|s| what(&s.2));
        // A later one that begins here, or covers it.
        later.any(|(s, l)| {
            seq.wrapping_sub(s) < l.max(1)
                && (s == seq || len <= l)
                && s.wrapping_sub(seq) as i32 <= 0
        })
    }
}

/// The states of both ends, as the segments bring them about.
fn states(connection: &Connection, packets: &[Packet]) -> Vec<StateChange> {
    let tuple = FourTuple { local: connection.client, remote: connection.server };
    // (when, which end, arrival, packet)
    let mut events: Vec<(Instant, usize, bool, &Packet)> = Vec::new();
    for packet in packets {
        events.push((packet.sent, packet.from.0, false, packet));
        if let Some(at) = packet.arrived {
            events.push((at, packet.to.0, true, packet));
        }
    }
    events.sort_by_key(|e| (e.0, !e.2));
    let mut now = [State::Closed, State::Listen];
    let mut fin = [None, None];
    let mut out = Vec::new();
    for (at, end, arrives, packet) in events {
        let What::Tcp { flags, seq, ack, len, .. } = &packet.view.what else { continue };
        if flags.has(Flags::FIN) && !arrives {
            fin[end] = Some(seq.wrapping_add(*len).wrapping_add(1));
        }
        let acked = arrives && flags.has(Flags::ACK) && fin[end] == Some(*ack);
        let next = next_state(now[end], *flags, arrives, acked);
        for state in next.into_iter().filter(|s| *s != now[end]).collect::<Vec<_>>() {
            now[end] = state;
            out.push(StateChange { at, place: Place(end), tuple, state });
        }
    }
    out
}

/// RFC 9293 figure 5, by what is seen from outside. `acked`: it acknowledges our FIN.
fn next_state(state: State, flags: Flags, arrives: bool, acked: bool) -> Vec<State> {
    use State::*;
    let (syn, fin) = (flags.has(Flags::SYN), flags.has(Flags::FIN));
    if flags.has(Flags::RST) {
        return vec![Closed];
    }
    if !arrives {
        return match state {
            Closed if syn => vec![SynSent],
            Established if fin => vec![FinWait1],
            CloseWait if fin => vec![LastAck],
            _ => Vec::new(),
        };
    }
    match state {
        Listen if syn => vec![SynReceived],
        SynSent if syn && flags.has(Flags::ACK) => vec![Established],
        SynReceived if flags.has(Flags::ACK) && fin => vec![Established, CloseWait],
        SynReceived if flags.has(Flags::ACK) => vec![Established],
        Established if fin => vec![CloseWait],
        FinWait1 if fin && acked => vec![TimeWait],
        FinWait1 if fin => vec![Closing],
        FinWait1 if acked => vec![FinWait2],
        FinWait2 if fin => vec![TimeWait],
        Closing if acked => vec![TimeWait],
        LastAck if acked => vec![Closed],
        _ => Vec::new(),
    }
}

/// Ladder and charts of a connection. `name`: of its files.
pub fn report(connection: &Connection, shots: &[Shot], name: &str, show: Show) -> Report {
    let Some(start) = connection.segments.first().map(|s| s.0) else { return Report::default() };
    let packets = connection.packets(start);
    let origin = packets.first().map_or(Instant::ZERO, |p| p.sent);
    let states = states(connection, &packets);
    let places =
        [(Place(0), connection.client.to_string()), (Place(1), connection.server.to_string())];
    let mut ladder = trace::ladder(&packets, &states, &places, origin, show);
    ladder.name = format!("{name}-ladder");
    ladder.title = format!("{} > {}", connection.client, connection.server);
    let (_, rtt) = connection.here();
    let again = packets.iter().filter(|p| p.fate == Fate::Lost).count();
    let facts = vec![
        format!(
            "{} segments, {} bytes to the server, {} to the client",
            packets.len(),
            connection.bytes.0,
            connection.bytes.1
        ),
        format!("round-trip time of the handshake: {:.3} ms", rtt.as_secs_f64() * 1e3),
        format!("{again} segments were sent again from the end that was watched"),
    ];
    let mut panels = vec![sequence(connection, &packets, origin)];
    panels.extend(variables(connection, shots, start, origin));
    let chart = Chart {
        name: format!("{name}-time"),
        title: format!("{} > {}", connection.client, connection.server),
        axis: "time (s)".into(),
        panels,
        log_x: false,
    };
    Report { pictures: vec![Picture::Ladder(ladder), Picture::Chart(chart)], facts }
}

/// What was sent and acknowledged, in the direction with more data.
fn sequence(connection: &Connection, packets: &[Packet], origin: Instant) -> Panel {
    let sender = Place(usize::from(connection.bytes.1 > connection.bytes.0));
    let (mut base, mut highest) = (None, 0u32);
    let (mut first, mut again, mut acked) = (Vec::new(), Vec::new(), Vec::new());
    for packet in packets {
        let What::Tcp { seq, ack, len, flags, .. } = &packet.view.what else { continue };
        let base = match (base, packet.from == sender) {
            (Some(base), _) => base,
            (None, true) => *base.insert(seq.wrapping_add(u32::from(flags.has(Flags::SYN)))),
            (None, false) => continue,
        };
        let kb = |n: u32| f64::from(n) / 1000.0;
        if packet.from == sender && *len > 0 {
            let end = seq.wrapping_sub(base).wrapping_add(*len);
            let at = trace::seconds(origin, packet.sent);
            if end > highest {
                first.push((at, kb(end)))
            } else {
                again.push((at, kb(end)))
            }
            highest = highest.max(end);
        }
        if packet.from != sender && flags.has(Flags::ACK) {
            if let Some(at) = packet.arrived {
                let value = ack.wrapping_sub(base);
                if value < u32::MAX / 2 {
                    acked.push((trace::seconds(origin, at), kb(value)));
                }
            }
        }
    }
    acked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut series = vec![
        Series::new("sent", 0, Style::Dots, first),
        Series::new("acknowledged", 2, Style::Step, acked),
    ];
    if !again.is_empty() {
        series.push(Series::new("sent again", 1, Style::Dots, again));
    }
    let to = if sender.0 == 0 { "server" } else { "client" };
    Panel { axis: format!("to the {to} (kB)"), series, ..Panel::default() }
}

/// Windows and round-trip times, from samples.
fn variables(
    connection: &Connection,
    shots: &[Shot],
    start: Duration,
    origin: Instant,
) -> Vec<Panel> {
    let ends = FourTuple { local: connection.client, remote: connection.server };
    let mine = |s: &&Shot| s.tuple == ends || s.tuple == ends.reversed();
    let mine: Vec<&Shot> = shots.iter().filter(mine).collect();
    if mine.len() < 2 {
        return Vec::new();
    }
    let of = |value: &dyn Fn(&TcpInfo) -> f64| -> Vec<(f64, f64)> {
        let place = |s: &Shot| Instant::ZERO + BEFORE + s.at - start;
        mine.iter().map(|s| (trace::seconds(origin, place(s)), value(&s.info))).collect()
    };
    let kb = |bytes: u32| f64::from(bytes) / 1000.0;
    let cwnd = of(&|i| kb(i.cwnd_bytes));
    let most = cwnd.iter().map(|p| p.1).fold(1.0, f64::max);
    let mut windows = vec![trace::step("in flight", 5, of(&|i| kb(i.in_flight_bytes)))];
    for (label, colour, points) in [
        ("ssthresh", 1, of(&|i| kb(i.ssthresh_bytes))),
        ("peer's window", 3, of(&|i| kb(i.snd_wnd))),
    ] {
        let near: Vec<_> = points.into_iter().filter(|p| p.1 < most * 2.5).collect();
        if near.len() > mine.len() / 2 {
            windows.push(Series::new(label, colour, Style::Dashed, near));
        }
    }
    windows.push(trace::step("cwnd", 0, cwnd));
    let mut at = Vec::new();
    let total = of(&|i| f64::from(i.total_retrans));
    for pair in total.windows(2).filter(|pair| pair[1].1 > pair[0].1) {
        at.push(pair[1].0);
    }
    let marks = match at.is_empty() {
        true => Vec::new(),
        false => vec![Marks { label: "sent again".into(), at, colour: None }],
    };
    let rtt = trace::step("smoothed RTT", 0, of(&|i| f64::from(i.rtt_us) / 1e3));
    let least = trace::step("smallest RTT", 2, of(&|i| f64::from(i.min_rtt_us) / 1e3));
    let panel = |axis: &str, series, marks| Panel { axis: axis.into(), series, marks, top: None };
    vec![
        panel("window (kB)", windows, marks),
        panel("round trip (ms)", vec![rtt, least], Vec::new()),
    ]
}
