//! From what the user wrote to an open link with its wrappers around it: the link itself, in it
//! what the wire does to frames ([`Impair`]), and outermost the recorder ([`Capture`]), which so
//! sees what a host at this end of the wire would see.
use super::{
    Link, capture::Capture, impair::Impair, packet::PacketLink, stream::StreamLink, tap::TapLink,
};
use crate::base::{Instant, time::Duration};
use crate::host::clock;
use crate::net::link_spec::{Device, LinkSpec};
use rustix::time::{ClockId, clock_gettime};
use std::io;

/// Opens a link. `identity` (the name of the net) goes into its Ethernet address, if the user gave
/// none, so that a net keeps its address when its engine is started again. `now` is the caller's
/// clock, whatever its origin.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn open(spec: &LinkSpec, identity: &str, now: Instant) -> io::Result<Box<dyn Link>> {
    let mut link = device(spec, identity, now)?;
    if !spec.impair.is_clean() {
        let seed = spec.impair.seed.unwrap_or_else(clock::random_u64);
        link = Box::new(Impair::new(link, &spec.impair, seed));
    }
    let mut link = Capture::new(link, epoch(now))?;
    if let Some(path) = &spec.capture {
        link.recorder.attach_file(path, now)?;
    }
    Ok(Box::new(link))
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

/// The time since 1970 at the origin of the caller's clock.
fn epoch(now: Instant) -> Duration {
    let wall = clock_gettime(ClockId::Realtime);
    let wall = Duration::new(wall.tv_sec.unsigned_abs(), wall.tv_nsec as u32);
    wall.saturating_sub(Duration::from_nanos(now.as_nanos()))
}
