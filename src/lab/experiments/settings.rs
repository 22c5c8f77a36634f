//! Parameters of experiments: their kinds, how they are checked and read.
use crate::base::time::Duration;
use crate::stack::tcp::congestion;
use std::collections::BTreeMap;

/// What a parameter is, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Segments of one MSS.
    Segments,
    /// Packets.
    Packets,
    /// Per cent.
    Percent,
    /// Megabits per second.
    Mbps,
    /// A plain number.
    Count,
    /// Numbers with commas.
    Numbers,
    /// Names of congestion control, with commas.
    Algorithms,
    /// One of these.
    Choice(&'static [&'static str]),
    /// `on` or `off`.
    Switch,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub key: &'static str,
    /// Its value if nothing is said.
    pub default: &'static str,
    /// Its kind.
    pub unit: Unit,
    /// What it does.
    pub about: &'static str,
}

/// A parameter with all that belongs to it.
pub(super) const fn param(
    key: &'static str,
    default: &'static str,
    unit: Unit,
    about: &'static str,
) -> Param {
    Param { key, default, unit, about }
}

impl Unit {
    /// As it is listed.
    pub fn name(self) -> String {
        match self {
            Unit::Ms => "ms".into(),
            Unit::Seconds => "s".into(),
            Unit::Bytes => "bytes".into(),
            Unit::Segments => "segments".into(),
            Unit::Packets => "packets".into(),
            Unit::Percent => "%".into(),
            Unit::Mbps => "Mb/s".into(),
            Unit::Count => "number".into(),
            Unit::Numbers => "numbers".into(),
            Unit::Algorithms => congestion::NAMES.join("|"),
            Unit::Choice(names) => names.join("|"),
            Unit::Switch => "on|off".into(),
        }
    }

    fn check(self, text: &str) -> Result<(), String> {
        let one_of = |names: &[&str], text: &str| {
            let known = names.contains(&text);
            let what = || format!("{text} is none of {}", names.join(", "));
            if known { Ok(()) } else { Err(what()) }
        };
        let number = |text: &str| match text.parse::<f64>() {
            Ok(n) if n.is_finite() && (-1e9..=1e10).contains(&n) => Ok(()),
            _ => Err(format!("{text} is not a number")),
        };
        match self {
            Unit::Algorithms => text.split(',').try_for_each(|t| one_of(&congestion::NAMES, t)),
            Unit::Choice(names) => one_of(names, text),
            Unit::Switch => one_of(&["on", "off"], text),
            Unit::Numbers => {
                text.split(',').filter(|t| !t.is_empty()).try_for_each(|t| number(t.trim()))
            }
            Unit::Percent => {
                number(text)?;
                let right = (0.0..=100.0).contains(&text.parse().unwrap_or(-1.0));
                if right { Ok(()) } else { Err(format!("{text} % is not a share")) }
            }
            _ => {
                number(text)?;
                let right = !text.starts_with('-');
                if right { Ok(()) } else { Err(format!("{text} is negative")) }
            }
        }
    }
}

/// The values of one run.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
    /// Of the random generator.
    pub seed: u64,
    /// Sequence numbers absolute or relative, if the user has said.
    pub absolute: Option<bool>,
}

impl Settings {
    /// Defaults, then what was given as `key=value`.
    pub fn new(
        params: &'static [Param],
        given: &[String],
        seed: u64,
        absolute: Option<bool>,
    ) -> Result<Settings, String> {
        let mut values: BTreeMap<&'static str, String> =
            params.iter().map(|p| (p.key, p.default.to_string())).collect();
        for pair in given {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair} is not key=value"))?;
            let keys: Vec<&str> = params.iter().map(|p| p.key).collect();
            let param = params.iter().find(|p| p.key == key);
            let param = param
                .ok_or_else(|| format!("no parameter {key}; there are {}", keys.join(", ")))?;
            param.unit.check(value).map_err(|what| format!("{key}: {what}"))?;
            values.insert(param.key, value.to_string());
        }
        Ok(Settings { values, seed, absolute })
    }

    /// As text.
    pub fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }
    /// As a number.
    pub fn number(&self, key: &str) -> f64 {
        self.text(key).parse().unwrap_or(0.0)
    }
    /// As a whole number.
    pub fn count(&self, key: &str) -> u64 {
        self.number(key).max(0.0) as u64
    }
    /// Milliseconds.
    pub fn ms(&self, key: &str) -> Duration {
        Duration::from_secs_f64(self.number(key).max(0.0) / 1e3)
    }
    /// Seconds.
    pub fn seconds(&self, key: &str) -> Duration {
        Duration::from_secs_f64(self.number(key).max(0.0))
    }
    /// Megabits per second, as bits.
    pub fn rate(&self, key: &str) -> u64 {
        (self.number(key) * 1e6) as u64
    }
    /// Per cent, as a share.
    pub fn share(&self, key: &str) -> f64 {
        self.number(key) / 100.0
    }
    /// Whether a switch is on.
    pub fn on(&self, key: &str) -> bool {
        self.text(key) == "on"
    }
    /// Parts between commas.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.text(key).split(',').map(str::trim).filter(|t| !t.is_empty()).collect()
    }
    /// Numbers between commas.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        self.list(key).iter().filter_map(|t| t.parse().ok()).collect()
    }
}
