//! Sizes and times as people write them in a net's file: `"256KiB"`, `"200ms"`.
use crate::base::time::Duration;
use core::fmt;
use core::str::FromStr;
use serde::Deserialize;

/// Least size of a buffer: one segment of the largest usual MTU and some.
const SIZE_MIN: usize = 4 << 10;
/// Largest (RFC 7323 2.3: a window is at most 1 GiB).
const SIZE_MAX: usize = 1 << 30;

/// A size of a buffer, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Size(pub usize);

/// A length of time, at most an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time(pub Duration);

/// A whole number and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = split(text).and_then(|(n, unit)| match unit {
            "" | "B" => Some(n),
            "KiB" | "K" | "k" => n.checked_mul(1 << 10),
            "MiB" | "M" => n.checked_mul(1 << 20),
            "GiB" | "G" => n.checked_mul(1 << 30),
            _ => None,
        });
        bytes
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| (SIZE_MIN..=SIZE_MAX).contains(n))
            .map(Size)
            .ok_or_else(|| format!("{text:?} is not a size: 4KiB to 1GiB, like 256KiB or 1MiB"))
    }
}

impl FromStr for Time {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time = split(text).and_then(|(n, unit)| match unit {
            "us" => Some(Duration::from_micros(n)),
            "ms" => Some(Duration::from_millis(n)),
            "s" => Some(Duration::from_secs(n)),
            "min" => n.checked_mul(60).map(Duration::from_secs),
            _ => None,
        });
        time.filter(|t| !t.is_zero() && *t <= Duration::from_secs(3600)).map(Time).ok_or_else(
            || format!("{text:?} is not a time: up to an hour, like 200ms, 60s or 2min"),
        )
    }
}

/// Takes a string; a size may also be a bare number of bytes.
struct Visitor(&'static str);

impl serde::de::Visitor<'_> for Visitor {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E>(self, v: &str) -> Result<String, E> {
        Ok(v.into())
    }
    fn visit_i64<E>(self, v: i64) -> Result<String, E> {
        Ok(v.to_string())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = d.deserialize_any(Visitor("a size, like \"256KiB\""))?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = d.deserialize_any(Visitor("a time, like \"200ms\""))?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
