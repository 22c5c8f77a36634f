//! Congestion control: one trait (`interface`), one file an algorithm. To add one: a file here, a
//! line in [`ALGORITHMS`], a name in `base/congestion.rs`.
//!
//! An algorithm owns `cwnd` and `ssthresh`, in bytes, and may say at which rate to send. What is
//! lost, what is in flight and what to send again is the business of `loss` and `conn/acks`, and
//! the same for all: bytes that duplicate or selective acknowledgments report as arrived leave the
//! flight, so no window is inflated (RFC 5681 3.2 step 4 in the form of RFC 6675 4).
mod aimd;
mod bbr;
mod cubic;
mod hystart;
mod interface;
mod reno;
mod tahoe;

pub use crate::base::congestion::NAMES;

pub(crate) use interface::{Acked, CWND_MAX, Congestion, Lost, RateSample, Start, initial_window};

/// Makes one connection's state of an algorithm.
type Make = fn() -> Box<dyn Congestion>;

/// Every algorithm, in the order of [`NAMES`].
const ALGORITHMS: [(&str, Make); NAMES.len()] = [
    ("cubic", || Box::new(cubic::Cubic::default())),
    ("bbr", || Box::new(bbr::Bbr::default())),
    ("reno", || Box::new(reno::Reno::classic())),
    ("newreno", || Box::new(reno::Reno::new())),
    ("tahoe", || Box::new(tahoe::Tahoe::default())),
];

/// The registry here and the names that programs may give are the same.
const _: () = {
    let mut i = 0;
    while i < NAMES.len() {
        let same = crate::base::congestion::code(NAMES[i])
            == crate::base::congestion::code(ALGORITHMS[i].0);
        assert!(same, "base/congestion.rs and ALGORITHMS differ");
        i += 1;
    }
};

/// The algorithm of that name; `None` if there is none.
pub(crate) fn by_name(name: &str) -> Option<Box<dyn Congestion>> {
    ALGORITHMS.iter().find(|known| known.0 == name).map(|known| known.1())
}

/// The default, when a configuration names none that exists.
pub(crate) fn default() -> Box<dyn Congestion> {
    ALGORITHMS[0].1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Instant;
    use crate::stack::tcp::TcpConfig;

    pub fn ack(bytes: u32, limited: bool) -> Acked {
        Acked { bytes, delivered: bytes, flight: bytes, limited, mss: 1000, ..Acked::default() }
    }

    pub fn start(mss: u32) -> Start {
        Start::new(&TcpConfig::default(), mss, 0)
    }

    #[test]
    fn every_name_is_an_algorithm() {
        assert_eq!(by_name("bbr").unwrap().name(), "bbr");
        for name in NAMES.into_iter().filter(|name| *name != "bbr") {
            let mut cc = by_name(name).unwrap();
            assert_eq!(cc.name(), name);
            cc.opened(&start(1460));
            assert_eq!(cc.cwnd(), 14_600);
            let kept = |cwnd: u32| if name == "cubic" { cwnd * 7 / 10 } else { cwnd / 2 };
            cc.loss_found(Instant::ZERO, 14_600, 1460);
            let first = kept(14_600);
            let cwnd = if name == "tahoe" { 1460 } else { first };
            assert_eq!((cc.cwnd(), cc.ssthresh()), (cwnd, first));
            cc.timed_out(Instant::ZERO, true, first, 0, 1460);
            assert_eq!((cc.cwnd(), cc.ssthresh()), (1460, kept(first)));
            cc.undo();
            assert_eq!((cc.cwnd(), cc.ssthresh()), (cwnd, first));
        }
        assert!(by_name("cubicle").is_none());
        assert_eq!(default().name(), "cubic");
    }

    /// RFC 6928 2: the initial window is ten segments, 14600 bytes or two segments.
    #[test]
    fn initial_windows_of_rfc_6928() {
        assert_eq!(initial_window(1460), 14_600);
        assert_eq!(initial_window(536), 5_360);
        assert_eq!(initial_window(8_960), 17_920);
    }

    /// RFC 5681 3.1: one segment when the handshake had losses; ssthresh arbitrarily high. The
    /// net's settings go first: the textbook's 1 MSS and 64 KiB.
    #[test]
    fn what_a_connection_starts_with() {
        let textbook =
            TcpConfig { initial_window: 1, initial_ssthresh: 65_536, ..TcpConfig::default() };
        let s = Start::new(&textbook, 1460, 0);
        assert_eq!((s.cwnd, s.initial, s.ssthresh), (1460, 1460, 65_536));
        let s = Start::new(&TcpConfig::default(), 1460, 1);
        assert_eq!((s.cwnd, s.ssthresh), (14_600, CWND_MAX));
        let s = Start::new(&TcpConfig::default(), 1460, 2);
        assert_eq!((s.cwnd, s.initial), (1460, 14_600));
        for name in NAMES {
            let mut cc = by_name(name).unwrap();
            cc.opened(&Start::new(&textbook, 1460, 0));
            assert_eq!((cc.cwnd(), cc.ssthresh()), (1460, 65_536), "{name}");
        }
    }
}
