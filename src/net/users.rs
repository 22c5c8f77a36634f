//! The value of `users` in a net's file.
use core::fmt;
use serde::Deserialize;

/// `users = "any"` or a list of uids.
pub(super) enum RawUsers {
    /// Everyone.
    Any,
    /// These.
    Only(Vec<u32>),
}

impl<'de> Deserialize<'de> for RawUsers {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = RawUsers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"any\" or a list of uids, like [1000, 1001]")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<RawUsers, E> {
                match v {
                    "any" => Ok(RawUsers::Any),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(v), &self)),
                }
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<RawUsers, A::Error> {
                let mut list = Vec::new();
                while let Some(uid) = seq.next_element()? {
                    list.push(uid);
                }
                Ok(RawUsers::Only(list))
            }
        }
        d.deserialize_any(Visitor)
    }
}
