//! Pairs whose program has left while TCP still needs them (FIN-WAIT, CLOSE-WAIT, TIME-WAIT).
//!
//! The kernel's table of names says which ports are taken, and a program's name goes with its
//! socket. So the engine takes the name of the pair as long as the pair is in use: a program that
//! draws a port for the same remote host finds it taken and draws another one, without asking.
//! A pair in TIME-WAIT is given back after a second: it may be used again then (RFC 6191).
use super::super::system::timers::{Due, Timers};
use super::super::system::unix;
use crate::base::time::Duration;
use crate::base::{FourTuple, Instant};
use crate::protocol::name::{NetId, Role};
use crate::stack::ConnId;
use crate::stack::tcp::State;
use rustix::io::Errno;
use rustix::net::SocketType;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Pairs at once; the one reserved first goes first.
const PAIRS_MAX: usize = 4_096;
/// Pairs that are given back at once when descriptors have run out.
const MAKE_ROOM: usize = 64;
/// How often it is checked whether pairs are still in use.
const CHECK: Duration = Duration::from_millis(250);
/// How long a pair stays reserved in TIME-WAIT.
const TIME_WAIT: Duration = Duration::from_secs(1);

struct Pair {
    conn: ConnId,
    tuple: FourTuple,
    /// The socket that has the name. `None`: the program's socket still has it.
    socket: Option<OwnedFd>,
    /// Since when it has been in TIME-WAIT.
    rests: Option<Instant>,
}

impl Pair {
    fn take_name(&mut self, net: NetId) -> Result<(), Errno> {
        let FourTuple { local, remote } = self.tuple;
        let role = Role::Endpoint { local, remote };
        self.socket = Some(unix::bound(SocketType::STREAM, net, role)?);
        Ok(())
    }
}

/// All reserved pairs.
pub struct ReservedPairs {
    list: VecDeque<Pair>,
    most: usize,
    check_set: bool,
}

impl ReservedPairs {
    /// None yet. They take at most a quarter of this many descriptors.
    pub fn new(descriptors: usize) -> ReservedPairs {
        let most = (descriptors / 4).min(PAIRS_MAX);
        ReservedPairs { list: VecDeque::new(), most, check_set: false }
    }

    /// The program of an outgoing connection has left it to the stack.
    pub fn reserve(
        &mut self,
        now: Instant,
        net: NetId,
        conn: ConnId,
        tuple: FourTuple,
        timers: &mut Timers,
    ) {
        let mut pair = Pair { conn, tuple, socket: None, rests: None };
        match pair.take_name(net) {
            // The program holds its socket yet.
            Ok(()) | Err(Errno::ADDRINUSE) => {}
            Err(_) => return,
        }
        if self.list.len() >= self.most {
            self.list.pop_front();
        }
        self.list.push_back(pair);
        self.set_check(now, timers);
    }

    fn set_check(&mut self, now: Instant, timers: &mut Timers) {
        if !self.check_set && !self.list.is_empty() {
            self.check_set = true;
            timers.set(now + CHECK, Due::Pairs);
        }
    }

    /// Time to give back what is not in use any more. `state`: of a connection that is there.
    pub fn check(
        &mut self,
        now: Instant,
        net: NetId,
        state: impl Fn(ConnId) -> Option<State>,
        timers: &mut Timers,
    ) {
        self.check_set = false;
        self.list.retain_mut(|pair| {
            match state(pair.conn) {
                None | Some(State::Closed) => return false,
                Some(State::TimeWait) => {
                    if now.since(*pair.rests.get_or_insert(now)) >= TIME_WAIT {
                        return false;
                    }
                }
                Some(_) => {}
            }
            pair.socket.is_some() || matches!(pair.take_name(net), Ok(()) | Err(Errno::ADDRINUSE))
        });
        self.set_check(now, timers);
    }

    /// Gives some back, since descriptors have run out. False: there are none.
    pub fn make_room(&mut self) -> bool {
        let some = self.list.iter().any(|pair| pair.socket.is_some());
        self.list.drain(..self.list.len().min(MAKE_ROOM));
        some
    }
}
