//! Options about how fast a connection sends: `SO_MAX_PACING_RATE` and `TCP_CONGESTION`.
use super::{keep, keep_words, kept, wire};
use crate::base::congestion;
use crate::host::{Errno, usermem::UserSlice};
use crate::protocol::option::OptionKind;
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::socket::Socket;
use crate::sock::net;
use libc::{IPPROTO_TCP, SOL_SOCKET};

/// `TCP_CA_NAME_MAX`.
const CONGESTION_SIZE: usize = 16;

/// getsockopt(2) of `SO_MAX_PACING_RATE`. The flags live in the kernel's value; the program's is
/// kept in the extra state, and told to the engine.
pub fn get_pacing_rate(sock: &Socket, value: UserSlice) -> Result<usize, Errno> {
    let key = Key::option(SOL_SOCKET, libc::SO_MAX_PACING_RATE).ok_or(Errno::NOPROTOOPT)?;
    let rate = match SocketExtra::of(sock).get(key).and_then(|value| value.array()) {
        Some([low, high]) => u64::from(low) | u64::from(high) << 32,
        _ => u64::MAX,
    };
    if value.len() >= 8 {
        return value.write(&rate.to_ne_bytes());
    }
    value.write(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes())
}

/// setsockopt(2) of it.
pub fn set_pacing_rate(mut sock: Socket, value: UserSlice) -> Result<(), Errno> {
    let rate = match value.len() {
        8.. => u64::from_ne_bytes(value.read_array()?),
        _ => match u32::from_ne_bytes(value.read_array()?) {
            u32::MAX => u64::MAX,
            rate => u64::from(rate),
        },
    };
    let words = [rate as u32, (rate >> 32) as u32];
    keep_words(&mut sock, SOL_SOCKET, libc::SO_MAX_PACING_RATE, &words)?;
    wire::tell(&sock, OptionKind::MaxPacingRate, u32::try_from(rate).unwrap_or(u32::MAX))
}

/// The name of the congestion control, as Linux writes it: 16 bytes.
pub fn congestion_name(sock: &Socket) -> [u8; CONGESTION_SIZE] {
    let set = kept(sock, IPPROTO_TCP, libc::TCP_CONGESTION);
    let set = set.and_then(|code| congestion::of_code(code as u32));
    let name = set.or(net::current().congestion).unwrap_or(congestion::DEFAULT);
    let mut bytes = [0; CONGESTION_SIZE];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

/// setsockopt(2) of `TCP_CONGESTION`.
pub fn set_congestion(mut sock: Socket, value: UserSlice) -> Result<(), Errno> {
    let mut bytes = [0; CONGESTION_SIZE];
    let value = value.first(CONGESTION_SIZE - 1);
    if value.is_empty() {
        return Err(Errno::INVAL);
    }
    let len = value.read(&mut bytes)?;
    let name = bytes[..len].split(|b| *b == 0).next().unwrap_or_default();
    let name = core::str::from_utf8(name).ok().and_then(congestion::find).ok_or(Errno::NOENT)?;
    let code = congestion::code(name);
    keep(&mut sock, IPPROTO_TCP, libc::TCP_CONGESTION, code as i32)?;
    wire::tell(&sock, OptionKind::Congestion, code)
}
