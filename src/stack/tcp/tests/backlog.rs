//! A program that does not accept: how many handshakes are finished for it.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::Event;
use crate::wire::tcp::Options;

/// A driver with a queue of accepted connections for `room` of them, which tries when it hears of
/// a connection.
struct Driver {
    s: Script,
    room: usize,
    accepted: usize,
    /// Those that were announced and found no room.
    late: usize,
    port: u16,
}

impl Driver {
    fn new(backlog: usize) -> Driver {
        let mut s = Script::plain();
        s.tcp.listen(s.local, false, backlog).unwrap();
        Driver { s, room: backlog + 1, accepted: 0, late: 0, port: 1_000 }
    }

    /// SYNs of `count` more clients.
    fn syns(&mut self, count: u16) -> Vec<(u16, u32)> {
        let mss = Options { mss: Some(1000), ..Options::default() };
        let mut answered = Vec::new();
        for _ in 0..count {
            self.port += 1;
            self.s.remote = addr(2, self.port);
            self.s.put_with(S, 0, 0, &[], mss);
            if let Some(got) = self.s.get() {
                assert_eq!(got.header.flags, S.with(A));
                answered.push((self.port, got.header.seq));
            }
        }
        answered
    }

    /// Their ACKs, in one batch.
    fn acks(&mut self, clients: &[(u16, u32)]) {
        for &(port, ours) in clients {
            (self.s.remote, self.s.ours) = (addr(2, port), ours);
            self.s.put(A, 1, 1, &[]);
        }
    }

    /// Hears of what was announced. `patience`: how long it takes until it tries again.
    fn events(&mut self, patience: Duration) {
        while let Some(event) = self.s.tcp.poll_event() {
            if matches!(event, Event::TcpAccepted { .. }) {
                if self.accepted < self.room {
                    self.accepted += 1;
                } else {
                    self.late += 1;
                    self.s.tcp.accept_queue_is_full(self.s.local, self.s.now + patience);
                }
            }
        }
    }
}

/// RFC 4987 2, listen(2): a listener with a backlog of 16 that never accepts has 17 connections, as
/// on Linux. As the driver hears of a full queue only when it tries, a batch may add as many, and
/// each time that it would try again, one.
#[test]
fn a_program_that_never_accepts() {
    let mut d = Driver::new(16);
    let clients = d.syns(200);
    // All ACKs before the driver hears of the first.
    d.acks(&clients);
    d.events(Duration::from_millis(100));
    assert_eq!((d.accepted, d.late), (17, 0));
    for round in 0..50 {
        let clients = d.syns(100);
        d.acks(&clients);
        d.events(Duration::from_millis(100));
        d.s.pass_ms(100);
        while d.s.get().is_some() {}
        d.events(Duration::from_millis(100));
        assert!(d.late <= 17 + round, "{} in round {round}", d.late);
    }
    assert_eq!(d.accepted, 17);
    assert!(d.s.count("drop_accept_queue_full") > 1_000);
}

/// A program that accepts is not held up: what the driver has heard of makes room, however much
/// comes in a batch.
#[test]
fn a_program_that_accepts() {
    let mut d = Driver::new(16);
    d.room = usize::MAX;
    for _ in 0..20 {
        let clients = d.syns(17);
        assert_eq!(clients.len(), 17);
        d.acks(&clients);
        d.events(Duration::ZERO);
    }
    assert_eq!((d.accepted, d.late), (340, 0));
    // Full once, and then not any more.
    d.room = 340;
    let clients = d.syns(1);
    d.acks(&clients);
    d.events(Duration::from_millis(10));
    assert_eq!(d.late, 1);
    d.room = usize::MAX;
    d.s.pass_ms(20);
    for _ in 0..20 {
        let clients = d.syns(1);
        d.acks(&clients);
        d.events(Duration::ZERO);
    }
    assert_eq!(d.accepted, 360);
}
