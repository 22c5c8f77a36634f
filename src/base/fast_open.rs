//! The keys with which servers make the cookies of fast open (RFC 7413 4.1.2).
use core::fmt;

/// Bytes of a key.
const LEN: usize = 16;

/// One key, or two while they are being changed (Linux `TCP_FASTOPEN_KEY`, `tcp_fastopen_key`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FastOpenKeys {
    /// Cookies are made with this one.
    pub active: [u8; LEN],
    /// Cookies that were made with this one are still good.
    pub backup: Option<[u8; LEN]>,
}

impl FastOpenKeys {
    /// The most bytes that they are in one piece.
    pub const LEN_MAX: usize = 2 * LEN;

    /// From 16 bytes, or 32: the active one first.
    pub fn from_bytes(bytes: &[u8]) -> Option<FastOpenKeys> {
        let (active, rest) = bytes.split_first_chunk()?;
        let backup = match rest {
            [] => None,
            rest => Some(rest.try_into().ok()?),
        };
        Some(FastOpenKeys { active: *active, backup })
    }

    /// 16 or 32 bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.active.to_vec();
        bytes.extend(self.backup.iter().flatten());
        bytes
    }
}

impl fmt::Debug for FastOpenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FastOpenKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two() {
        let bytes: Vec<u8> = (0..33).collect();
        for len in 0..=33 {
            let keys = FastOpenKeys::from_bytes(&bytes[..len]);
            assert_eq!(keys.is_some(), len == 16 || len == 32, "{len}");
            if let Some(keys) = keys {
                assert_eq!(keys.to_bytes(), bytes[..len]);
                assert_eq!(format!("{keys:?}"), "FastOpenKeys(..)");
            }
        }
    }
}
