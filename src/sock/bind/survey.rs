//! The kernel's list of names, asked about one bind.
use super::conflict::{Bound, Survey};
use crate::host::unix_diag::{self, CLOSED, ESTABLISHED, LISTENING};
use crate::host::{Errno, private_table};
use crate::protocol::name::{NetId, Transport};

/// Looks at everything that is bound in `net` with `wanted` in mind. If the kernel's list cannot be
/// read (neither netlink nor `/proc`), nothing is seen, and only equal names will exclude each
/// other.
pub fn survey(net: NetId, wanted: Bound, transport: Transport) -> Result<Survey, Errno> {
    let mut survey = Survey::new(wanted, transport)?;
    // A stream socket that is connected is no listener, and there may be many.
    let (kind, states): (_, &[u8]) = match transport {
        Transport::Tcp => (libc::SOCK_STREAM, &[CLOSED, LISTENING]),
        _ => (libc::SOCK_DGRAM, &[CLOSED, ESTABLISHED]),
    };
    let mut look = || {
        unix_diag::each(states, |entry| {
            if entry.kind == kind
                && let Some(bound) = Bound::from_name(entry.name, net, transport, entry.uid)
            {
                survey.see(&bound);
            }
        })
    };
    if matches!(look(), Err(Errno::MFILE | Errno::NFILE)) {
        let _ = private_table::run(-1, look);
    }
    Ok(survey)
}
