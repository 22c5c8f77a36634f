//! What every link is: a way for frames in both directions.
use super::info::LinkInfo;
use super::recorder::Recorder;
use crate::base::Instant;
use crate::base::frame::{RxChecksum, TxFrame};
use std::os::fd::BorrowedFd;

/// One frame that came in.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame<'a> {
    /// The whole frame, as [`TxFrame::bytes`].
    pub bytes: &'a [u8],
    /// What the link knows of its checksum.
    pub checksum: RxChecksum,
    /// If not 0: TCP segments of this many payload bytes each that came merged into one (GRO, or a
    /// neighbour's TSO). The stack may take the frame as it is; wrappers that treat frames one by
    /// one cut it again.
    pub gso_size: u16,
}

/// What became of a frame handed to [`Link::send`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// Taken.
    Yes,
    /// The link is full: hold the frame, wait until `fd` is writable (or `deadline`), then try
    /// again.
    Full,
}

/// A way for frames, not blocking. Errors of a single frame are counted, not returned; an `Err`
/// means that the link is gone.
pub trait Link: Send {
    /// What it is.
    fn info(&self) -> &LinkInfo;
    /// What to poll for input and, after [`Sent::Full`], for output. `None` for links without a
    /// file. It can become another file, or none, in any call of `send` or `receive` (a peer of a
    /// stream went away): ask again after each. Two different files in a row never have the same
    /// number.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
    /// Takes one frame, finished as `frame.offload` says (the link promised that in
    /// `info().offload`).
    fn send(&mut self, now: Instant, frame: &TxFrame) -> std::io::Result<Sent>;
    /// Gives up to a batch of received frames to `sink`; how many. 0: nothing there now.
    fn receive(
        &mut self,
        now: Instant,
        sink: &mut dyn FnMut(RxFrame<'_>),
    ) -> std::io::Result<usize>;
    /// When it wants `receive` to be called without its file being ready (delays of `impair`,
    /// reconnection of a stream).
    fn deadline(&self) -> Option<Instant> {
        None
    }
    /// Counters for `understudy status`: name and value.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// The recorder around this link, if it has one. Links that [`open`](super::open::open) has
    /// opened have one.
    fn capture(&mut self) -> Option<&mut Recorder> {
        None
    }
}
