//! How connections ended, remembered for a while: a program learns from its socket only that
//! something ended, and asks. (Of datagrams likewise.)
use crate::base::FourTuple;
use std::collections::{HashMap, VecDeque};

/// Ends remembered at most; the oldest goes first.
const REMEMBERED: usize = 4_096;

/// What is known of one end.
#[derive(Default)]
struct End {
    /// Its entry in `order`.
    number: u64,
    errno: Option<u8>,
    /// The last `TCP_INFO`.
    info: Option<Box<[u8]>>,
}

/// Ends by the connection's ends as its program names them.
#[derive(Default)]
pub struct ReasonTable {
    map: HashMap<FourTuple, End>,
    order: VecDeque<(u64, FourTuple)>,
    count: u64,
}

impl ReasonTable {
    /// Remembers why; a later reason takes an earlier one's place.
    pub fn remember(&mut self, tuple: FourTuple, errno: u8) {
        self.end(tuple).errno = Some(errno);
        self.forget_oldest();
    }
    /// Remembers what `TCP_INFO` is to show of a connection that the program still holds.
    pub fn remember_info(&mut self, tuple: FourTuple, info: Vec<u8>) {
        self.end(tuple).info = Some(info.into());
        self.forget_oldest();
    }
    /// The reason, if it is remembered.
    pub fn get(&self, tuple: &FourTuple) -> Option<u8> {
        self.map.get(tuple)?.errno
    }
    /// What `TCP_INFO` showed last, if it is remembered.
    pub fn info(&self, tuple: &FourTuple) -> Option<&[u8]> {
        self.map.get(tuple)?.info.as_deref()
    }
    /// The reason; all is then forgotten. (There is another connection with these ends.)
    pub fn take(&mut self, tuple: &FourTuple) -> Option<u8> {
        self.map.remove(tuple)?.errno
    }

    fn end(&mut self, tuple: FourTuple) -> &mut End {
        self.count += 1;
        self.order.push_back((self.count, tuple));
        let end = self.map.entry(tuple).or_default();
        end.number = self.count;
        end
    }

    fn forget_oldest(&mut self) {
        while self.map.len() > REMEMBERED || self.order.len() > 2 * REMEMBERED {
            let Some((number, tuple)) = self.order.pop_front() else { break };
            if self.map.get(&tuple).is_some_and(|end| end.number == number) {
                self.map.remove(&tuple);
            }
        }
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
        let mut reasons = ReasonTable::default();
        for port in 0..=REMEMBERED as u16 {
            reasons.remember(tuple(port), 111);
        }
        assert_eq!(reasons.get(&tuple(0)), None);
        assert_eq!(reasons.get(&tuple(1)), Some(111));
        reasons.remember(tuple(1), 110);
        reasons.remember_info(tuple(1), vec![7]);
        assert_eq!((reasons.get(&tuple(1)), reasons.info(&tuple(1))), (Some(110), Some(&[7][..])));
        assert_eq!(reasons.take(&tuple(1)), Some(110));
        assert_eq!((reasons.get(&tuple(1)), reasons.info(&tuple(1))), (None, None));
    }

    #[test]
    fn one_connection_again_and_again_takes_bounded_room() {
        let mut reasons = ReasonTable::default();
        for _ in 0..10 * REMEMBERED {
            reasons.remember(tuple(1), 104);
        }
        assert!(reasons.order.len() <= 2 * REMEMBERED);
        assert_eq!(reasons.get(&tuple(1)), Some(104));
    }
}
