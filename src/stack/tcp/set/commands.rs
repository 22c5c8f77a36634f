//! What programs ask of connections (RFC 9293 3.9.1), by handle. A stale handle is answered by
//! `None`, nothing, or [`NetError::NotConnected`].
use super::tcp::{Tcp, plain, plain_tuple};
use crate::base::addr::{IpAddr, SocketAddr};
use crate::base::{FourTuple, Instant, NetError};
use crate::stack::ConnId;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::send::Mark;
use crate::stack::tcp::words::{Count, Reply, Seq};
use crate::stack::tcp::{Path, State, TcpConfig, TcpInfo, TcpOptions, TcpStatus};

impl Tcp {
    /// What `TCP_CORK` holds back may go, this once (Linux: setting `TCP_NODELAY` pushes).
    pub fn push(&mut self, now: Instant, id: ConnId) {
        self.with(now, id, |conn, _| conn.uncork());
    }

    /// Other defaults, for the connections and listeners that begin from now on.
    pub fn set_config(&mut self, config: TcpConfig) {
        self.config = config;
    }

    /// Takes connections to `local` from now on; again: a new backlog. `dual`: an IPv6 wildcard
    /// that takes IPv4 as well.
    pub fn listen(
        &mut self,
        local: SocketAddr,
        dual: bool,
        backlog: usize,
    ) -> Result<(), NetError> {
        self.listeners.insert((plain(local), dual), backlog, &self.config);
        Ok(())
    }

    /// What the connections of a listener begin with, and its own options.
    pub fn set_listener_options(&mut self, local: SocketAddr, dual: bool, options: TcpOptions) {
        if let Some(listener) = self.listeners.get_mut(&(plain(local), dual)) {
            listener.options = options;
        }
    }

    /// The options of a listener.
    pub fn listener_options(&self, local: SocketAddr, dual: bool) -> Option<&TcpOptions> {
        self.listeners.get(&(plain(local), dual)).map(|listener| &listener.options)
    }

    /// For whom a SYN was taken that is about to be answered, each once: whoever knows whether he
    /// is still there should look before the next `poll_transmit`, and `unlisten` if not.
    pub fn next_called(&mut self) -> Option<(SocketAddr, bool)> {
        self.listeners.next_called()
    }

    /// Takes no more connections. SYNs that were not answered yet are refused; half-open
    /// connections are forgotten (and answered by a reset when they speak again, as on Linux);
    /// established ones stay.
    pub fn unlisten(&mut self, local: SocketAddr, dual: bool) {
        let key = (plain(local), dual);
        if !self.listeners.remove(&key) {
            return;
        }
        let requests = self.syn_queue.iter().filter(|request| request.listener == key);
        let requests: Vec<FourTuple> = requests.map(|request| request.tuple).collect();
        for tuple in requests {
            self.syn_queue.remove(&tuple);
        }
        for request in self.syn_queue.take_answers(&key) {
            // Who finds another listener there is answered when he asks again.
            if request.timeouts > 0 || self.listeners.find(request.tuple.local).is_some() {
                continue;
            }
            let reset = Reply::reset(request.tuple, Seq(0), Some(request.irs + 1));
            self.replies.push(reset, &mut self.counters);
        }
    }

    /// Every listener: its address, and whether it is dual.
    pub fn listeners(&self) -> impl Iterator<Item = (SocketAddr, bool)> {
        self.listeners.keys()
    }

    /// Active OPEN. Errors: `AddressInUse` if the 4-tuple is in use, `NoBuffers` if the table is
    /// full; later ones are in the status.
    pub fn connect(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        path: Path,
        options: TcpOptions,
    ) -> Result<ConnId, NetError> {
        let tuple = plain_tuple(tuple);
        let mut after = None;
        if let Some(id) = self.table.find(&tuple) {
            let rests = self.table.get(id).filter(|conn| conn.may_be_reused(now));
            after = Some(rests.ok_or(NetError::AddressInUse)?.sequence_after());
            self.with(now, id, |conn, _| conn.end(None));
        }
        if !self.make_room(now) {
            return Err(NetError::NoBuffers);
        }
        let mut iss = self.initial_sequence(&tuple, now);
        if let Some(after) = after.filter(|after| iss.before(*after)) {
            iss = after;
        }
        let mut conn = Conn::new(tuple, path, options, iss, None, &self.config, now);
        conn.set_stamp_offset(self.stamp_offset(&tuple));
        if conn.options().fast_open || conn.options().fast_open_no_cookie {
            if let Some(asked) = self.fast_open_of(now, tuple.remote.ip(), conn.options()) {
                conn.ask_fast_open(asked);
            }
        }
        let id = self.table.insert(conn);
        self.with(now, id, |conn, _| conn.open());
        Ok(id)
    }

    /// State, queues and error.
    pub fn status(&self, id: ConnId) -> Option<TcpStatus> {
        self.table.get(id).map(Conn::status)
    }

    /// What ICMP said last of a connection that lives on (`TcpStatus::error` is of one that has
    /// ended), since the last ACK; told once, as Linux's `SO_ERROR` does.
    pub fn take_soft_error(&mut self, id: ConnId) -> Option<NetError> {
        self.table.get_mut(id)?.take_soft_error()
    }

    /// Both ends.
    pub fn tuple(&self, id: ConnId) -> Option<FourTuple> {
        self.table.get(id).map(Conn::tuple)
    }

    /// Takes what fits of `data`; says how many bytes. 0 while the handshake goes on or the buffer
    /// is full. Errors: why the connection ended, or `NotConnected` after our FIN.
    pub fn send(&mut self, now: Instant, id: ConnId, data: &[u8]) -> Result<usize, NetError> {
        self.send_marked(now, id, data, Mark::default())
    }

    /// The same, with what the program says of `data`.
    pub fn send_marked(
        &mut self,
        now: Instant,
        id: ConnId,
        data: &[u8],
        mark: Mark,
    ) -> Result<usize, NetError> {
        let conn = self.table.get_mut(id).ok_or(NetError::NotConnected)?;
        let taken = conn.take_from_program(data)?;
        if taken > 0 || conn.takes_data() {
            self.with(now, id, |conn, cx| conn.written(cx, mark));
        }
        Ok(taken)
    }

    /// The free room of the send buffer, in two pieces, to read a file straight into; then
    /// `send_commit`. Less than `writable` may be offered at first: the buffer grows as it fills.
    pub fn send_space(&mut self, id: ConnId) -> [&mut [u8]; 2] {
        self.table.get_mut(id).map_or([&mut [], &mut []], Conn::send_space)
    }

    /// `n` bytes were written into `send_space`; what the program says of them.
    pub fn send_commit(&mut self, now: Instant, id: ConnId, n: usize, mark: Mark) {
        self.with(now, id, |conn, cx| conn.send_commit(cx, n, mark));
    }

    /// Copies in-order bytes out; says how many. 0: none now, or (`remote_closed`) none ever.
    /// Errors, once everything has been read: why the connection ended.
    pub fn receive(&mut self, now: Instant, id: ConnId, buf: &mut [u8]) -> Result<usize, NetError> {
        let conn = self.table.get(id).ok_or(NetError::NotConnected)?;
        let mut count = 0;
        for part in conn.unread().slices(0, buf.len()) {
            buf[count..count + part.len()].copy_from_slice(part);
            count += part.len();
        }
        match conn.error() {
            Some(error) if count == 0 => return Err(error),
            _ => {}
        }
        self.consume(now, id, count);
        Ok(count)
    }

    /// In-order bytes, in two pieces; then `consume`.
    pub fn peek(&self, id: ConnId) -> [&[u8]; 2] {
        self.table.get(id).map_or([&[], &[]], |conn| conn.unread().slices(0, usize::MAX))
    }

    /// `n` bytes of `peek` have been read: the window opens.
    pub fn consume(&mut self, now: Instant, id: ConnId, n: usize) {
        if n > 0 {
            self.with(now, id, |conn, cx| conn.read(cx, n));
        }
    }

    /// No more sends: FIN after everything queued (`SHUT_WR`).
    pub fn close(&mut self, now: Instant, id: ConnId) {
        self.with(now, id, |conn, _| conn.close());
    }

    /// RST, and everything is dropped. The handle is stale afterwards.
    pub fn abort(&mut self, now: Instant, id: ConnId) {
        self.with(now, id, |conn, cx| {
            conn.abort(cx);
            conn.membership().release();
        });
    }

    /// The program is gone, and so is the handle. What was sent is still delivered, then FIN; with
    /// unread data, or data that still comes, RST.
    pub fn release(&mut self, now: Instant, id: ConnId) {
        let too_many = self.orphans >= self.config.orphans;
        self.with(now, id, |conn, cx| {
            conn.release(cx);
            // Linux tcp_check_oom: TIME-WAIT has a limit of its own.
            if too_many && !matches!(conn.state(), State::Closed | State::TimeWait) {
                cx.counters.add(Count::TooManyOrphans);
                conn.end_with_reset(cx, None);
            }
        });
    }

    /// Options as set.
    pub fn options(&self, id: ConnId) -> Option<&TcpOptions> {
        self.table.get(id).map(Conn::options)
    }

    /// New options; what they hold back or set off happens now.
    pub fn set_options(&mut self, now: Instant, id: ConnId, options: TcpOptions) {
        self.with(now, id, |conn, cx| conn.set_options(cx, options));
    }

    /// What `TCP_INFO` shows.
    pub fn info(&self, now: Instant, id: ConnId) -> Option<TcpInfo> {
        self.table.get(id).map(|conn| conn.info(now, &self.config))
    }

    /// What `TCP_CC_INFO` shows, if the algorithm shows anything: of `bbr`, `struct tcp_bbr_info`.
    pub fn congestion_info(&self, id: ConnId) -> Option<Vec<u32>> {
        self.table.get(id)?.congestion_detail()
    }

    /// All connections, orphans and half-open ones included. What is only half-open has no handle:
    /// the one that is given means nothing.
    pub fn connections(&self) -> impl Iterator<Item = (ConnId, FourTuple, State)> {
        let waiting = self.syn_queue.iter().map(|request| {
            (ConnId { slot: u32::MAX, generation: 0 }, request.tuple, State::SynReceived)
        });
        self.table.iter().map(|conn| (conn.id(), conn.tuple(), conn.state())).chain(waiting)
    }

    /// The way to the peer is another one.
    pub fn set_path(&mut self, now: Instant, id: ConnId, path: Path) {
        self.with(now, id, |conn, _| conn.set_path(path));
    }

    /// Counts since the start, with every reason to drop a segment.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.counters.all()
    }
}

impl Tcp {
    /// The last byte that was given to send is urgent (`MSG_OOB`): the peer is told of it with
    /// everything that leaves until it is acknowledged. A later one takes an earlier one's place.
    pub fn urge(&mut self, now: Instant, id: ConnId) {
        self.with(now, id, |conn, _| conn.urge());
    }

    /// How many readable bytes stand before the peer's urgent byte; `None`: there is none. It may
    /// still be on its way: then as many as are readable, or more.
    pub fn urgent_ahead(&self, id: ConnId) -> Option<usize> {
        self.table.get(id).and_then(Conn::urgent_ahead)
    }
}

impl Tcp {
    /// The largest packet that goes to `remote` has changed: it is known anew, or what was known of
    /// it is too old (RFC 1191 6.3).
    pub fn path_mtu_changed(&mut self, now: Instant, remote: IpAddr, mtu: u16) {
        let there = self.table.iter().filter(|c| c.tuple().remote.ip() == remote);
        let there: Vec<ConnId> = there.filter(|c| c.path().mtu != mtu).map(Conn::id).collect();
        for id in there {
            self.with(now, id, |conn, _| conn.set_path(Path { mtu, ..conn.path() }));
        }
    }
}
