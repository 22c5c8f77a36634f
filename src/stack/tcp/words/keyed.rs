//! The hash of every table whose keys come from the network.
use crate::base::rng::Secret;
use core::hash::BuildHasher;
use siphasher::sip::SipHasher13;

/// A hasher that an outsider cannot aim at (design 8).
#[derive(Clone, Debug)]
pub(crate) struct Keyed(u64, u64);

impl Keyed {
    pub fn new(secret: &Secret) -> Keyed {
        Keyed(secret.hash(&"table, first half"), secret.hash(&"table, second half"))
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}
