//! Ethernet addresses of our own, for links that were not given one.
use crate::base::{MacAddr, rng::Secret};
use rustix::fs::{Mode, OFlags};

/// A locally administered address that depends on `parts` and on this boot of this machine: an
/// engine that is started again has the address that its neighbours still remember, and two
/// machines with nets of the same name on one wire do not collide.
pub(super) fn derive(parts: &[&[u8]]) -> MacAddr {
    // Not a secret: a key only because the hash wants one.
    let hash = Secret::new(*b"understudy's mac").hash(&(parts, boot_id()));
    let [a, b, c, d, e, f, ..] = hash.to_be_bytes();
    // IEEE 802-2014 8.4: second bit for "local", lowest bit clear for "one station".
    MacAddr([a & 0xfc | 0x02, b, c, d, e, f])
}

/// Zeros where it cannot be read.
fn boot_id() -> [u8; 36] {
    let mut id = [0; 36];
    let path = "/proc/sys/kernel/random/boot_id";
    if let Ok(file) = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::read(file, &mut id);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_distinct_and_local() {
        let mac = derive(&[b"net", b"eth0"]);
        assert_eq!(mac, derive(&[b"net", b"eth0"]));
        assert_ne!(mac, derive(&[b"ne", b"teth0"]));
        assert_eq!(mac.0[0] & 3, 2);
    }
}
