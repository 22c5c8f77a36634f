//! A bridge of TAP interfaces whose way to one of them is bad: each host has one interface, and all
//! that goes to or comes from the last one passes through `impair`.
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use understudy::base::Instant;
use understudy::link::Impair;
use understudy::link::TapLink;
use understudy::link::{Link, TxFrame};
use understudy::net::{Direction, ImpairSpec, LinkSpec};

/// Frames taken from one port before the next has its turn, in calls of `receive`.
const TURNS: usize = 4;

struct Bridge {
    ports: Vec<Box<dyn Link>>,
    /// Behind which port a station is.
    stations: HashMap<[u8; 6], usize>,
    start: std::time::Instant,
    frame: TxFrame,
}

/// A TAP interface whose frames come singly and complete, impaired as `spec` says.
fn port(name: &str, spec: &ImpairSpec, seed: u64) -> std::io::Result<Box<dyn Link>> {
    Ok(Box::new(Impair::new(Box::new(TapLink::open(name, None, None, "bridge")?), spec, seed)))
}

impl Bridge {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.start.elapsed().as_nanos() as u64)
    }

    /// Forwards what has come to `from`.
    fn forward(&mut self, from: usize) -> std::io::Result<()> {
        let now = self.now();
        let mut frames = Vec::new();
        for _ in 0..TURNS {
            let count = self.ports[from].receive(now, &mut |f| frames.push(f.bytes.to_vec()))?;
            if count == 0 {
                break;
            }
        }
        for bytes in frames.into_iter().filter(|bytes| bytes.len() >= 14) {
            let address = |at: usize| <[u8; 6]>::try_from(&bytes[at..at + 6]).unwrap();
            let (to, by) = (address(0), address(6));
            self.stations.insert(by, from);
            let known = self.stations.get(&to).copied();
            self.frame.bytes = bytes;
            for port in (0..self.ports.len()).filter(|p| *p != from) {
                if known.is_none_or(|known| known == port) {
                    // A full interface drops, as a switch does.
                    self.ports[port].send(now, &self.frame)?;
                }
            }
        }
        Ok(())
    }

    fn wait(&self) -> std::io::Result<()> {
        let now = self.now();
        let next = self.ports.iter().filter_map(|port| port.deadline()).min();
        let timeout = next.map(|at| {
            let nanos = at.since(now).as_nanos() as i64;
            Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 }
        });
        let mut files: Vec<PollFd<'_>> = self
            .ports
            .iter()
            .filter_map(|port| port.fd())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// `bridge NAME,NAME,.. OPTIONS`: makes the interfaces, says `ready`, and forwards until it is
/// ended. OPTIONS as behind a link of a net, without a space.
///
/// # Errors
/// An interface cannot be made, or is gone.
pub fn main(args: &[String]) -> std::io::Result<()> {
    let names: Vec<&str> = args[0].split(',').collect();
    let text = format!("tap:none,{}", args[1]);
    let bad: LinkSpec = text.parse().map_err(std::io::Error::other)?;
    // The clean ones are wrapped as well, so that nothing comes merged or half checked.
    let clean = ImpairSpec { direction: Direction::In, ..ImpairSpec::default() };
    let mut ports = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let last = at + 1 == names.len();
        let seed = bad.impair.seed.unwrap_or(1) + at as u64;
        ports.push(port(name, if last { &bad.impair } else { &clean }, seed)?);
    }
    let start = std::time::Instant::now();
    let mut bridge = Bridge { ports, stations: HashMap::new(), start, frame: TxFrame::default() };
    println!("ready");
    loop {
        bridge.wait()?;
        for from in 0..bridge.ports.len() {
            bridge.forward(from)?;
        }
    }
}
