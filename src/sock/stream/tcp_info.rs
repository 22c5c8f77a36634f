//! `TCP_INFO`. Of a wire connection the engine tells; of a local one, whose bytes never become
//! segments, the fields say what TCP over loopback would: no loss, no wait.
use crate::base::FourTuple;
use crate::host::{Errno, option, poll, usermem::UserSlice};
use crate::protocol::request::{Reply, Request};
use crate::sock::client;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use crate::sock::descriptor::state::StreamState;
use crate::sock::options::wire;

/// Size of Linux 6.18's `struct tcp_info`, bytes.
pub const SIZE: usize = 280;
/// The largest segment of `lo` (65536 less 40 bytes of headers, 12 of options), and what Linux
/// takes for a segment of its receiver there.
const SEGMENT: u32 = 65_483;
const SEND_SEGMENT: u32 = 32_768;

/// States, as Linux numbers them.
mod state {
    pub const ESTABLISHED: u8 = 1;
    pub const SYN_SENT: u8 = 2;
    pub const FIN_WAIT2: u8 = 5;
    pub const CLOSE: u8 = 7;
    pub const CLOSE_WAIT: u8 = 8;
    pub const LISTEN: u8 = 10;
}

/// getsockopt(2) of `TCP_INFO`.
pub fn get(sock: &Socket, value: UserSlice) -> Result<usize, Errno> {
    let mut room = [0; Reply::HEAD + SIZE];
    match ask(sock, Request::Info, &mut room) {
        Some(bytes) => value.write(bytes),
        None => value.write(&local(sock)),
    }
}

/// getsockopt(2) of `TCP_CC_INFO`: empty unless the algorithm has something to show.
pub fn congestion(sock: &Socket, value: UserSlice) -> Result<usize, Errno> {
    let mut room = [0; Reply::HEAD + SIZE];
    match ask(sock, Request::CongestionInfo, &mut room) {
        Some(bytes) if !bytes.is_empty() => value.write(bytes),
        _ => Ok(0),
    }
}

/// The segment size of a connection: `tcpi_snd_mss`.
pub fn segment_size(sock: &Socket) -> i32 {
    let mut room = [0; Reply::HEAD + SIZE];
    let of = |bytes: &[u8]| bytes.get(16..20)?.try_into().ok().map(i32::from_ne_bytes);
    let size = match ask(sock, Request::Info, &mut room) {
        Some(bytes) => of(bytes),
        None => of(&local(sock)),
    };
    size.filter(|size| *size > 0).unwrap_or(536)
}

/// What the engine says; `None` for a connection that it does not hold (any more).
fn ask<'a>(
    sock: &Socket,
    request: fn(FourTuple) -> Request,
    room: &'a mut [u8],
) -> Option<&'a [u8]> {
    if !sock.has(SocketFlags::WIRE) {
        return None;
    }
    match client::ask(&request(wire::tuple(sock).ok()?), room).ok()? {
        Reply::Info(bytes) => Some(bytes),
        _ => None,
    }
}

fn local(sock: &Socket) -> [u8; SIZE] {
    let mut info = [0u8; SIZE];
    let mut word = |at: usize, value: u32| info[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    let state = state_of(sock);
    word(8, 1_000_000); // tcpi_rto, us: the first
    word(16, 536); // tcpi_snd_mss
    if state == state::ESTABLISHED || state == state::CLOSE_WAIT || state == state::FIN_WAIT2 {
        word(8, 204_000);
        word(12, 40_000); // tcpi_ato, us
        word(16, SEND_SEGMENT);
        word(20, SEND_SEGMENT); // tcpi_rcv_mss
        word(24, queued(sock).div_ceil(SEND_SEGMENT)); // tcpi_unacked
        word(60, 65_535); // tcpi_pmtu
        word(64, SEGMENT); // tcpi_rcv_ssthresh
        word(68, 20); // tcpi_rtt, us
        word(72, 10); // tcpi_rttvar, us
    }
    word(76, i32::MAX as u32); // tcpi_snd_ssthresh: infinite
    word(80, 10); // tcpi_snd_cwnd (RFC 6928)
    word(84, SEGMENT); // tcpi_advmss
    word(88, 3); // tcpi_reordering
    word(96, SEGMENT); // tcpi_rcv_space
    info[0] = state;
    info[5] = 0x07; // tcpi_options: timestamps, SACK, window scaling
    info[6] = 0x77; // tcpi_snd_wscale, tcpi_rcv_wscale
    info[112..120].fill(0xff); // tcpi_max_pacing_rate: none
    info[104..112].fill(0xff); // tcpi_pacing_rate: none
    info
}

fn state_of(sock: &Socket) -> u8 {
    let shown = poll::now(sock.fd);
    let wire = sock.has(SocketFlags::WIRE);
    match sock.state() {
        StreamState::Listening => return state::LISTEN,
        StreamState::Closed | StreamState::Failed => return state::CLOSE,
        StreamState::Deferred => return state::SYN_SENT,
        StreamState::Connecting if wire && shown & libc::POLLOUT == 0 => return state::SYN_SENT,
        _ => {}
    }
    let peer_finished = shown & (libc::POLLRDHUP | libc::POLLHUP) != 0;
    match (sock.state().write_is_shut(), peer_finished) {
        (true, true) => state::CLOSE,
        (true, false) => state::FIN_WAIT2,
        (false, true) => state::CLOSE_WAIT,
        (false, false) => state::ESTABLISHED,
    }
}

/// Bytes sent that the peer has not read, as the kernel accounts for them.
fn queued(sock: &Socket) -> u32 {
    // SO_MEMINFO: the third word is sk_wmem_alloc.
    let mut words = [0; 36];
    match option::get(sock.fd, libc::SOL_SOCKET, libc::SO_MEMINFO, &mut words) {
        Ok(_) => u32::from_ne_bytes([words[8], words[9], words[10], words[11]]),
        Err(_) => 0,
    }
}
