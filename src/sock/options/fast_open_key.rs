//! `TCP_FASTOPEN_KEY`: the keys of a listener's cookies (RFC 7413 4.1.2). They lie in the extra
//! state, and the engine obeys them.
use super::keep_words;
use crate::base::FastOpenKeys;
use crate::host::{Errno, usermem::UserSlice};
use crate::sock::descriptor::extra::{Key, SocketExtra};
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::socket::Socket;
use libc::{IPPROTO_TCP, TCP_FASTOPEN_KEY};

/// Where they are in the extra state.
pub fn key() -> Option<Key> {
    Key::option(IPPROTO_TCP, TCP_FASTOPEN_KEY)
}

/// The keys of a socket, if it has any of its own.
pub fn of(sock: &Socket) -> Option<FastOpenKeys> {
    if !sock.has(SocketFlags::EXTRA) {
        return None;
    }
    let (mut bytes, mut len) = ([0; FastOpenKeys::LEN_MAX], 0);
    let mut extra = SocketExtra::new();
    extra.read_one(sock, key()?);
    for word in extra.get(key()?)?.iter() {
        bytes.get_mut(len..len + 4)?.copy_from_slice(&word.to_ne_bytes());
        len += 4;
    }
    FastOpenKeys::from_bytes(&bytes[..len])
}

/// setsockopt(2): one key of 16 bytes, or an active one and an older one. Whoever sets a listener's
/// tells the engine.
pub fn set(sock: &mut Socket, value: UserSlice) -> Result<(), Errno> {
    let mut bytes = [0; FastOpenKeys::LEN_MAX];
    if value.len() > bytes.len() {
        return Err(Errno::INVAL);
    }
    let bytes = &mut bytes[..value.len()];
    if FastOpenKeys::from_bytes(bytes).is_none() {
        return Err(Errno::INVAL);
    }
    value.read(bytes)?;
    let mut words = [0; FastOpenKeys::LEN_MAX / 4];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    keep_words(sock, IPPROTO_TCP, TCP_FASTOPEN_KEY, &words[..bytes.len() / 4])
}

/// getsockopt(2): the socket's own keys, or nothing.
pub fn get(sock: &Socket, value: UserSlice) -> Result<usize, Errno> {
    let Some(keys) = of(sock) else { return Ok(0) };
    let written = value.write(&keys.active)?;
    match keys.backup {
        Some(backup) => Ok(written + value.skip(written).write(&backup)?),
        None => Ok(written),
    }
}
