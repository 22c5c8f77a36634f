//! The loop.
//!
//! A turn: sleep until a descriptor is ready or a deadline has come; take frames in; let the stack
//! do what is due; hand its events out; give every session that has something to do its share; send
//! what the stack wants to send. If anything is left, the next turn does not sleep.
use super::super::error::EngineError;
use super::super::state::Engine;
use super::super::system::poller::{EventFlags, Token, now};
use super::super::system::timers::Due;
use crate::base::Instant;
use crate::base::time::Duration;
use crate::protocol::name::Transport;
use crate::stack::Event;

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
            if self.lifetime.ends().is_some_and(|until| now() >= until || self.all_delivered()) {
                break;
            }
            time = now();
            let question = self.steps.as_ref().and_then(|steps| steps.question());
            let until = if question.is_some() { time } else { deadline };
            let wait = self.poller.wait(time, until, &mut events);
            wait.map_err(|errno| EngineError::System("epoll_wait", errno))?;
            time = now();
            if events.is_empty() && deadline > time {
                if let (Some(steps), Some(question)) = (&self.steps, question) {
                    steps.answer(question);
                }
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
        self.lifetime.turn();
        while let Some(due) = self.timers.pop(time) {
            self.due(time, due);
        }
        self.ports.call_due(time, &mut self.stack, &self.poller);
        if self.stack.poll_timeout().is_some_and(|at| at <= time) {
            self.stack.handle_timeout(time);
        }
        self.drain_events(time);
        self.follow_addresses();
        self.serve_sessions(time);
        let more_frames = self.ports.transmit(time, &mut self.stack, &self.poller);
        // Sending may have ended connections or emptied buffers (and loopback delivers at once).
        self.drain_events(time);
        if more_frames || self.sessions.ready() > 0 {
            return time;
        }
        let stopping = self.lifetime.ends().map(|_| time + STOP_CHECK);
        let own = [self.ports.deadline(), self.stack.poll_timeout(), self.timers.next(), stopping];
        own.into_iter().flatten().min().unwrap_or(Instant::FAR_FUTURE)
    }

    /// The brief follows the addresses of the links.
    pub(super) fn follow_addresses(&mut self) {
        self.net.follow(&self.stack, self.ports.interfaces());
    }

    pub(super) fn dispatch(&mut self, time: Instant, token: Token, flags: EventFlags) {
        match token {
            Token::Stop => self.begin_stop(time),
            Token::Steps => {
                if let Some(config) = self.steps.as_ref().and_then(|steps| steps.take()) {
                    self.stack.tcp_mut().set_config(config);
                }
            }
            Token::Gateway => self.accept_outgoing(time),
            Token::DatagramGateway => self.receive_from_datagram_gateway(time),
            Token::Control => self.accept_callers(time),
            Token::Link(n) => {
                self.ports.ready(time, n, flags, &mut self.stack, &self.poller);
            }
            Token::Session(key) => self.session_ready(key, flags),
            Token::Caller(key) => self.serve_caller(time, key, flags),
            Token::PeerSocket(key) => self.send_datagrams(time, key),
            Token::Process(key) => {
                self.listeners.unwatch(key);
                self.check_listeners(time);
            }
        }
    }

    fn due(&mut self, time: Instant, due: Due) {
        match due {
            Due::Session(key) => self.session_due(time, key),
            Due::Caller(key) => self.callers.check_idle(time, key, &mut self.timers),
            Due::Accept => self.doors.resume(time, &self.poller, &mut self.timers),
            Due::Groups => self.check_members(time),
            Due::Pairs => {
                let tcp = self.stack.tcp();
                let state = |conn| tcp.status(conn).map(|status| status.state);
                self.reserved_pairs.check(time, self.net.id(), state, &mut self.timers);
            }
            Due::Datagrams => self.retry_datagrams(time),
            Due::Listeners => {
                self.listeners.check_is_due();
                self.check_listeners(time);
            }
        }
    }

    fn drain_events(&mut self, time: Instant) {
        self.check_called_listeners();
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::TcpAccepted { conn, tuple } => self.adopt(time, conn, tuple),
                Event::TcpChanged(conn) => {
                    if let Some(key) = self.sessions.of_conn(conn) {
                        self.sessions.enqueue(key);
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
}
