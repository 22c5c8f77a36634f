//! Which net this process is in.
use crate::net::brief::Brief;
use std::sync::OnceLock;

/// The process's net.
pub fn current() -> &'static Brief {
    static BRIEF: OnceLock<Brief> = OnceLock::new();
    BRIEF.get_or_init(Brief::local)
}
