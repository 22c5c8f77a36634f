//! The state of a stream socket, as its program has brought it about.
//!
//! It is packed into the socket's flags ([`super::flags::SocketFlags`]) and changes by
//! [`StreamState::next`] alone. What the peer does is not in it: that the kernel shows (`poll`),
//! and of a wire connection the engine knows why it ended.

/// Where a stream is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum StreamState {
    /// New, perhaps bound; or its last connect has failed and the program was told.
    Closed = 0,
    /// `listen` was called.
    Listening = 1,
    /// A non-blocking connect was answered `EINPROGRESS`, and its end has not been reported.
    Connecting = 2,
    /// `connect` was answered, and its SYN waits for the first data (`TCP_FASTOPEN_CONNECT`).
    Deferred = 3,
    /// The connect has failed; the program has not called `connect` again.
    Failed = 4,
    /// Connected.
    Open = 5,
    /// Connected; this side called `shutdown(SHUT_RD)`.
    ReadShut = 6,
    /// Connected; this side called `shutdown(SHUT_WR)`.
    WriteShut = 7,
    /// Connected; this side called `shutdown` for both.
    BothShut = 8,
    /// A write after the peer had closed was taken and lost, as TCP would: the next one is `EPIPE`.
    WriteLost = 9,
    /// The end of the connection was reported as an error, once: what is written is `EPIPE`.
    Ended = 10,
}

/// What makes a stream go to another state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// `listen` succeeded.
    Listen,
    /// `shutdown` of a listener, other than `SHUT_WR`.
    StopListening,
    /// A non-blocking connect has begun.
    BeginConnect,
    /// A connect has begun that waits for data.
    Defer,
    /// The first data of a deferred connect is there.
    FirstData,
    /// The connection is there, and the program knows it.
    Established,
    /// The connect has failed, which the program will learn later.
    FailLater,
    /// The connect has failed and the program is told, or the socket is disconnected: it is as new.
    GiveUp,
    /// `shutdown(SHUT_RD)`.
    ShutRead,
    /// `shutdown(SHUT_WR)`.
    ShutWrite,
    /// `shutdown(SHUT_RDWR)`.
    ShutBoth,
    /// A write was taken after the peer had closed.
    LoseWrite,
    /// An error that ended the connection was reported.
    ReportEnd,
}

impl StreamState {
    /// Every state.
    pub const ALL: [StreamState; 11] = [
        Self::Closed,
        Self::Listening,
        Self::Connecting,
        Self::Deferred,
        Self::Failed,
        Self::Open,
        Self::ReadShut,
        Self::WriteShut,
        Self::BothShut,
        Self::WriteLost,
        Self::Ended,
    ];

    /// The state of this number; `Closed` for a number that no state has.
    pub const fn from_bits(bits: u64) -> StreamState {
        match bits {
            1 => Self::Listening,
            2 => Self::Connecting,
            3 => Self::Deferred,
            4 => Self::Failed,
            5 => Self::Open,
            6 => Self::ReadShut,
            7 => Self::WriteShut,
            8 => Self::BothShut,
            9 => Self::WriteLost,
            10 => Self::Ended,
            _ => Self::Closed,
        }
    }

    /// The state after `cause`. `None`: it changes nothing here.
    pub const fn next(self, cause: Cause) -> Option<StreamState> {
        use StreamState::{
            BothShut, Closed, Connecting, Deferred, Ended, Failed, Listening, Open, ReadShut,
            WriteLost, WriteShut,
        };
        Some(match (self, cause) {
            (Closed, Cause::Listen) => Listening,
            (Listening, Cause::StopListening) => Closed,
            (Closed, Cause::BeginConnect) => Connecting,
            (Closed, Cause::Defer) => Deferred,
            (Deferred, Cause::FirstData) => Connecting,
            (Closed | Connecting | Deferred, Cause::Established) => Open,
            (Closed | Connecting | Deferred, Cause::FailLater) => Failed,
            (Closed | Listening, Cause::GiveUp) => return None,
            (_, Cause::GiveUp) => Closed,
            (Open, Cause::ShutRead) => ReadShut,
            (WriteShut, Cause::ShutRead) => BothShut,
            (Open, Cause::ShutWrite) => WriteShut,
            (ReadShut, Cause::ShutWrite) => BothShut,
            (Open | ReadShut | WriteShut, Cause::ShutBoth) => BothShut,
            // A connect that is done and not yet reported: it is from now on.
            (Connecting, Cause::ShutRead) => ReadShut,
            (Connecting, Cause::ShutWrite) => WriteShut,
            (Connecting, Cause::ShutBoth) => BothShut,
            (Connecting | Open | ReadShut, Cause::LoseWrite) => WriteLost,
            (Connecting | Open | ReadShut | WriteShut | BothShut | WriteLost, Cause::ReportEnd) => {
                Ended
            }
            _ => return None,
        })
    }

    /// Whether `connect` or `accept` has given it a peer, even if that has gone or never answered.
    pub const fn has_peer(self) -> bool {
        !matches!(self, Self::Closed | Self::Listening)
    }
    /// Whether `shutdown(SHUT_WR)` was called.
    pub const fn write_is_shut(self) -> bool {
        matches!(self, Self::WriteShut | Self::BothShut)
    }
    /// Whether `shutdown(SHUT_RD)` was called.
    pub const fn read_is_shut(self) -> bool {
        matches!(self, Self::ReadShut | Self::BothShut)
    }
    /// Whether a write after the peer's close is `EPIPE`.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::WriteLost | Self::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSES: [(Cause, &str); 13] = [
        (Cause::Listen, "listen"),
        (Cause::StopListening, "stop listening"),
        (Cause::BeginConnect, "begin connect"),
        (Cause::Defer, "defer"),
        (Cause::FirstData, "first data"),
        (Cause::Established, "established"),
        (Cause::FailLater, "fail later"),
        (Cause::GiveUp, "give up"),
        (Cause::ShutRead, "shut read"),
        (Cause::ShutWrite, "shut write"),
        (Cause::ShutBoth, "shut both"),
        (Cause::LoseWrite, "lose write"),
        (Cause::ReportEnd, "report end"),
    ];

    /// Rows: causes. Columns: states in the order of [`StreamState::ALL`]. A letter is the next
    /// state, `.` means that nothing changes.
    const TABLE: [&str; 13] = [
        // CLNDFORWBXE
        "L..........", // listen
        ".C.........", // stop listening
        "N..........", // begin connect
        "D..........", // defer
        "...N.......", // first data
        "O.OO.......", // established
        "F.FF.......", // fail later
        "..CCCCCCCCC", // give up
        "..R..R.B...", // shut read
        "..W..WB....", // shut write
        "..B..BBB...", // shut both
        "..X..XX....", // lose write
        "..E..EEEEE.", // report end
    ];
    const LETTERS: &str = "CLNDFORWBXE";

    #[test]
    fn every_pair() {
        for ((cause, name), row) in CAUSES.into_iter().zip(TABLE) {
            assert_eq!(row.len(), StreamState::ALL.len(), "{name}");
            for (state, expected) in StreamState::ALL.into_iter().zip(row.chars()) {
                let next = state.next(cause);
                let letter = next.map_or('.', |next| LETTERS.as_bytes()[next as usize].into());
                assert_eq!(letter, expected, "{state:?} after {name}");
            }
        }
    }

    #[test]
    fn states_survive_as_bits() {
        for state in StreamState::ALL {
            assert_eq!(StreamState::from_bits(state as u64), state);
        }
        assert_eq!(StreamState::from_bits(15), StreamState::Closed);
    }
}
