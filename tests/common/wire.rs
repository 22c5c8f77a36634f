//! Hosts joined by a wire.
