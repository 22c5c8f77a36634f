//! Bytes between a program's socket and its connection, both ways, straight into and out of the
//! connection's rings, and the ends of either side.
//!
//! Sockets are watched edge-triggered: `readable` and `writable` of a session stay true until the
//! kernel says `EAGAIN`. A session that has used up its share of a turn goes to the end of the
//! queue.
//!
//! | from | to |
//! |---|---|
//! | peer's FIN, all before it passed on | `shutdown(SHUT_WR)` on our socket |
//! | program's `SHUT_WR` | FIN after all that it wrote |
//! | program gone, everything read | what it wrote is sent; then FIN, and the stack has it |
//! | program gone with bytes unread, or `SO_LINGER` 0 | what it wrote is sent, then RST |
//! | data for a program that is gone, or has called `SHUT_RDWR` | RST |
//! | connection failed | what had arrived is passed on, then the socket is closed |
//!
//! A program that leaves is followed for a moment: what it wrote is sent before something that
//! arrives for it makes the stack reset the connection (Linux sends within `write`). A peer that
//! takes nothing (its window is closed) does not hold up a reset: as on Linux what is queued is
//! dropped.
use super::super::state::session::{Phase, Session};
use super::super::system::unix;
use crate::base::time::Duration;
use crate::base::{Instant, NetError};
use crate::protocol::write_flags;
use crate::stack::ConnId;
use crate::stack::tcp::{Mark, State, Tcp, TcpInfo, TcpStatus};
use rustix::io::Errno;

/// Bytes that one session may move in one direction before others have their turn.
const TURN_BYTES: usize = 512 << 10;
/// How long bytes that a program wrote before it left with a reset may take to be acknowledged.
const RESET_PATIENCE: Duration = Duration::from_secs(10);
/// How long bytes that a program wrote before it left may take to be sent.
const LEAVE_PATIENCE: Duration = Duration::from_secs(1);

/// What is to become of a session after its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing to do until something happens.
    Wait,
    /// It has more to do than its share.
    More,
    /// Call again at that time, if nothing happens before.
    Until(Instant),
    /// Call again when the frames that wait have been sent.
    AfterSending,
    /// Done: leave the connection to the stack, close the socket.
    Release,
    /// Done: reset the connection, close the socket.
    Abort,
    /// The connection has failed: remember why. (The session goes on until the program has got what
    /// had been received.)
    Failed(NetError),
}

/// One turn of a session whose handshake is done.
pub fn turn(now: Instant, session: &mut Session, tcp: &mut Tcp, conn: ConnId) -> Turn {
    let Some(status) = tcp.status(conn) else { return Turn::Release };
    if session.phase == Phase::Failed {
        return flush_failed(now, session, tcp, conn);
    }
    if let Some(error) = status.error {
        if session.hung_up && !session.may_be_held {
            return Turn::Release;
        }
        session.phase = Phase::Failed;
        return Turn::Failed(error);
    }
    let open = session.phase == Phase::Open;
    let mut more = open && !holds_back(session, &status) && push(now, session, tcp, conn);
    more |= pull(now, session, tcp, conn);
    // Both may have changed it.
    match tcp.status(conn) {
        Some(status) if session.hung_up => leave(now, session, tcp, conn, &status, more),
        Some(status) => pass_ends(now, session, tcp, conn, &status, more),
        None => Turn::Release,
    }
}

fn pass_ends(
    now: Instant,
    session: &mut Session,
    tcp: &mut Tcp,
    conn: ConnId,
    status: &TcpStatus,
    more: bool,
) -> Turn {
    if status.remote_closed && status.readable == 0 && !session.peer_ended {
        session.peer_ended = true;
        unix::end_of_stream(&session.fd);
    }
    let over = matches!(status.state, State::TimeWait | State::Closed);
    if session.program_ended && session.peer_ended && over {
        return Turn::Release;
    }
    if session.unread_at_shut.is_some_and(|unread| status.readable > unread) {
        // Linux tcp_rcv_state_process: data after SHUT_RDWR is answered by a reset.
        tcp.abort(now, conn);
        session.phase = Phase::Failed;
        return Turn::Failed(NetError::Reset);
    }
    if more { Turn::More } else { Turn::Wait }
}

/// The program is gone.
fn leave(
    now: Instant,
    session: &mut Session,
    tcp: &mut Tcp,
    conn: ConnId,
    status: &TcpStatus,
    more: bool,
) -> Turn {
    if matches!(status.state, State::TimeWait | State::Closed) {
        return Turn::Release;
    }
    // RFC 1122 4.2.2.13: a close with data unread is told to the peer by RST.
    if session.reset_at_end || status.readable > 0 {
        let (until, known) = match session.phase {
            Phase::Resetting { until } => (until, true),
            _ => (now + RESET_PATIENCE, false),
        };
        session.phase = Phase::Resetting { until };
        let arrived = session.program_ended && status.all_acknowledged;
        return match (more, known) {
            _ if arrived || now >= until || takes_nothing(tcp.info(now, conn)) => Turn::Abort,
            (true, _) => Turn::More,
            (false, true) => Turn::Wait,
            (false, false) => Turn::Until(until),
        };
    }
    if !session.program_ended {
        return if more { Turn::More } else { Turn::Wait };
    }
    let Phase::Leaving { until } = session.phase else {
        session.phase = Phase::Leaving { until: now + LEAVE_PATIENCE };
        return Turn::AfterSending;
    };
    tcp.close(now, conn);
    if status.all_acknowledged || now >= until {
        return Turn::Release;
    }
    let info = tcp.info(now, conn);
    let all_sent = info.as_ref().is_none_or(|info| info.notsent_bytes == 0);
    if all_sent || takes_nothing(info) { Turn::Release } else { Turn::Until(until) }
}

/// Whether the peer's window is closed, and nothing is under way that could open it.
fn takes_nothing(info: Option<TcpInfo>) -> bool {
    info.is_none_or(|info| {
        let least = info.snd_mss.min(info.notsent_bytes);
        info.unacked == 0 && info.notsent_bytes > 0 && info.snd_wnd < least
    })
}

fn flush_failed(now: Instant, session: &mut Session, tcp: &mut Tcp, conn: ConnId) -> Turn {
    let more = push(now, session, tcp, conn);
    if session.program_read_closed || session.hung_up || tcp.peek(conn)[0].is_empty() {
        Turn::Release
    } else if more {
        Turn::More
    } else {
        Turn::Wait
    }
}

/// `SO_RCVLOWAT`: `poll` on the program's socket cannot be told to wait for more bytes, so that
/// fewer are not given to it, as long as more can come.
fn holds_back(session: &Session, status: &TcpStatus) -> bool {
    session.lowat > 1
        && status.readable < session.lowat
        && !status.remote_closed
        && !status.urgent
        && unix::is_drained(&session.fd)
}

/// From the wire to the program. True: there is more, beyond this turn's share.
fn push(now: Instant, session: &mut Session, tcp: &mut Tcp, conn: ConnId) -> bool {
    let mut left = TURN_BYTES;
    while session.writable || session.program_read_closed {
        let [first, second] = tcp.peek(conn);
        if first.is_empty() {
            return false;
        }
        if session.program_read_closed {
            // A program that called SHUT_RD and lives on may read what comes all the same, as on
            // Linux (`Request::ReadAfterShutdown`). Of one that is gone the bytes count as unread.
            return false;
        }
        if left == 0 {
            return true;
        }
        let share = match tcp.urgent_ahead(conn) {
            Some(0) => 1,
            Some(ahead) => ahead.min(left),
            None => left,
        };
        let urgent = tcp.urgent_ahead(conn) == Some(0) && session.takes_urgent;
        let first = &first[..first.len().min(share)];
        let second = &second[..second.len().min(share - first.len())];
        let written = if urgent {
            unix::write_urgent(&session.fd, first[0])
        } else {
            unix::write_vectored(&session.fd, [first, second])
        };
        match written {
            Ok(n) => {
                tcp.consume(now, conn, n);
                left -= n.min(left);
            }
            Err(Errno::AGAIN) => session.writable = false,
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => session.program_read_closed = true,
            // A kernel without it: in line.
            Err(Errno::OPNOTSUPP) if urgent => session.takes_urgent = false,
            // The program closed with bytes unread: the kernel tells us once.
            Err(_) => {
                session.program_read_closed = true;
                session.reset_at_end = true;
            }
        }
    }
    false
}

/// From the program to the wire. True: there may be more, beyond this turn's share.
fn pull(now: Instant, session: &mut Session, tcp: &mut Tcp, conn: ConnId) -> bool {
    let mut left = TURN_BYTES;
    while session.readable && !session.program_ended {
        let [first, second] = tcp.send_space(conn);
        if first.is_empty() {
            return false;
        }
        if left == 0 {
            return true;
        }
        let (share, urgent) = match up_to_mark(session) {
            Some(next) => next,
            None => {
                session.readable = false;
                return false;
            }
        };
        let left_now = left.min(share);
        let (one, two) = (first.len().min(left_now), second.len());
        let first = &mut first[..one];
        let second = &mut second[..two.min(left_now - one)];
        let room = first.len() + second.len();
        match unix::read_marked(&session.fd, [first, second]) {
            Ok((0, _)) => {
                // Both directions have ended: the poller's event tells whether the program is gone,
                // which may be a reset (RFC 1122 4.2.2.13) and no FIN first.
                let told = session.hung_up || session.unread_at_shut.is_some();
                if !told && unix::is_hung_up(&session.fd) {
                    session.readable = false;
                    return false;
                }
                session.program_ended = true;
                if !session.hung_up {
                    tcp.close(now, conn);
                }
            }
            Ok((n, rights)) => {
                tcp.send_commit(now, conn, n, mark_of(rights.unwrap_or(0)));
                if urgent {
                    tcp.urge(now, conn);
                }
                left -= n.min(left);
                if n < room && rights.is_none() && !session.read_on && !session.urgent_in_line {
                    // That was all there was: what comes now is a new edge for the poller.
                    session.readable = false;
                }
            }
            Err(Errno::AGAIN) => session.readable = false,
            Err(Errno::INTR) => {}
            // The program closed with bytes unread; what it wrote before comes first, and the end
            // after this. Any other error does not happen on a unix stream, and is an end as well.
            Err(Errno::CONNRESET) => session.reset_at_end = true,
            Err(_) => {
                session.program_ended = true;
                session.reset_at_end = true;
            }
        }
    }
    false
}

/// What the descriptors say that came with the bytes.
fn mark_of(rights: usize) -> Mark {
    Mark {
        more: rights & write_flags::MORE != 0,
        end_of_record: rights & write_flags::END_OF_RECORD != 0,
    }
}

/// How many bytes may be read at once, and whether they are urgent. `None`: none are there.
///
/// A read stops before an urgent byte, but one that begins there takes it along with what follows.
/// So of a program that sends such bytes only as much is read as lay there when the next byte was
/// looked at: what comes in between cannot be taken unseen.
fn up_to_mark(session: &Session) -> Option<(usize, bool)> {
    if !session.urgent_in_line {
        return Some((usize::MAX, false));
    }
    match unix::waiting(&session.fd) {
        // The end is still to be read; nothing can come before it any more.
        0 if session.ending => Some((1, false)),
        0 => None,
        _ if unix::at_mark(&session.fd) => Some((1, true)),
        n => Some((n as usize, false)),
    }
}
