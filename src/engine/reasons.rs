//! Why connections (and datagrams) failed, remembered for a while: a program learns from its socket
//! only that something ended, and asks.
use crate::base::FourTuple;
use std::collections::{HashMap, VecDeque};

/// Reasons remembered at most; the oldest goes first.
const REMEMBERED: usize = 4_096;

/// Errno by the connection's ends as its program names them.
#[derive(Default)]
pub struct Reasons {
    map: HashMap<FourTuple, (u64, u8)>,
    order: VecDeque<(u64, FourTuple)>,
    count: u64,
}

impl Reasons {
    /// Remembers; a later one takes an earlier one's place.
    pub fn remember(&mut self, tuple: FourTuple, errno: u8) {
        self.count += 1;
        self.map.insert(tuple, (self.count, errno));
        self.order.push_back((self.count, tuple));
        while self.map.len() > REMEMBERED || self.order.len() > 2 * REMEMBERED {
            let Some((number, tuple)) = self.order.pop_front() else { break };
            if self.map.get(&tuple).is_some_and(|(n, _)| *n == number) {
                self.map.remove(&tuple);
            }
        }
    }
    /// The reason, if it is remembered.
    pub fn get(&self, tuple: &FourTuple) -> Option<u8> {
        self.map.get(tuple).map(|(_, errno)| *errno)
    }
    /// The reason, which is then forgotten.
    pub fn take(&mut self, tuple: &FourTuple) -> Option<u8> {
        self.map.remove(tuple).map(|(_, errno)| errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> FourTuple {
        let end = |port| std::net::SocketAddr::from(([10, 0, 0, 1], port));
        FourTuple { local: end(port), remote: end(80) }
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut reasons = Reasons::default();
        for port in 0..=REMEMBERED as u16 {
            reasons.remember(tuple(port), 111);
        }
        assert_eq!(reasons.get(&tuple(0)), None);
        assert_eq!(reasons.get(&tuple(1)), Some(111));
        reasons.remember(tuple(1), 110);
        assert_eq!(reasons.take(&tuple(1)), Some(110));
        assert_eq!(reasons.take(&tuple(1)), None);
    }

    #[test]
    fn one_connection_again_and_again_takes_bounded_room() {
        let mut reasons = Reasons::default();
        for _ in 0..10 * REMEMBERED {
            reasons.remember(tuple(1), 104);
        }
        assert!(reasons.order.len() <= 2 * REMEMBERED);
        assert_eq!(reasons.get(&tuple(1)), Some(104));
    }
}
