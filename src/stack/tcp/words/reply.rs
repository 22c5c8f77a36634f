//! Segments that belong to no connection: resets and other answers without state
//! (RFC 9293 3.5.2, 3.10.7.1).
use super::counters::{Count, Counters};
use super::segment::Segment;
use super::seq::Seq;
use crate::base::FourTuple;
use crate::base::limits::TRANSMIT_QUEUE;
use crate::stack::tcp::SegmentOut;
use crate::wire::tcp::{Flags, Options, TcpHeader};
use std::collections::VecDeque;

/// A bare header on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub tuple: FourTuple,
    pub seq: Seq,
    pub ack: Option<Seq>,
    pub flags: Flags,
    pub window: u16,
    pub timestamps: Option<(u32, u32)>,
}

impl Reply {
    /// `<SEQ=seq><ACK=ack><CTL=RST,ACK>`, or without ACK.
    pub fn reset(tuple: FourTuple, seq: Seq, ack: Option<Seq>) -> Reply {
        Reply { tuple, seq, ack, flags: Flags::RST, window: 0, timestamps: None }
    }

    /// A bare ACK.
    pub fn acknowledgment(tuple: FourTuple, seq: Seq, ack: Seq) -> Reply {
        Reply { tuple, seq, ack: Some(ack), flags: Flags(0), window: 0, timestamps: None }
    }

    /// The reset that answers `segment`; none answers a reset.
    pub fn reset_for(tuple: FourTuple, segment: &Segment<'_>) -> Option<Reply> {
        if segment.has(Flags::RST) {
            return None;
        }
        // RFC 9293 3.10.7.1: take the sequence number from its ACK, or acknowledge it from 0.
        Some(if segment.has(Flags::ACK) {
            Reply::reset(tuple, segment.ack, None)
        } else {
            Reply::reset(tuple, Seq(0), Some(segment.end()))
        })
    }

    pub fn emit(&self, out: &mut SegmentOut) {
        let mut flags = self.flags;
        if self.ack.is_some() {
            flags = flags.with(Flags::ACK);
        }
        let header = TcpHeader {
            source: self.tuple.local.port(),
            destination: self.tuple.remote.port(),
            seq: self.seq.0,
            ack: self.ack.unwrap_or_default().0,
            flags,
            window: self.window,
            urgent: 0,
            options: Options { timestamps: self.timestamps, ..Options::default() },
        };
        out.tuple = self.tuple;
        out.bytes.clear();
        out.header_len = header.emit(&mut out.bytes) as u16;
        out.gso_size = 0;
        out.ttl = 64;
        out.tos = 0;
    }
}

/// Replies that wait for `poll_transmit`. A flood fills it and is then not answered.
#[derive(Debug, Default)]
pub(crate) struct Replies(VecDeque<Reply>);

impl Replies {
    pub fn push(&mut self, reply: Reply, counters: &mut Counters) {
        if self.0.len() >= TRANSMIT_QUEUE {
            counters.add(Count::RepliesFull);
            return;
        }
        if reply.flags.has(Flags::RST) {
            counters.add(Count::ResetsOut);
        }
        self.0.push_back(reply);
    }

    pub fn pop(&mut self) -> Option<Reply> {
        self.0.pop_front()
    }
}
