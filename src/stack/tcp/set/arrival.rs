//! A segment for an address at which a listener may be.
use crate::base::{FourTuple, Instant};
use crate::stack::tcp::SegmentMeta;
use crate::stack::tcp::words::Segment;

/// A segment and where it belongs.
pub(crate) struct Arrival<'a> {
    pub now: Instant,
    pub meta: &'a SegmentMeta,
    pub tuple: FourTuple,
    pub segment: &'a Segment<'a>,
}
