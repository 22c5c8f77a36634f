//! State that does not fit in the tag.
use super::object::Sock;
use crate::host::Errno;

/// Copies the annex of `from` to `to`, which has none yet.
pub fn copy(_from: &Sock, _to: &mut Sock) -> Result<(), Errno> {
    Ok(())
}
