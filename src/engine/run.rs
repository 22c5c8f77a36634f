//! The loop.
//!
//! A turn: sleep until a descriptor is ready or a deadline has come; take frames in; let the stack
//! do what is due; hand its events out; give every session that has something to do its share; send
//! what the stack wants to send. If anything is left, the next turn does not sleep.
use super::poller::{EventFlags, Token, now};
use super::relay::{self, Turn};
use super::session::{Phase, Session};
use super::slab::Key;
use super::timers::Due;
use super::{Engine, EngineError, info};
use crate::base::addr::SocketAddr;
use crate::base::time::Duration;
use crate::base::{Instant, NetError};
use crate::host::Errno;
use crate::protocol::errno;
use crate::protocol::name::Transport;
use crate::stack::tcp::{State, TcpInfo};
use crate::stack::{ConnId, Event, IfIndex};

/// Frames sent in one turn before input is looked at again.
const TURN_FRAMES: usize = 256;
/// Sessions served in one turn.
const TURN_SESSIONS: usize = 256;
/// The kernel's list of listeners is read at most this often.
const LISTENERS_PAUSE: Duration = Duration::from_millis(50);
/// After a stop, how often it is checked whether everything has arrived.
const STOP_CHECK: Duration = Duration::from_millis(20);

impl Engine {
    /// Serves until it is told to stop, then delivers what programs have already written, for as
    /// long as the configured linger at most, and resets what is left.
    ///
    /// # Errors
    /// The poller has failed. (A link that fails is only reported.)
    pub fn run(mut self) -> Result<(), EngineError> {
        let mut events = Vec::with_capacity(128);
        let mut time = now();
        loop {
            let deadline = self.turn(time);
            if self.stopping.is_some_and(|until| now() >= until || self.all_delivered()) {
                break;
            }
            time = now();
            let asked = self.step_asked();
            let until = if asked.is_some() { time } else { deadline };
            let wait = self.poller.wait(time, until, &mut events);
            wait.map_err(|errno| EngineError::System("epoll_wait", errno))?;
            time = now();
            if events.is_empty() && deadline > time {
                self.step_done(asked);
            }
            for (token, flags) in events.drain(..) {
                self.dispatch(time, token, flags);
            }
        }
        self.shut();
        Ok(())
    }

    /// Everything that can be done without sleeping. When to be called again at the latest.
    pub(super) fn turn(&mut self, time: Instant) -> Instant {
        self.turns += 1;
        while let Some(due) = self.timers.pop(time) {
            self.due(time, due);
        }
        for port in &mut self.ports {
            if port.deadline().is_some_and(|at| at <= time) {
                port.resume(time, &self.poller);
                port.receive(time, &mut self.stack, &self.poller);
            }
        }
        if self.stack.poll_timeout().is_some_and(|at| at <= time) {
            self.stack.handle_timeout(time);
        }
        self.drain_events(time);
        self.follow_addresses();
        self.serve_sessions(time);
        let more_frames = self.transmit(time);
        // Sending may have ended connections or emptied buffers (and loopback delivers at once).
        self.drain_events(time);
        if more_frames || !self.ready.is_empty() {
            return time;
        }
        let links = self.ports.iter().filter_map(super::port::Port::deadline);
        let stopping = self.stopping.map(|_| time + STOP_CHECK);
        let own = [self.stack.poll_timeout(), self.timers.next(), stopping];
        links.chain(own.into_iter().flatten()).min().unwrap_or(Instant::FAR_FUTURE)
    }

    pub(super) fn dispatch(&mut self, time: Instant, token: Token, flags: EventFlags) {
        match token {
            Token::Stop => self.begin_stop(time),
            Token::Steps => self.take_step(),
            Token::Gateway => self.accept_outgoing(time),
            Token::Parcels => self.take_parcels(time),
            Token::Control => self.accept_callers(time),
            Token::Link(n) => {
                let Some(port) = self.ports.get_mut(n as usize) else { return };
                if flags.contains(EventFlags::OUT) {
                    port.resume(time, &self.poller);
                }
                port.receive(time, &mut self.stack, &self.poller);
            }
            Token::Session(key) => {
                let Some(session) = self.sessions.get_mut(key) else { return };
                let ended = EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP;
                session.read_on |= flags.intersects(ended | EventFlags::PRI);
                session.ending |= flags.intersects(ended);
                if flags.contains(EventFlags::PRI) && !session.marks {
                    session.watch_marks();
                }
                session.readable |= flags.intersects(EventFlags::IN | ended);
                session.writable |= flags.intersects(EventFlags::OUT | ended);
                session.hung_up |= flags.contains(EventFlags::HUP);
                self.enqueue(key);
            }
            Token::Caller(key) => self.serve_caller(time, key, flags),
            Token::Proxy(key) => self.send_datagrams(time, key),
            Token::Watch(key) => {
                self.listeners.unwatch(key);
                self.check_listeners(time);
            }
        }
    }

    fn due(&mut self, time: Instant, due: Due) {
        match due {
            Due::Session(key) => match self.sessions.get(key).map(|s| s.phase) {
                Some(Phase::Greeting) => drop(self.sessions.remove(key)),
                Some(Phase::PairBusy { .. }) => self.read_request(time, key),
                Some(Phase::Knocking { .. }) => self.knock_again(time, key),
                Some(Phase::Resetting { .. }) => self.enqueue(key),
                _ => {}
            },
            Due::Caller(key) => self.check_caller(time, key),
            Due::Accept => self.resume_accepting(time),
            Due::Groups => self.check_members(time),
            Due::Datagrams => self.retry_datagrams(time),
            Due::Listeners => {
                self.listeners_check_set = false;
                self.check_listeners(time);
            }
        }
    }

    fn drain_events(&mut self, time: Instant) {
        self.look_for_listeners();
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::TcpAccepted { conn, tuple } => self.adopt(time, conn, tuple),
                Event::TcpChanged(conn) => {
                    if let Some(key) = self.sessions.of_conn(conn) {
                        self.enqueue(key);
                    }
                }
                Event::UdpArrived(datagram) => {
                    self.deliver_datagram(time, Transport::Udp, datagram);
                }
                Event::EchoArrived(datagram) => {
                    self.deliver_datagram(time, Transport::Echo, datagram);
                }
                Event::IcmpArrived(datagram) => self.deliver_raw(time, &datagram),
                Event::DatagramFailed(failed) => self.datagram_failed(&failed),
            }
        }
    }

    /// Puts a session into the ready queue, once.
    pub(super) fn enqueue(&mut self, key: Key) {
        if let Some(session) = self.sessions.get_mut(key) {
            if !session.queued {
                session.queued = true;
                self.ready.push_back(key);
            }
        }
    }

    fn serve_sessions(&mut self, time: Instant) {
        // Those that put themselves back have their next share after frames were sent.
        for _ in 0..self.ready.len().min(TURN_SESSIONS) {
            let Some(key) = self.ready.pop_front() else { return };
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.queued = false;
            match (session.phase, session.conn) {
                (Phase::Greeting | Phase::Deferred { called: true }, _) => {
                    self.read_request(time, key);
                }
                (Phase::PairBusy { .. }, _) if session.hung_up => {
                    self.sessions.remove(key);
                }
                (Phase::PairBusy { .. }, _) => {}
                (Phase::Connecting { length }, _) => self.check_handshake(time, key, length),
                (Phase::Admitting { left }, _) => self.admit(key, left),
                (Phase::Knocking { .. }, _) => self.check_knocking(time, key),
                (Phase::Deferred { called: false }, _) => self.open_deferred(time, key),
                (_, Some(conn)) => self.relay(time, key, conn),
                (_, None) => drop(self.sessions.remove(key)),
            }
        }
    }

    fn relay(&mut self, time: Instant, key: Key, conn: ConnId) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match relay::turn(time, session, self.stack.tcp_mut(), conn) {
            Turn::Wait => {}
            Turn::More => self.enqueue(key),
            Turn::Until(at) => self.timers.set(at, Due::Session(key)),
            Turn::Release => self.end_session(time, key, false),
            Turn::Abort => self.end_session(time, key, true),
            Turn::Failed(error) => {
                tracing::debug!(tuple = ?session.tuple, %error, "connection failed");
                let errno = errno::of_stream(error, session.peer_ended);
                self.reasons.remember(session.tuple, errno::to_byte(errno));
                self.enqueue(key);
            }
        }
    }

    /// A connection that waits at its listener's door may fail meanwhile.
    fn check_knocking(&mut self, time: Instant, key: Key) {
        let conn = self.sessions.get(key).and_then(|s| s.conn);
        let status = conn.and_then(|conn| self.stack.tcp().status(conn));
        if status.is_none_or(|s| s.error.is_some()) {
            self.end_session(time, key, false);
        }
    }

    /// Closes the program's socket and gives the connection up: reset, or left to the stack.
    pub(super) fn end_session(&mut self, time: Instant, key: Key, reset: bool) {
        let Some(session) = self.sessions.remove(key) else { return };
        if matches!(session.phase, Phase::Knocking { tries: 1.., .. }) {
            self.knocking -= 1;
        }
        tracing::trace!(tuple = ?session.tuple, reset, phase = ?session.phase, "session ends");
        if let Some(conn) = session.conn {
            let tcp = self.stack.tcp_mut();
            // Its program may still ask. What lives on (TIME-WAIT, say) is not its socket any more.
            let held = !session.hung_up && !matches!(session.phase, Phase::Knocking { .. });
            if let Some(info) = tcp.info(time, conn).filter(|_| held) {
                let info = TcpInfo { state: State::Closed as u8, ..info };
                self.reasons.remember_info(session.tuple, info::to_linux(&info));
            }
            if reset {
                tcp.abort(time, conn);
            }
            tcp.release(time, conn);
        }
    }

    /// Sends what the stack has to send. True: there is more, beyond this turn's share.
    fn transmit(&mut self, time: Instant) -> bool {
        for _ in 0..TURN_FRAMES {
            // With one link, what it cannot take stays in the stack, where it costs nothing; with
            // several, one that is full must not hold up the others.
            if !self.ports.is_empty() && self.ports.iter().all(super::port::Port::is_full) {
                return false;
            }
            match self.stack.poll_transmit(time, &mut self.frame) {
                None => return false,
                Some(interface) => self.send_frame(time, interface),
            }
        }
        true
    }

    fn send_frame(&mut self, time: Instant, interface: IfIndex) {
        if let Some(port) = self.ports.iter_mut().find(|p| p.interface == interface) {
            port.send(time, &mut self.frame, &self.poller);
        }
    }

    /// Tells TCP of a listener.
    pub(super) fn listen(
        &mut self,
        local: SocketAddr,
        dual: bool,
        backlog: u32,
    ) -> Result<(), Errno> {
        let backlog = (backlog as usize).clamp(1, 65_535);
        let listening = self.stack.tcp_mut().listen(local, dual, backlog);
        tracing::debug!(%local, dual, backlog, ?listening, "listen");
        listening.map_err(|error: NetError| errno::from_net(error))
    }

    /// Asks the kernel who listens, and tells TCP of what has changed. Soon, if that was done just
    /// now.
    pub(super) fn check_listeners(&mut self, time: Instant) {
        let next = self.listeners_checked + LISTENERS_PAUSE;
        if time < next && self.listeners_checked != Instant::ZERO {
            if !self.listeners_check_set {
                self.listeners_check_set = true;
                self.timers.set(next, Due::Listeners);
            }
            return;
        }
        self.listeners_checked = time;
        let (fresh, lost) = self.listeners.refresh(self.net);
        for (local, dual) in fresh {
            // Its backlog is not in the list; the kernel's cap for unix sockets holds anyway.
            if let Err(error) = self.listen(local, dual, 4_096) {
                tracing::debug!(%local, %error, "cannot listen for a program");
            }
        }
        for (local, dual) in lost {
            tracing::debug!(%local, dual, "nobody listens any more");
            self.stack.tcp_mut().unlisten(local, dual);
        }
    }

    /// Wants to know when a process that listened ends.
    pub(super) fn watch_process(&mut self, time: Instant, pid: i32) {
        if !self.listeners.wants_watch(pid) {
            return;
        }
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let Some(id) = Pid::from_raw(pid) else { return };
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(pidfd) => {
                let key = self.listeners.watch(pid, pidfd);
                let Some(pidfd) = self.listeners.pidfd(key) else { return };
                if self.poller.add(pidfd, Token::Watch(key), EventFlags::IN).is_err() {
                    self.listeners.unwatch(key);
                }
            }
            // It has ended already.
            Err(Errno::SRCH) => self.check_listeners(time),
            Err(error) => tracing::debug!(pid, %error, "cannot watch a listener's process"),
        }
    }

    /// No new connections; those that there are get the configured time.
    pub(super) fn begin_stop(&mut self, time: Instant) {
        if self.stopping.is_some() {
            return;
        }
        tracing::debug!(sessions = self.sessions.len(), "stopping");
        self.stopping = Some(time + self.linger);
        self.brief_file = None;
        self.poller.remove(self.stop.fd());
        self.poller.remove(&self.gateway);
        let listeners: Vec<_> = self.stack.tcp().listeners().collect();
        for (local, dual) in listeners {
            self.stack.tcp_mut().unlisten(local, dual);
        }
    }

    /// Whether everything that programs have written has been acknowledged by their peers.
    fn all_delivered(&self) -> bool {
        let unread = |s: &Session| s.phase == Phase::Open && s.readable && !s.program_ended;
        if !self.ready.is_empty() || self.sessions.iter().any(|(_, s)| unread(s)) {
            return false;
        }
        // Connections in these states have nothing on its way.
        let idle = [
            State::SynSent,
            State::SynReceived,
            State::Listen,
            State::FinWait2,
            State::TimeWait,
            State::Closed,
        ];
        let tcp = self.stack.tcp();
        let arrived =
            |conn| tcp.status(conn).is_none_or(|s| s.error.is_some() || s.all_acknowledged);
        tcp.connections().all(|(conn, _, state)| idle.contains(&state) || arrived(conn))
    }

    /// The end: what is left is reset.
    fn shut(&mut self) {
        let time = now();
        for key in self.sessions.keys() {
            self.end_session(time, key, true);
        }
        self.stack.release_leases(time);
        while self.transmit(time) {}
        tracing::debug!(net = %self.brief.name, turns = self.turns, "engine ends");
    }
}
