//! The experiments: what each does, its parameters, and what to see in it.
//!
//! An [`Experiment`] is a function from [`Settings`] and a seed to a [`Report`]; one file for each,
//! or for a few that differ only in numbers.
mod aimd;
mod close;
mod common;
mod congestion;
mod experiment;
mod fragments;
mod handshake;
mod link_use;
mod recovery;
mod settings;
mod slow_start;
mod small;
mod syn_flood;
#[cfg(test)]
mod textbook_tests;
mod transfer;
mod udp_loss;
mod window;

pub use experiment::{Experiment, Report};
pub use settings::{Param, Settings, Unit};

/// All of them, in the order of a course.
pub const ALL: &[&Experiment] = &[
    &handshake::HANDSHAKE,
    &transfer::TRANSFER,
    &close::CLOSE,
    &link_use::STOP_AND_WAIT,
    &link_use::SLIDING_WINDOW,
    &window::WINDOW,
    &small::SILLY_WINDOW,
    &small::NAGLE,
    &slow_start::SLOW_START,
    &congestion::TAHOE,
    &congestion::RENO,
    &aimd::AIMD,
    &congestion::CUBIC,
    &congestion::BBR,
    &recovery::FAST_RETRANSMIT,
    &recovery::SACK,
    &recovery::REORDER,
    &syn_flood::SYN_FLOOD,
    &fragments::FRAGMENTATION,
    &udp_loss::UDP_LOSS,
    &fragments::PMTUD,
];

/// The one of that name.
pub fn find(name: &str) -> Option<&'static Experiment> {
    ALL.iter().find(|e| e.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every experiment runs with its defaults, draws something, and says what to see.
    #[test]
    fn all_run() {
        for experiment in ALL {
            let report = experiment.with(&[], 1, None).expect("defaults are right");
            assert!(!report.pictures.is_empty(), "{}", experiment.name);
            assert!(!report.facts.is_empty(), "{}", experiment.name);
            let sentences = experiment.what_to_see.matches(['.', '?']).count();
            assert!((3..=9).contains(&sentences), "{}: {sentences}", experiment.name);
            for picture in &report.pictures {
                assert!(picture.svg().len() < 400_000, "{}", picture.name());
                let text = picture.text(crate::lab::draw::Terminal { width: 100, colour: false });
                assert!(text.lines().count() > 5, "{text}");
            }
        }
    }

    /// Wrong settings are refused with words.
    #[test]
    fn settings_are_checked() {
        let refused = |set: &str| find("reno").unwrap().with(&[set.into()], 1, None).unwrap_err();
        assert!(refused("speed=3").contains("no parameter speed"), "{}", refused("speed=3"));
        assert!(refused("rtt=fast").contains("a number"), "{}", refused("rtt=fast"));
        assert!(refused("algorithms=renault").contains("renault"));
        assert!(refused("rtt").contains("key=value"));
        assert!(find("speed").is_none());
    }
}
