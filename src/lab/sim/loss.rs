//! Which packets a link loses.
use crate::base::Rng;

/// A loss model. Probabilities are between 0 and 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each packet on its own.
    Uniform(f64),
    /// Gilbert and Elliott: a good state without loss, and a bad one in which every packet is lost.
    /// `enter` and `leave` are the chances, at each packet, to change the state: bursts are
    /// `1 / leave` packets long on average.
    Burst {
        /// Good to bad.
        enter: f64,
        /// Bad to good.
        leave: f64,
    },
    /// The first packets, whatever they are.
    First(u64),
    /// Every n-th packet that carries data.
    Every(u64),
    /// These packets with data, counted from 1 on this link; what is sent again counts again.
    Listed(Vec<u64>),
}

impl Loss {
    /// Bursts of `length` packets on average that lose the share `rate` of all.
    pub fn bursts(rate: f64, length: f64) -> Loss {
        let leave = 1.0 / length.max(1.0);
        Loss::Burst { enter: leave * rate / (1.0 - rate).max(0.01), leave }
    }
}

/// A model at work.
#[derive(Clone, Debug)]
pub(super) struct LossState {
    model: Loss,
    bad: bool,
    /// Packets so far.
    all: u64,
    /// Packets with data so far.
    count: u64,
}

impl LossState {
    pub(super) fn new(model: Loss) -> LossState {
        LossState { model, bad: false, all: 0, count: 0 }
    }

    /// Whether the next packet is lost. `data`: it carries payload of TCP or UDP.
    pub(super) fn strikes(&mut self, rng: &mut Rng, data: bool) -> bool {
        self.count += u64::from(data);
        self.all += 1;
        match &self.model {
            Loss::None => false,
            Loss::Uniform(p) => rng.chance(*p),
            Loss::Burst { enter, leave } => {
                let change = if self.bad { *leave } else { *enter };
                self.bad ^= rng.chance(change);
                self.bad
            }
            Loss::First(n) => self.all <= *n,
            Loss::Every(n) => data && *n > 0 && self.count.is_multiple_of(*n),
            Loss::Listed(list) => data && list.contains(&self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(model: Loss) -> f64 {
        let (mut state, mut rng) = (LossState::new(model), Rng::seeded(4));
        let lost = (0..100_000).filter(|_| state.strikes(&mut rng, true)).count();
        lost as f64 / 1e5
    }

    #[test]
    fn models_lose_what_they_say() {
        assert_eq!(share(Loss::None), 0.0);
        assert!((share(Loss::Uniform(0.03)) - 0.03).abs() < 0.003);
        assert!((share(Loss::bursts(0.02, 5.0)) - 0.02).abs() < 0.004);
        assert_eq!(share(Loss::Every(50)), 0.02);
        assert_eq!(share(Loss::Listed(vec![1, 7, 100_001])), 2e-5);
    }

    /// A burst loses packets in a row.
    #[test]
    fn bursts_are_as_long_as_asked_for() {
        let (mut state, mut rng) = (LossState::new(Loss::bursts(0.02, 5.0)), Rng::seeded(9));
        let fates: Vec<bool> = (0..200_000).map(|_| state.strikes(&mut rng, true)).collect();
        let lost = fates.iter().filter(|lost| **lost).count() as f64;
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        assert!((lost / bursts - 5.0).abs() < 0.5, "{}", lost / bursts);
    }
}
