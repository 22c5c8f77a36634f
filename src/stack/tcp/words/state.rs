//! The state machine as a table (RFC 9293 figure 5), for the states where only the name differs.
//!
//! What the table does not allow is not a transition: callers keep the state they are in.
use crate::stack::tcp::State;

/// What moves a connection from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// A SYN arrived that answers nothing of ours (simultaneous open).
    SynArrived,
    /// Our SYN is acknowledged and the peer's has arrived.
    Opened,
    /// The program closed: our FIN stands behind the data.
    CloseAsked,
    /// The peer's FIN arrived, and all before it.
    FinArrived,
    /// Our FIN is acknowledged.
    FinAcknowledged,
    /// The end of 2 MSL, a reset, an abort or a timeout.
    Ended,
}

/// Every state, for tests and drawings.
#[cfg(test)]
pub(crate) const ALL: [State; 11] = [
    State::Established,
    State::SynSent,
    State::SynReceived,
    State::FinWait1,
    State::FinWait2,
    State::TimeWait,
    State::Closed,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
];

/// The state after `cause`; `None` if that does not happen in this state.
pub(crate) const fn next_state(state: State, cause: Cause) -> Option<State> {
    use State::*;
    Some(match (state, cause) {
        (SynSent, Cause::SynArrived) => SynReceived,
        (SynSent | SynReceived, Cause::Opened) => Established,
        // RFC 9293 3.10.4: in SYN-SENT and SYN-RECEIVED a close waits for ESTABLISHED.
        (Established, Cause::CloseAsked) => FinWait1,
        (CloseWait, Cause::CloseAsked) => LastAck,
        (Established, Cause::FinArrived) => CloseWait,
        (FinWait1, Cause::FinArrived) => Closing,
        (FinWait2, Cause::FinArrived) => TimeWait,
        (FinWait1, Cause::FinAcknowledged) => FinWait2,
        (Closing, Cause::FinAcknowledged) => TimeWait,
        (LastAck, Cause::FinAcknowledged) => Closed,
        (Closed, Cause::Ended) => return None,
        (_, Cause::Ended) => Closed,
        _ => return None,
    })
}

impl State {
    /// Both SYNs have been exchanged and acknowledged, or were once.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, State::Closed | State::Listen | State::SynSent | State::SynReceived)
    }
    /// The peer may still send data.
    pub const fn receives(self) -> bool {
        matches!(self, State::Established | State::FinWait1 | State::FinWait2)
    }
    /// The program may still queue data.
    pub const fn sends(self) -> bool {
        matches!(self, State::Established | State::CloseWait)
    }
    /// The program has asked to close and the FIN is (or was) to be sent.
    pub const fn has_fin(self) -> bool {
        use State::*;
        matches!(self, FinWait1 | FinWait2 | Closing | LastAck | TimeWait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9293 3.3.2: the transitions of figure 5 and no others.
    #[test]
    fn every_transition_is_in_figure_5() {
        use State::*;
        let causes = [
            Cause::SynArrived,
            Cause::Opened,
            Cause::CloseAsked,
            Cause::FinArrived,
            Cause::FinAcknowledged,
        ];
        let mut edges = Vec::new();
        for state in ALL {
            for cause in causes {
                if let Some(to) = next_state(state, cause) {
                    edges.push((state, cause, to));
                }
            }
        }
        assert_eq!(
            edges,
            [
                (Established, Cause::CloseAsked, FinWait1),
                (Established, Cause::FinArrived, CloseWait),
                (SynSent, Cause::SynArrived, SynReceived),
                (SynSent, Cause::Opened, Established),
                (SynReceived, Cause::Opened, Established),
                (FinWait1, Cause::FinArrived, Closing),
                (FinWait1, Cause::FinAcknowledged, FinWait2),
                (FinWait2, Cause::FinArrived, TimeWait),
                (CloseWait, Cause::CloseAsked, LastAck),
                (LastAck, Cause::FinAcknowledged, Closed),
                (Closing, Cause::FinAcknowledged, TimeWait),
            ]
        );
        for state in ALL {
            assert_eq!(next_state(state, Cause::Ended).is_some(), state != Closed);
        }
    }
}
