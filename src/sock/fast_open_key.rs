//! `TCP_FASTOPEN_KEY`: the keys of a listener's cookies (RFC 7413 4.1.2). They lie in the annex,
//! and the engine obeys them.
use super::annex::{Annex, Key};
use super::listen;
use super::object::Sock;
use super::options;
use super::tag::Tag;
use crate::base::FastOpenKeys;
use crate::host::{Errno, usermem::UserSlice};
use libc::{IPPROTO_TCP, TCP_FASTOPEN_KEY};

fn key() -> Option<Key> {
    Key::option(IPPROTO_TCP, TCP_FASTOPEN_KEY)
}

/// The keys of a socket, if it has any of its own.
pub fn of(sock: &Sock) -> Option<FastOpenKeys> {
    if !sock.has(Tag::ANNEX) {
        return None;
    }
    let annex = Annex::of(sock);
    let words = annex.get(key()?)?.iter();
    FastOpenKeys::from_bytes(&words.flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>())
}

/// setsockopt(2): one key of 16 bytes, or an active one and an older one.
pub fn set(mut sock: Sock, value: UserSlice) -> Result<(), Errno> {
    let mut bytes = [0; FastOpenKeys::LEN_MAX];
    if value.len() > bytes.len() {
        return Err(Errno::INVAL);
    }
    let bytes = &mut bytes[..value.len()];
    if FastOpenKeys::from_bytes(bytes).is_none() {
        return Err(Errno::INVAL);
    }
    value.read(bytes)?;
    let mut words = Vec::with_capacity(bytes.len() / 4);
    for word in bytes.chunks_exact(4) {
        words.push(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    options::keep(&mut sock, IPPROTO_TCP, TCP_FASTOPEN_KEY, &words)?;
    if sock.has(Tag::LISTENING) {
        listen::options_changed(&sock);
    }
    Ok(())
}

/// getsockopt(2): the socket's own keys, or nothing.
pub fn get(sock: &Sock, value: UserSlice) -> Result<usize, Errno> {
    match of(sock) {
        Some(keys) => value.write(&keys.to_bytes()),
        None => Ok(0),
    }
}

/// What is accepted has none (Linux `inet_csk_clone_lock`).
pub fn forget(sock: &mut Sock) -> Result<(), Errno> {
    let Some(key) = key() else { return Ok(()) };
    let mut annex = Annex::of(sock);
    if annex.get(key).is_none() {
        return Ok(());
    }
    annex.remove(key);
    annex.store(sock)
}
