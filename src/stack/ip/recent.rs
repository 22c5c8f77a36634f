//! Datagrams that left lately: what an error or a redirect may quote. (TCP knows its connections.)
//!
//! A fixed number of marks, each a keyed hash of one flow in the place that the hash itself says:
//! noting a flow costs one hash, and a flow is forgotten when another one falls into its place.
use crate::base::FourTuple;
use crate::base::rng::Secret;

/// A power of two.
const PLACES: usize = 1_024;

/// See the top of the file.
#[derive(Clone, Debug)]
pub(in crate::stack) struct RecentFlows {
    secret: Secret,
    marks: Vec<u64>,
}

impl RecentFlows {
    /// Nothing has left.
    pub fn new(secret: Secret) -> RecentFlows {
        RecentFlows { secret, marks: vec![0; PLACES] }
    }
    /// A datagram of `protocol` leaves.
    pub fn note(&mut self, protocol: u8, tuple: FourTuple) {
        let mark = self.mark(protocol, tuple);
        if let Some(place) = self.marks.get_mut(mark as usize % PLACES) {
            *place = mark;
        }
    }
    /// Whether such a one has left lately.
    pub fn knows(&self, protocol: u8, tuple: FourTuple) -> bool {
        let mark = self.mark(protocol, tuple);
        self.marks.get(mark as usize % PLACES) == Some(&mark)
    }

    fn mark(&self, protocol: u8, tuple: FourTuple) -> u64 {
        let (local, remote) = (tuple.local, tuple.remote);
        let ends = (local.ip(), local.port(), remote.ip(), remote.port());
        // 0 marks an empty place.
        self.secret.hash(&("recent", protocol, ends)) | 1 << 63
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1122 3.2.2.2: what has left is known, for some time; nothing else is.
    #[test]
    fn flows_are_known_by_all_that_they_are() {
        let mut recent = RecentFlows::new(Secret::new([1; 16]));
        let tuple = |port: u16| FourTuple {
            local: "10.0.0.1:5".parse().unwrap(),
            remote: format!("10.0.0.2:{port}").parse().unwrap(),
        };
        assert!(!recent.knows(17, tuple(1)));
        recent.note(17, tuple(1));
        assert!(recent.knows(17, tuple(1)));
        assert!(!recent.knows(1, tuple(1)) && !recent.knows(17, tuple(2)));
        for port in 2..60_000 {
            recent.note(17, tuple(port));
        }
        let known = (1..60_000).filter(|&port| recent.knows(17, tuple(port))).count();
        assert!(known <= PLACES, "{known}");
    }
}
