//! Fast open (RFC 7413) in the life of a connection: the data of our SYN, the answer to it, and the
//! data of a peer's SYN with a good cookie.
use crate::stack::tcp::State;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::fast_open::{Failure, Form, HostNews, Offer};
use crate::stack::tcp::loss::Pending;
use crate::stack::tcp::words::{Count, Cx, Segment, Seq};
use crate::wire::tcp::Flags;

/// RFC 9293 3.7.1: the peer's MSS if its SYN-ACK does not say, bytes.
const MSS_DEFAULT: u16 = 536;

impl Conn {
    /// An active open that may use fast open.
    pub fn ask_fast_open(&mut self, offer: Offer) {
        self.fast.set_option(offer.option);
        self.fast.room = offer.room(self.tx.mss);
        if !offer.takes_data() {
            self.fast.failure = Failure::NoCookie;
        }
    }

    /// Data that goes with the SYN that is about to leave.
    pub fn syn_data_now(&mut self, cx: &mut Cx<'_>) -> u32 {
        if self.state != State::SynSent || self.fast.lost {
            return 0;
        }
        let len = (self.tx.ring.len() as u32).min(self.fast.room);
        if len > 0 {
            cx.counters.add(Count::FastOpenData);
            self.stats.bytes_sent += u64::from(len);
        }
        self.fast.syn_data = len;
        len
    }

    /// Our SYN was not answered in time, or was too large: it goes again without data and option.
    pub fn syn_lost(&mut self) {
        if self.state == State::SynSent && self.fast.tried() {
            self.fast.lost = true;
        }
    }

    /// The end of the data that went with our SYN.
    pub fn syn_data_end(&self) -> Seq {
        self.tx.iss + 1 + self.fast.syn_data
    }

    /// What of that data is not acknowledged is a piece of the flight like others. It left with the
    /// SYN.
    pub fn syn_data_flies(&mut self, cx: &Cx<'_>, from: Seq) {
        let end = self.syn_data_end();
        let snapshot = self.rate.sent(cx.now, true, end.past(from));
        let mss = self.tx.mss - self.options_now(cx).wire_len() as u32;
        self.tx.nxt = end;
        self.flight.push(from, end, self.tx.last_sent, mss, snapshot);
        if from.before(end) {
            // Linux `tcp_send_syn_data`.
            self.flight.mark_tail(true, false);
        }
    }

    /// A SYN-ACK has made the connection: what it says of fast open (Linux
    /// `tcp_rcv_fastopen_synack`). The ACK is owed.
    pub fn syn_answered(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        let missing = segment.ack.before(self.syn_data_end());
        if self.fast.tried() {
            self.fast.rest().news = Some(self.news(cx, segment, missing));
        }
        self.rx.owe_ack();
        if missing {
            return self.syn_data_missing(cx, segment.ack);
        }
        self.fast.taken = self.fast.syn_data > 0;
        if self.fast.tried() {
            self.take_syn_ack_data(cx, segment);
        }
        if self.fast.more || self.rx.is_interactive() {
            self.rx.hold_first_ack(cx.now, &mut self.timers);
        }
    }

    fn news(&self, cx: &Cx<'_>, segment: &Segment<'_>, missing: bool) -> HostNews {
        let (shown, answer) = (self.fast.option(), segment.options.fast_open);
        let again = self.stats.total_retrans > 0;
        // An answer to no question is no cookie.
        let answer = answer.filter(|_| shown.is_some());
        let silent = answer.is_none() && self.fast.syn_data == 0 && !again;
        HostNews {
            cookie: answer.filter(|cookie| !cookie.is_request()),
            mss: segment.options.mss.unwrap_or(MSS_DEFAULT),
            lost: (again && answer.is_none() && missing).then_some(cx.now),
            unknown: shown.filter(|_| silent).map(|shown| match shown.is_experimental() {
                false => Form::Standard,
                true => Form::Experimental,
            }),
        }
    }

    /// RFC 7413 4.2.1: data of the SYN that the SYN-ACK does not acknowledge is sent again at once.
    fn syn_data_missing(&mut self, cx: &mut Cx<'_>, from: Seq) {
        cx.counters.add(Count::FastOpenRefused);
        self.fast.failure = match self.stats.total_retrans {
            0 => Failure::NotTaken,
            _ => Failure::SynAgain,
        };
        self.syn_data_flies(cx, from);
        self.lose(cx, 0);
        self.repair_alone();
        self.set_retransmit(Pending::Rto, cx.now + self.rtt.rto(cx.config));
    }

    /// Data and FIN that came with the SYN-ACK. Like Linux, they are taken only where fast open was
    /// asked for; else they come again.
    fn take_syn_ack_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        let room = self.rx.window() as usize;
        let mut rest = Segment { seq: segment.seq + 1, ..*segment };
        if rest.payload.len() > room {
            rest.payload = &rest.payload[..room];
            rest.flags.0 &= !Flags::FIN.0;
        }
        self.keep_syn_data(rest.payload);
        self.take_fin(cx, &rest);
    }
}

impl Conn {
    /// The data of a SYN with a good cookie.
    pub fn take_syn_data(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>) {
        self.cc.opened(&self.congestion_start(cx));
        let window = usize::from(self.first_window());
        let data = &segment.payload[..segment.payload.len().min(window)];
        self.keep_syn_data(data);
        self.stats.segs_in += 1;
    }

    /// Data that came with a SYN or SYN-ACK, as far as the window takes it.
    pub fn keep_syn_data(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.rx.take_syn_data(data);
            self.fast.taken = true;
        }
    }

    /// The program has this connection and may write, though the handshake is not done.
    pub fn is_fast_child(&self) -> bool {
        self.fast.child && self.state == State::SynReceived && !self.tx.close_wanted
    }

    /// The program may queue data.
    pub fn takes_data(&self) -> bool {
        self.state.sends() || self.is_fast_child()
    }
}
