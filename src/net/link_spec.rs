//! What the user says about a link, on the command line or in a `[[link]]` table.
//!
//! ```text
//! packet:eth0,mac=02:00:00:00:00:07
//! stream:/run/passt.socket,mtu=65520,delay=20ms,jitter=5ms,loss=2%,rate=10Mbit,queue=100,seed=7
//! ```
//!
//! ```toml
//! [[link]]
//! device = "packet:eth0"
//! delay = "20ms"
//! loss = "2%"
//! ```
//!
//! Both forms go through [`LinkSpec::set`], so keys, units and messages are the same. A value
//! without a unit is milliseconds (times), percent (chances) or bits per second (`rate`). The
//! impairments describe *the wire*: they are applied once to each frame, in both directions unless
//! `direction` says otherwise. Two nets joined by a `stream` give them on one side only.
use crate::base::MacAddr;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::borrow::Cow;

/// The kinds of links, for messages.
pub const DEVICES: &str = "packet:IFNAME, tap:NAME, stream:PATH or stream-listen:PATH";
/// The options of a link.
pub const KEYS: &[&str] = &[
    "mac",
    "mtu",
    "capture",
    "delay",
    "jitter",
    "loss",
    "burst",
    "reorder",
    "duplicate",
    "corrupt",
    "rate",
    "queue",
    "mark",
    "seed",
    "direction",
];
/// Longest delay or jitter: above it a TCP connection cannot be set up any more.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Most frames that `queue` may hold.
const QUEUE_MAX: u32 = 100_000;

/// Where a link's frames go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Device {
    /// A raw socket (AF_PACKET) on the network interface of this name.
    Packet(String),
    /// The TAP interface of this name, created if it does not exist.
    Tap(String),
    /// A unix stream socket at this path that somebody listens on (QEMU's framing, passt, ...).
    Stream(String),
    /// A unix stream socket at this path that we listen on.
    StreamListen(String),
}

impl Device {
    /// The path or interface name.
    pub fn target(&self) -> &str {
        match self {
            Device::Packet(s) | Device::Tap(s) | Device::Stream(s) | Device::StreamListen(s) => s,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Device::Packet(_) => "packet",
            Device::Tap(_) => "tap",
            Device::Stream(_) => "stream",
            Device::StreamListen(_) => "stream-listen",
        };
        write!(f, "{kind}:{}", self.target())
    }
}

impl FromStr for Device {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let Some((kind, target)) = s.split_once(':') else {
            return Err(format!("a link is {DEVICES}, not {s:?}"));
        };
        match kind {
            "packet" => interface_name(target).map(Device::Packet),
            "tap" => interface_name(target).map(Device::Tap),
            "stream" => socket_path(target).map(Device::Stream),
            "stream-listen" => socket_path(target).map(Device::StreamListen),
            _ => Err(format!("there is no link of kind {kind:?}; a link is {DEVICES}")),
        }
    }
}

/// The rules of Linux's `dev_valid_name`.
fn interface_name(s: &str) -> Result<String, String> {
    let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if s.is_empty() || s.len() > 15 || s == "." || s == ".." || s.contains(bad) {
        return Err(format!(
            "{s:?} is not the name of an interface: 1 to 15 characters without '/', ':' and blanks"
        ));
    }
    Ok(s.into())
}

/// What fits into `sun_path` (unix(7)) with its final zero.
fn socket_path(s: &str) -> Result<String, String> {
    if s.is_empty() || s.len() > 107 || s.contains('\0') {
        return Err(format!("{s:?} is not the path of a unix socket: 1 to 107 bytes"));
    }
    Ok(s.into())
}

/// Which frames are impaired, seen from our side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Direction {
    /// Those that we send.
    Out,
    /// Those that we receive.
    In,
    /// All.
    #[default]
    Both,
}

/// What an impaired wire does. Chances are 0.0 to 1.0.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct ImpairSpec {
    /// Time that each frame takes, one way.
    pub delay: Duration,
    /// Random deviation from `delay`, uniform in -jitter..=jitter; it does not reorder.
    pub jitter: Duration,
    /// Chance that a frame is lost.
    pub loss: f64,
    /// Frames that are lost in a row, on average (Gilbert's model: a wire that is good or bad).
    /// Default: each frame is lost for itself. `loss` stays the share of all that are lost.
    pub burst: Option<u32>,
    /// Chance that a frame overtakes those before it: it is sent at once (with no `delay`: it is
    /// held back until the next frame has passed).
    pub reorder: f64,
    /// Chance that a frame comes twice.
    pub duplicate: f64,
    /// Chance that one byte of a frame's IP packet is changed. (ARP is lost instead: Ethernet's own
    /// check sum, which frames here do not carry, would have noticed.)
    pub corrupt: f64,
    /// Bits per second of the bottleneck.
    pub rate: Option<u64>,
    /// Frames that wait for the bottleneck, at most; more are lost. Default: 1000. Without a
    /// `rate`: frames under way.
    pub queue: Option<u32>,
    /// With a `rate`: frames that find as many waiting are marked if they may be (ECN: ECT becomes
    /// CE, RFC 3168 5).
    pub mark: Option<u32>,
    /// Seed of all of this; the same seed and frames give the same fate. Default: drawn at start.
    pub seed: Option<u64>,
    /// Which frames.
    pub direction: Direction,
}

impl ImpairSpec {
    /// Whether it changes nothing.
    pub fn is_clean(&self) -> bool {
        let chance = self.loss + self.reorder + self.duplicate + self.corrupt;
        self.delay.is_zero() && self.jitter.is_zero() && chance == 0.0 && self.rate.is_none()
    }
}

/// One link, as the user wants it.
#[derive(Clone, PartialEq, Debug)]
pub struct LinkSpec {
    /// Where its frames go.
    pub device: Device,
    /// Our Ethernet address. Default: a random, locally administered one (derived from the name).
    pub mac: Option<MacAddr>,
    /// Largest IP packet, bytes. Default: the interface's; 1500 on streams.
    pub mtu: Option<u16>,
    /// File that all frames are written to, as pcapng.
    pub capture: Option<String>,
    /// What the wire does to frames.
    pub impair: ImpairSpec,
}

impl LinkSpec {
    /// A clean link.
    pub fn new(device: Device) -> LinkSpec {
        let impair = ImpairSpec::default();
        LinkSpec { device, mac: None, mtu: None, capture: None, impair }
    }

    /// Sets the option `key` (one of [`KEYS`]) as it is written on the command line.
    ///
    /// # Errors
    /// A sentence that names what is accepted.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let value = value.trim();
        let impair = &mut self.impair;
        let result = match key {
            "mac" => mac(value).map(|v| self.mac = Some(v)),
            "mtu" => number(value, 576, 65_535, "bytes").map(|v| self.mtu = Some(v as u16)),
            "capture" if value.is_empty() => Err("give the name of a file".into()),
            "capture" => {
                self.capture = Some(value.into());
                Ok(())
            }
            "delay" => duration(value).map(|v| impair.delay = v),
            "jitter" => duration(value).map(|v| impair.jitter = v),
            "loss" => chance(value).map(|v| impair.loss = v),
            "burst" => number(value, 1, 10_000, "frames").map(|v| impair.burst = Some(v as u32)),
            "reorder" => chance(value).map(|v| impair.reorder = v),
            "duplicate" => chance(value).map(|v| impair.duplicate = v),
            "corrupt" => chance(value).map(|v| impair.corrupt = v),
            "rate" => rate(value).map(|v| impair.rate = Some(v)),
            "queue" => number(value, 1, u64::from(QUEUE_MAX), "frames")
                .map(|v| impair.queue = Some(v as u32)),
            "mark" => number(value, 0, u64::from(QUEUE_MAX), "frames")
                .map(|v| impair.mark = Some(v as u32)),
            "seed" => number(value, 0, u64::MAX, "").map(|v| impair.seed = Some(v)),
            "direction" => direction(value).map(|v| impair.direction = v),
            _ => {
                let keys = KEYS.join(", ");
                return Err(format!("a link has no option {key:?}; it has {keys}"));
            }
        };
        result.map_err(|why| format!("{key}: {why}"))
    }
}

impl FromStr for LinkSpec {
    type Err = String;
    /// `packet:eth0,delay=20ms,loss=2%`. A path given like this cannot contain a comma.
    fn from_str(s: &str) -> Result<Self, String> {
        let mut parts = s.split(',');
        let mut spec = LinkSpec::new(parts.next().unwrap_or_default().parse()?);
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!(
                    "{part:?} is not an option of a link: write key=value, like delay=20ms"
                ));
            };
            spec.set(key.trim(), value)?;
        }
        Ok(spec)
    }
}

impl fmt::Display for LinkSpec {
    /// In the form of the command line; parsing it gives the same spec again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.device)?;
        if let Some(mac) = self.mac {
            write!(f, ",mac={mac}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, ",mtu={mtu}")?;
        }
        if let Some(capture) = &self.capture {
            write!(f, ",capture={capture}")?;
        }
        let i = &self.impair;
        for (key, time) in [("delay", i.delay), ("jitter", i.jitter)] {
            if !time.is_zero() {
                write!(f, ",{key}={}us", time.as_nanos() as f64 / 1000.0)?;
            }
        }
        let chances = [i.loss, i.reorder, i.duplicate, i.corrupt];
        for (key, p) in ["loss", "reorder", "duplicate", "corrupt"].iter().zip(chances) {
            if p > 0.0 {
                write!(f, ",{key}={}%", p * 100.0)?;
            }
        }
        if let Some(rate) = i.rate {
            write!(f, ",rate={rate}bit")?;
        }
        let frames = [("burst", i.burst), ("queue", i.queue), ("mark", i.mark)];
        for (key, value) in frames {
            if let Some(value) = value {
                write!(f, ",{key}={value}")?;
            }
        }
        if let Some(seed) = i.seed {
            write!(f, ",seed={seed}")?;
        }
        match i.direction {
            Direction::Both => Ok(()),
            Direction::Out => f.write_str(",direction=out"),
            Direction::In => f.write_str(",direction=in"),
        }
    }
}

fn mac(s: &str) -> Result<MacAddr, String> {
    let mac: MacAddr = s.parse().map_err(|why: &str| format!("{why}; not {s:?}"))?;
    if mac.is_multicast() || mac == MacAddr::default() {
        return Err(format!("{mac} is not the address of one station; take 02:00:00:00:00:01"));
    }
    Ok(mac)
}

fn number(s: &str, min: u64, max: u64, unit: &str) -> Result<u64, String> {
    let parsed = s.parse().ok().filter(|v| (min..=max).contains(v));
    parsed.ok_or_else(|| {
        let space = if unit.is_empty() { "" } else { " " };
        format!("{s:?} is not a whole number from {min} to {max}{space}{unit}")
    })
}

/// A number that is not negative, and the unit behind it in lower case.
fn quantity(s: &str) -> Option<(f64, Cow<'_, str>)> {
    let end = s.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(s.len());
    let (value, unit) = s.split_at(end);
    let value: f64 = value.parse().ok()?;
    Some((value, unit.trim().to_ascii_lowercase().into()))
}

fn duration(s: &str) -> Result<Duration, String> {
    let seconds = quantity(s).and_then(|(value, unit)| match &*unit {
        "" | "ms" => Some(value / 1e3),
        "s" => Some(value),
        "us" => Some(value / 1e6),
        "ns" => Some(value / 1e9),
        _ => None,
    });
    let Some(seconds) = seconds else {
        return Err(format!("{s:?} is not a time; write it like 20ms, 500us or 1.5s"));
    };
    // Rounded to whole nanoseconds.
    let nanos = (seconds * 1e9).round().min(1e18) as u64;
    Some(Duration::from_nanos(nanos))
        .filter(|d| *d <= DELAY_MAX)
        .ok_or_else(|| format!("{s} is more than the {} seconds allowed", DELAY_MAX.as_secs()))
}

fn chance(s: &str) -> Result<f64, String> {
    quantity(s)
        .filter(|(value, unit)| (0.0..=100.0).contains(value) && matches!(&**unit, "" | "%"))
        .map(|(value, _)| value / 100.0)
        .ok_or_else(|| format!("{s:?} is not a chance; write it in percent, 0% to 100%, like 2%"))
}

fn rate(s: &str) -> Result<u64, String> {
    let bits = quantity(s).and_then(|(value, unit)| match &*unit {
        "" | "bit" => Some(value),
        "k" | "kbit" => Some(value * 1e3),
        "m" | "mbit" => Some(value * 1e6),
        "g" | "gbit" => Some(value * 1e9),
        _ => None,
    });
    bits.filter(|bits| (1e3..=1e12).contains(bits)).map(|bits| bits as u64).ok_or_else(|| {
        format!("{s:?} is not a rate; write it like 10Mbit, 512kbit or 1Gbit (1kbit to 1000Gbit)")
    })
}

fn direction(s: &str) -> Result<Direction, String> {
    match s {
        "out" => Ok(Direction::Out),
        "in" => Ok(Direction::In),
        "both" => Ok(Direction::Both),
        _ => Err(format!("{s:?} is not a direction: out (what we send), in or both")),
    }
}

/// A value of a `[[link]]` table: a string or a number, put back into the text that the command
/// line would have.
struct Text(String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }
            fn visit_str<E>(self, v: &str) -> Result<Text, E> {
                Ok(Text(v.into()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Text, E> {
                Ok(Text(v.to_string()))
            }
        }
        d.deserialize_any(Visitor)
    }
}

impl<'de> serde::Deserialize<'de> for LinkSpec {
    /// A string as on the command line, or a table with `device` and any of [`KEYS`]. Can be used
    /// with `#[serde(flatten)]` in a table that has more keys.
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = LinkSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a link: device = {DEVICES}, and its options")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<LinkSpec, E> {
                v.parse().map_err(E::custom)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<LinkSpec, A::Error> {
                use serde::de::Error;
                let mut device = None;
                let mut options = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key != "device" && !KEYS.contains(&key.as_str()) {
                        let keys = KEYS.join(", ");
                        return Err(A::Error::custom(format!(
                            "a link has no key {key:?}; it has device, {keys}"
                        )));
                    }
                    let value = map.next_value::<Text>()?.0;
                    if key == "device" {
                        device = Some(value);
                    } else {
                        options.push((key, value));
                    }
                }
                let missing = || A::Error::custom(format!("a link needs device = {DEVICES}"));
                let mut spec: LinkSpec =
                    device.ok_or_else(missing)?.parse().map_err(A::Error::custom)?;
                for (key, value) in options {
                    spec.set(&key, &value).map_err(A::Error::custom)?;
                }
                Ok(spec)
            }
        }
        d.deserialize_any(Visitor)
    }
}

#[cfg(test)]
#[path = "link_spec_tests.rs"]
mod tests;
