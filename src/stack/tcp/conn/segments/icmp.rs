//! ICMP errors that quote one of our segments (RFC 1122 4.2.3.9, RFC 5461, RFC 5927).
use crate::base::NetError;
use crate::stack::tcp::conn::Conn;
use crate::stack::tcp::words::{Count, Cx, Seq};
use crate::stack::tcp::{IcmpError, State};

/// RFC 791 and RFC 8200 5: no link's MTU is lower.
const MTU_MIN_V4: u16 = 68;

const MTU_MIN_V6: u16 = 1280;

/// Linux `ip_rt_min_pmtu`: lower values are not believed, so that a forged error cannot make us
/// send dust.
const MTU_BELIEVED_V4: u16 = 552;

impl Conn {
    /// RFC 5927 4.1: the quoted segment must be one that is outstanding.
    /// Returns the MTU of the path if that is what was learned.
    pub fn icmp_arrives(&mut self, cx: &mut Cx<'_>, seq: Seq, error: IcmpError) -> Option<u16> {
        if !self.is_outstanding(seq) || seq == self.tx.nxt {
            cx.counters.add(Count::IcmpOutOfWindow);
            return None;
        }
        match error {
            IcmpError::Unreachable(error) => {
                self.unreachable(error);
                None
            }
            IcmpError::TooBig(mtu) => self.too_big(cx, mtu),
        }
    }

    /// A segment that began at `seq` may still be on its way; a bare ACK begins at SND.NXT.
    pub fn is_outstanding(&self, seq: Seq) -> bool {
        seq.at_or_after(self.tx.una) && seq.at_or_before(self.tx.nxt)
    }

    /// Hard while connecting, soft later (RFC 5461, Linux `tcp_v4_err`).
    fn unreachable(&mut self, error: NetError) {
        let hard = match self.state {
            State::SynSent => true,
            // A simultaneous open, or a fast open that the peer has not confirmed: the program
            // finds the data of the SYN, then the error.
            State::SynReceived => !self.membership.is_passive() || self.fast.child,
            _ => false,
        };
        if hard {
            self.end(Some(error));
        } else {
            self.soft_error = Some(error);
        }
    }

    /// Path-MTU discovery (RFC 1191, RFC 8201): smaller from now on, and what was too big again.
    fn too_big(&mut self, cx: &Cx<'_>, mtu: u16) -> Option<u16> {
        let floor =
            if self.tuple.remote.is_ipv4() { MTU_BELIEVED_V4.max(MTU_MIN_V4) } else { MTU_MIN_V6 };
        let mtu = mtu.max(floor);
        if mtu > self.path.mtu {
            return None;
        }
        // The same again is news to segments that left before this was known: another connection
        // may have learned it.
        let lower = mtu < self.path.mtu;
        self.path.mtu = mtu;
        self.path_changed();
        if self.state.is_synchronized() {
            self.resend_too_large(cx);
        } else if self.state == State::SynSent && lower {
            // Our MSS is what fits the way, as far as it is known.
            self.rx.lower_our_mss(self.tx.mss);
            if self.fast.syn_data > 0 && !self.fast.lost {
                self.syn_lost();
                self.tx.timed = None;
                self.tx.syn_due = true;
            }
        }
        Some(mtu)
    }
}
