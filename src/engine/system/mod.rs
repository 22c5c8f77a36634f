//! What the engine takes from the system, and two containers. Nothing here knows connections,
//! datagrams or requests.
//!
//! | file | what |
//! |---|---|
//! | `slab` | a table whose handles are never mistaken for those of an earlier entry |
//! | `timers` | the engine's own deadlines |
//! | `poller` | epoll, what its events are about, and the clock |
//! | `unix` | unix sockets with names of the net |
//! | `socket_diag` | what the kernel knows of a unix socket and the socket does not show |
//! | `brief_file` | the file by which programs find the net |
pub mod brief_file;
pub mod poller;
pub mod slab;
pub mod socket_diag;
pub mod timers;
pub mod unix;
