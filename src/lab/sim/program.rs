//! Programs at the ends of connections: what they write and when, how fast they read, how they end.
use crate::base::{FourTuple, Instant, NetError, time::Duration};
use crate::stack::tcp::{Mark, Tcp, TcpOptions};
use crate::stack::{ConnId, Stack};
use std::collections::VecDeque;

/// What a program does with its connection. Times count from when the connection is established.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In order: the next one begins when all bytes of the one before are in the send buffer.
    pub writes: Vec<Write>,
    /// How it reads.
    pub reader: Reader,
    /// How it ends.
    pub end: End,
    /// Options of its socket.
    pub options: TcpOptions,
}

/// So many bytes, then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The condition.
    pub when: When,
    /// Bytes.
    pub bytes: u64,
}

/// When to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as there is room.
    Now,
    /// At this time.
    At(Duration),
    /// So long after the write before.
    After(Duration),
    /// When so many bytes have been read in all.
    Received(u64),
    /// When everything sent so far has been acknowledged.
    Acknowledged,
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// All that is there.
    Eager,
    /// So many bytes at a time, so often.
    Slow {
        /// At a time.
        bytes: usize,
        /// Between two reads.
        every: Duration,
    },
    /// All that is there, but nothing between these times.
    Pause {
        /// The first time.
        from: Duration,
        /// The second.
        until: Duration,
    },
}

/// How to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Close when all is written; gone when the peer has closed as well.
    WhenWritten,
    /// Close when the peer has closed and all is written.
    AfterPeer,
    /// The same, so long after the peer.
    AfterPeerBy(Duration),
    /// Close at this time.
    At(Duration),
    /// Reset at this time.
    AbortAt(Duration),
    /// The program goes away at this time, whatever there is to read.
    ExitAt(Duration),
    /// Stay open.
    Never,
}

/// How far a program has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When the connection was established.
    pub opened_at: Option<Instant>,
    /// Bytes put into the send buffer.
    pub sent: u64,
    /// Bytes read.
    pub received: u64,
    /// The peer has closed and all has been read.
    pub eof: bool,
    /// When that was.
    pub eof_at: Option<Instant>,
    /// When the last byte so far was read.
    pub received_at: Option<Instant>,
    /// It has closed its side.
    pub closed: bool,
    /// It has let go of the connection.
    pub released: bool,
    /// Why the connection ended early.
    pub error: Option<NetError>,
    /// The position of the first byte that was not what the peer had sent.
    pub wrong_byte: Option<u64>,
}

impl Plan {
    /// Writes `bytes`, reads all, closes.
    pub fn sending(bytes: u64) -> Plan {
        let writes = vec![Write { when: When::Now, bytes }];
        Plan { writes, end: End::WhenWritten, ..Plan::closing() }
    }
    /// Writes nothing, reads all, closes after the peer.
    pub fn closing() -> Plan {
        Plan {
            writes: Vec::new(),
            reader: Reader::Eager,
            end: End::AfterPeer,
            options: TcpOptions::default(),
        }
    }
}

/// A program at work.
#[derive(Debug)]
pub(super) struct Program {
    pub conn: ConnId,
    pub tuple: FourTuple,
    pub progress: Progress,
    plan: Plan,
    writes: VecDeque<Write>,
    /// When the last write was complete.
    wrote_at: Instant,
    /// A slow reader's next turn.
    read_at: Instant,
}

/// The byte at `position` of what `sender` sends to `receiver` (their ports).
fn pattern(sender: u16, receiver: u16, position: u64) -> u8 {
    let salt = u64::from(sender) * 131 + u64::from(receiver);
    (position.wrapping_mul(31) ^ (position >> 8) ^ salt) as u8
}

impl Program {
    pub(super) fn new(conn: ConnId, tuple: FourTuple, plan: Plan) -> Program {
        Program {
            conn,
            tuple,
            progress: Progress::default(),
            writes: plan.writes.iter().copied().collect(),
            plan,
            wrote_at: Instant::ZERO,
            read_at: Instant::ZERO,
        }
    }

    /// Does what it can now; says when it wants to be run again at the latest.
    pub(super) fn run(&mut self, now: Instant, stack: &mut Stack) -> Option<Instant> {
        let tcp = stack.tcp_mut();
        if self.progress.released {
            return None;
        }
        let Some(status) = tcp.status(self.conn) else {
            self.progress.released = true;
            return None;
        };
        self.progress.error = self.progress.error.or(status.error);
        if self.progress.opened_at.is_none() && status.state.is_synchronized() {
            self.progress.opened_at = Some(now);
            self.read_at = now;
        }
        let wake = match self.progress.opened_at {
            Some(opened) => {
                let read = self.read(now, opened, tcp);
                let write = self.write(now, opened, tcp);
                let end = self.finish(now, opened, tcp);
                [read, write, end].into_iter().flatten().min()
            }
            None => None,
        };
        let ended = tcp.status(self.conn).is_none_or(|s| s.readable == 0);
        let done = self.progress.closed && self.progress.eof;
        if !self.progress.released && (done || (self.progress.error.is_some() && ended)) {
            self.progress.released = true;
            tcp.release(now, self.conn);
        }
        wake.filter(|_| !self.progress.released)
    }

    fn read(&mut self, now: Instant, opened: Instant, tcp: &mut Tcp) -> Option<Instant> {
        let readable = |tcp: &Tcp| tcp.status(self.conn).map_or(0, |s| s.readable);
        let mut wake = None;
        let most = match self.plan.reader {
            Reader::Eager => usize::MAX,
            Reader::Slow { bytes, every } => {
                if now < self.read_at {
                    return Some(self.read_at).filter(|_| readable(tcp) > 0);
                }
                if readable(tcp) > 0 {
                    self.read_at = now + every;
                    wake = Some(self.read_at);
                }
                bytes
            }
            Reader::Pause { from, until } => {
                if now >= opened + from && now < opened + until {
                    return Some(opened + until);
                }
                usize::MAX
            }
        };
        self.take(now, most, tcp);
        if let Some(status) = tcp.status(self.conn) {
            if status.remote_closed && status.readable == 0 && !self.progress.eof {
                self.progress.eof = true;
                self.progress.eof_at = Some(now);
            }
        }
        wake
    }

    /// Reads up to `most` bytes and compares them with what the peer sends.
    fn take(&mut self, now: Instant, most: usize, tcp: &mut Tcp) {
        let (from, to) = (self.tuple.remote.port(), self.tuple.local.port());
        let mut count = 0;
        for part in tcp.peek(self.conn) {
            for byte in &part[..part.len().min(most - count)] {
                let position = self.progress.received + count as u64;
                if *byte != pattern(from, to, position) {
                    self.progress.wrong_byte.get_or_insert(position);
                }
                count += 1;
            }
        }
        if count > 0 {
            tcp.consume(now, self.conn, count);
            self.progress.received += count as u64;
            self.progress.received_at = Some(now);
        }
    }

    fn write(&mut self, now: Instant, opened: Instant, tcp: &mut Tcp) -> Option<Instant> {
        while let Some(write) = self.writes.front().copied() {
            let status = tcp.status(self.conn)?;
            let due = match write.when {
                When::Now => now,
                When::At(time) => opened + time,
                When::After(time) => self.wrote_at.max(opened) + time,
                When::Received(bytes) if self.progress.received >= bytes => now,
                When::Acknowledged if status.all_acknowledged => now,
                When::Received(_) | When::Acknowledged => return None,
            };
            if due > now {
                return Some(due);
            }
            let left = self.put(now, write.bytes, tcp);
            if left > 0 {
                // The rest as soon as there is room.
                self.writes[0] = Write { when: When::Now, bytes: left };
                return None;
            }
            self.writes.pop_front();
            self.wrote_at = now;
        }
        None
    }

    /// Fills the send buffer; says how many bytes are left.
    fn put(&mut self, now: Instant, bytes: u64, tcp: &mut Tcp) -> u64 {
        let (from, to) = (self.tuple.local.port(), self.tuple.remote.port());
        let mut left = bytes;
        loop {
            let mut count = 0;
            for space in tcp.send_space(self.conn) {
                let n = (space.len() as u64).min(left - count) as usize;
                for byte in &mut space[..n] {
                    *byte = pattern(from, to, self.progress.sent + count);
                    count += 1;
                }
            }
            if count == 0 {
                return left;
            }
            left -= count;
            self.progress.sent += count;
            tcp.send_commit(now, self.conn, count as usize, Mark::default());
        }
    }

    fn finish(&mut self, now: Instant, opened: Instant, tcp: &mut Tcp) -> Option<Instant> {
        let written = self.writes.is_empty();
        let close = match self.plan.end {
            End::Never => false,
            End::WhenWritten => written,
            End::AfterPeer => written && self.progress.eof,
            End::AfterPeerBy(time) => match self.progress.eof_at {
                Some(at) if now < at + time => return Some(at + time),
                Some(_) => written,
                None => false,
            },
            End::At(time) | End::AbortAt(time) | End::ExitAt(time) if now < opened + time => {
                return Some(opened + time);
            }
            End::At(_) => true,
            End::AbortAt(_) => {
                tcp.abort(now, self.conn);
                self.progress.released = true;
                return None;
            }
            End::ExitAt(_) => {
                tcp.release(now, self.conn);
                self.progress.released = true;
                return None;
            }
        };
        if close && !self.progress.closed {
            self.progress.closed = true;
            self.writes.clear();
            tcp.close(now, self.conn);
        }
        None
    }
}
