//! From what the user wrote to an open link with its wrappers around it.
use super::{Link, packet::PacketLink, stream::StreamLink, tap::TapLink};
use crate::base::Instant;
use crate::net::link_spec::{Device, LinkSpec};
use std::io;

/// Opens a link. `identity` (the name of the net) goes into its Ethernet address, if the user gave
/// none, so that a net keeps its address when its engine is started again.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn open(spec: &LinkSpec, identity: &str, now: Instant) -> io::Result<Box<dyn Link>> {
    device(spec, identity, now)
}

fn device(spec: &LinkSpec, identity: &str, now: Instant) -> io::Result<Box<dyn Link>> {
    let (mac, mtu) = (spec.mac, spec.mtu);
    Ok(match &spec.device {
        Device::Packet(name) => Box::new(PacketLink::open(name, mac, mtu, identity)?),
        Device::Tap(name) => Box::new(TapLink::open(name, mac, mtu, identity)?),
        Device::Stream(path) => Box::new(StreamLink::connect(path, mac, mtu, identity, now)?),
        Device::StreamListen(path) => Box::new(StreamLink::listen(path, mac, mtu, identity)?),
    })
}
