//! Seeded randomness. The core draws from a generator that it was given a seed for, so that a run
//! can be replayed; nothing here asks the system for entropy.
use core::hash::Hasher;
use siphasher::sip::SipHasher24;

/// A small seeded generator for choices that need no secrecy (jitter, simulated loss).
#[derive(Clone, Debug)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The same seed gives the same sequence.
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
    /// Uniform over all 64-bit values.
    pub fn u64(&mut self) -> u64 {
        self.0.u64(..)
    }
    /// Uniform in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.u64(..bound) }
    }
    /// True with probability `p` (0.0 never, 1.0 always).
    pub fn chance(&mut self, p: f64) -> bool {
        self.0.f64() < p
    }
}

/// A keyed hash (SipHash-2-4) for values that an outsider must not predict: initial sequence
/// numbers (RFC 6528), ephemeral ports (RFC 6056), challenge ACK jitter, hash tables.
#[derive(Clone)]
pub struct Secret([u8; 16]);

impl Secret {
    /// From 16 bytes of entropy that the caller drew.
    pub const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }
    /// The keyed hash of `value`.
    pub fn hash<T: core::hash::Hash>(&self, value: &T) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        value.hash(&mut hasher);
        hasher.finish()
    }
    /// SipHash-2-4 of these very bytes, as others compute it (`hash` adds marks of its own).
    pub fn hash_bytes(&self, bytes: &[u8]) -> u64 {
        SipHasher24::new_with_key(&self.0).hash(bytes)
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}
