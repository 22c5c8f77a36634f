//! Options of sockets: where their values are, and who must be told of them.
//!
//! [`table`] lists every option. What a program calls (`getsockopt`, `setsockopt`) is in
//! [`super::sockopt`], above streams and datagrams; here is what those need to know of options:
//!
//! | file | what |
//! |---|---|
//! | this one | values in the extra state |
//! | [`wire`] | what the engine is told, and what it is asked |
//! | [`rate`] | `SO_MAX_PACING_RATE` and `TCP_CONGESTION` |
//! | [`fast_open_key`] | `TCP_FASTOPEN_KEY` |
//! | [`names`] | names that the crate `libc` lacks |
pub mod fast_open_key;
pub mod names;
pub mod rate;
pub mod table;
pub mod wire;

use super::descriptor::extra::{Key, SocketExtra};
use super::descriptor::socket::Socket;
use crate::host::Errno;

/// An option that is kept in the extra state, as the program has set it.
pub fn kept(sock: &Socket, level: i32, name: i32) -> Option<i32> {
    SocketExtra::option_of(sock, level, name)
}

/// Keeps the value of an option in the extra state.
pub fn keep(sock: &mut Socket, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    SocketExtra::set_word(sock, key(level, name)?, value as u32)
}

/// The same for a value of several words.
pub fn keep_words(sock: &mut Socket, level: i32, name: i32, words: &[u32]) -> Result<(), Errno> {
    let key = key(level, name)?;
    SocketExtra::edit(sock, |extra| extra.set(key, words))
}

fn key(level: i32, name: i32) -> Result<Key, Errno> {
    Key::option(level, name).ok_or(Errno::NOPROTOOPT)
}
