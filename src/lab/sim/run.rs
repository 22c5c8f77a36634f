//! The loop: what is due happens, what follows from it happens, the clock goes on.
use super::host;
use super::link::Fate;
use super::packet::{self, View};
use super::place::Place;
use super::program::Program;
use super::record::{Packet, QueueSample};
use super::router::{self, Verdict};
use super::world::{Flying, Kind, World};
use crate::base::addr::IpAddr;
use crate::base::{FourTuple, Instant, MacAddr, time::Duration};
use crate::link::finish;
use crate::stack::tcp::TcpOptions;
use crate::stack::{Medium, RxChecksum, TxFrame};
use crate::wire::ethernet;
use std::collections::VecDeque;

/// Events at one instant before we say that time stands still.
const EVENTS_PER_INSTANT: u32 = 200_000;
/// Frames that a host may send in one go.
const BURST: u32 = 100_000;

/// Who a frame is for.
enum Destination {
    Place(Place),
    Everybody,
    Nobody,
}

impl World {
    /// One event and what follows from it; false when nothing will ever happen again.
    pub fn step(&mut self) -> bool {
        if self.now == Instant::ZERO && self.same_instant == 0 {
            self.settle_all();
        }
        let Some(next) = self.next_event().filter(|_| self.stuck.is_none()) else { return false };
        self.same_instant = if next > self.now { 1 } else { self.same_instant + 1 };
        if self.same_instant > EVENTS_PER_INSTANT {
            self.stuck = Some(format!("time stands still at {:?}", self.now));
            return false;
        }
        self.now = self.now.max(next);
        if self.connects.first_key_value().is_some_and(|(k, _)| k.0 <= self.now) {
            self.begin();
            return true;
        }
        if self.flying.first_key_value().is_some_and(|(k, _)| k.0 <= self.now) {
            if let Some((_, flying)) = self.flying.pop_first() {
                self.arrive(flying);
            }
            return true;
        }
        let now = self.now;
        let due: Vec<Place> = self
            .hosts()
            .filter(|(_, host)| host.due.is_some_and(|at| at <= now))
            .map(|(place, _)| place)
            .collect();
        for place in due {
            if let Some(Kind::Host(host)) = self.places.get_mut(place.0) {
                if host.stack.poll_timeout().is_some_and(|at| at <= now) {
                    host.stack.handle_timeout(now);
                }
            }
            self.settle(place);
        }
        true
    }

    /// Runs for so long, or until nothing is left to happen.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end);
        self.now = self.now.max(end);
    }

    /// Runs while something happens until `end`; the clock stays at the last event.
    pub fn run_until(&mut self, end: Instant) {
        if self.now == Instant::ZERO && self.same_instant == 0 {
            self.settle_all();
        }
        while self.next_event().is_some_and(|at| at <= end) && self.step() {}
    }

    /// Runs until all programs have let go of their connections, at most until `end`.
    pub fn run_to_completion(&mut self, end: Instant) {
        while !self.all_released() && self.next_event().is_none_or(|at| at <= end) && self.step() {}
    }

    /// Every program has let go of its connection.
    pub fn all_released(&self) -> bool {
        let done = |id| self.progress(id).released;
        self.connects.is_empty() && self.programs().all(done)
    }

    fn next_event(&self) -> Option<Instant> {
        let flying = self.flying.first_key_value().map(|(k, _)| k.0);
        let connect = self.connects.first_key_value().map(|(k, _)| k.0);
        let hosts = self.hosts().filter_map(|(_, host)| host.due).min();
        [flying, connect, hosts].into_iter().flatten().min()
    }

    fn settle_all(&mut self) {
        self.same_instant = 1;
        for number in 0..self.places.len() {
            self.settle(Place(number));
        }
    }

    fn begin(&mut self) {
        let Some((_, (id, tuple, plan))) = self.connects.pop_first() else { return };
        let now = self.now;
        let Some(Kind::Host(host)) = self.places.get_mut(id.0.0) else { return };
        let options: TcpOptions = plan.options.clone();
        match host.stack.tcp_connect(now, tuple, options) {
            Ok(conn) => host.programs[id.1] = Program::new(conn, tuple, plan),
            Err(error) => host.programs[id.1].progress.error = Some(error),
        }
        self.settle(id.0);
    }

    /// Lets a host do all that it can do now.
    fn settle(&mut self, place: Place) {
        let now = self.now;
        let mut frame = TxFrame::default();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        let mut scratch = Vec::new();
        let mut budget = BURST;
        loop {
            let Some(Kind::Host(host)) = self.places.get_mut(place.0) else { return };
            if self.record.keep_packets {
                // What a segment or a timer did, before the program does something.
                host.note_states(now, place, &mut self.record);
            }
            host.run(now);
            let before = budget;
            while budget > 0 && host.stack.poll_transmit(now, &mut frame).is_some() {
                budget -= 1;
                finish::finish(&frame, self.medium, &mut scratch, &mut |piece| {
                    frames.push(piece.to_vec());
                });
            }
            if budget == 0 {
                self.stuck = Some(format!("{} sends without end", host.name));
            }
            for bytes in frames.drain(..) {
                self.enter(place, bytes);
            }
            if budget == before || budget == 0 {
                break;
            }
        }
        if let Some(Kind::Host(host)) = self.places.get_mut(place.0) {
            host.due = host.next();
            if self.record.keep_packets {
                host.note_states(now, place, &mut self.record);
            }
            if self.record.keep_samples {
                host.note_samples(now, place, &mut self.record);
            }
        }
    }

    /// A frame sets off at `place`.
    fn enter(&mut self, place: Place, bytes: Vec<u8>) {
        match self.destination(&bytes) {
            Destination::Place(to) => match self.link_to(place, to) {
                Some(link) => self.launch(link, bytes),
                None => self.note_nobody(place, &bytes),
            },
            Destination::Everybody => self.flood(place, None, &bytes),
            Destination::Nobody => self.note_nobody(place, &bytes),
        }
    }

    fn flood(&mut self, place: Place, not_to: Option<Place>, bytes: &[u8]) {
        for link in 0..self.links.len() {
            let (from, to) = self.links[link].ends;
            if from == place.0 && not_to != Some(Place(to)) {
                self.launch(link, bytes.to_vec());
            }
        }
    }

    /// Where the IP packet begins in a frame.
    fn ip_at(&self) -> usize {
        if self.medium == Medium::Ethernet { ethernet::LEN } else { 0 }
    }

    fn destination(&self, bytes: &[u8]) -> Destination {
        if self.medium == Medium::Ethernet {
            let to = bytes.first_chunk::<6>().map(|mac| MacAddr(*mac));
            return match to {
                Some(mac) if mac.is_multicast() => Destination::Everybody,
                Some(mac) => {
                    let found = (0..self.places.len()).find(|n| host::mac(*n) == mac);
                    found.map_or(Destination::Nobody, |n| Destination::Place(Place(n)))
                }
                None => Destination::Nobody,
            };
        }
        match packet::addresses(bytes) {
            Some((_, IpAddr::V4(to))) if to.is_broadcast() => Destination::Everybody,
            Some((_, to)) if to.is_multicast() => Destination::Everybody,
            Some((_, to)) => {
                let is = |n: &usize| {
                    host::address(*n, to.is_ipv4()) == to || router::address(*n, to.is_ipv4()) == to
                };
                let found = (0..self.places.len()).find(is);
                found.map_or(Destination::Nobody, |n| Destination::Place(Place(n)))
            }
            None => Destination::Nobody,
        }
    }

    /// The link that leads from a place towards another: the fewest hops.
    fn link_to(&mut self, from: Place, to: Place) -> Option<usize> {
        if self.next_link.is_empty() {
            self.next_link = (0..self.places.len()).map(|n| self.links_from(n)).collect();
        }
        *self.next_link.get(from.0)?.get(to.0)?
    }

    /// For every destination, the first link from `start`.
    fn links_from(&self, start: usize) -> Vec<Option<usize>> {
        let mut first: Vec<Option<usize>> = vec![None; self.places.len()];
        let mut queue = VecDeque::from([(start, None)]);
        while let Some((at, by)) = queue.pop_front() {
            // Only routers let others through.
            if at != start && matches!(self.places[at], Kind::Host(_)) {
                continue;
            }
            for (number, link) in self.links.iter().enumerate() {
                let to = link.ends.1;
                if link.ends.0 == at && to != start && first[to].is_none() {
                    first[to] = by.or(Some(number));
                    queue.push_back((to, first[to]));
                }
            }
        }
        first
    }

    fn note_nobody(&mut self, place: Place, bytes: &[u8]) {
        let now = self.now;
        self.note(place, place, now, bytes, Fate::Unroutable);
    }

    fn note(
        &mut self,
        from: Place,
        to: Place,
        sent: Instant,
        bytes: &[u8],
        fate: Fate,
    ) -> Option<usize> {
        if !self.record.keep_packets {
            return None;
        }
        let view = View::of(bytes.get(self.ip_at()..)?)?;
        let arrived = None;
        let packet = Packet { from, to, sent, arrived, fate, view, duplicate: false };
        self.record.packets.push(packet);
        Some(self.record.packets.len() - 1)
    }

    /// A frame is given to a link.
    fn launch(&mut self, link: usize, mut bytes: Vec<u8>) {
        let (now, at) = (self.now, self.ip_at());
        let ends = self.links[link].ends;
        let (from, to) = (Place(ends.0), Place(ends.1));
        let packet = bytes.get_mut(at..).unwrap_or_default();
        let known = View::of(packet);
        let data = known.as_ref().is_some_and(View::has_data);
        let too_big = packet.len() > usize::from(self.links[link].spec.mtu);
        let offered = if too_big {
            Err(Fate::TooBig)
        } else {
            self.links[link].offer(now, &mut self.rng, packet, data)
        };
        if self.record.keep_samples && self.links[link].spec.rate > 0 {
            let (packets, queued) = self.links[link].queued(now);
            let sample = QueueSample { at: now, link: (from, to), packets, bytes: queued };
            self.record.queues.push(sample);
        }
        let fate = offered.err().unwrap_or(Fate::Flying);
        let noted = self.note(from, to, now, &bytes, fate);
        let Ok((arrives, again)) = offered else { return };
        if let Some(again) = again {
            self.serial += 1;
            let noted = self.note(from, to, now, &bytes, Fate::Flying);
            if let Some(packet) = noted.and_then(|n| self.record.packets.get_mut(n)) {
                packet.duplicate = true;
            }
            let flying = Flying { to, from, bytes: bytes.clone(), noted };
            self.flying.insert((again, self.serial), flying);
        }
        self.serial += 1;
        self.flying.insert((arrives, self.serial), Flying { to, from, bytes, noted });
    }

    /// A frame came to the end of a link.
    fn arrive(&mut self, flying: Flying) {
        let Flying { to, from, bytes, noted } = flying;
        if to == from {
            return self.enter(to, bytes);
        }
        let now = self.now;
        if let Some(packet) = noted.and_then(|n| self.record.packets.get_mut(n)) {
            (packet.arrived, packet.fate) = (Some(now), Fate::Arrived);
        }
        match &mut self.places[to.0] {
            Kind::Host(host) => {
                host.stack.frame_arrives(now, host.interface, &bytes, RxChecksum::Unknown);
                self.settle(to);
            }
            Kind::Router { silent, .. } => {
                let silent = *silent;
                self.route(to, from, bytes, silent);
            }
        }
    }

    fn route(&mut self, here: Place, from: Place, bytes: Vec<u8>, silent: bool) {
        let to = match self.destination(&bytes) {
            Destination::Place(to) => to,
            Destination::Everybody if self.medium == Medium::Ethernet => {
                return self.flood(here, Some(from), &bytes);
            }
            _ => return self.note_nobody(here, &bytes),
        };
        let Some(link) = self.link_to(here, to) else { return self.note_nobody(here, &bytes) };
        if self.medium == Medium::Ethernet {
            return self.launch(link, bytes);
        }
        let now = self.now;
        let mtu = self.links[link].spec.mtu;
        let copy = bytes.clone();
        match router::forward(here.0, bytes, mtu, silent) {
            Verdict::Forward(pieces) => {
                pieces.into_iter().for_each(|piece| self.launch(link, piece));
            }
            Verdict::Refuse(back) => {
                self.note(here, to, now, &copy, Fate::TooBig);
                if let Some(back) = back {
                    self.enter(here, back);
                }
            }
        }
    }

    /// The connection of a program as its host's stack shows it.
    pub fn info(&self, tuple: FourTuple, place: Place) -> Option<crate::stack::tcp::TcpInfo> {
        let tcp = self.host(place)?.stack.tcp();
        let (id, ..) = tcp.connections().find(|(_, t, _)| *t == tuple)?;
        tcp.info(self.now, id)
    }
}
