//! Records the frames of a link, both ways, as pcapng (draft-ietf-opsawg-pcapng) to any
//! number of files and live readers, which may come and go at any time. Without any it costs a
//! branch.
//!
//! Frames are written as a wire would carry them: checksums that the link was to complete are
//! computed; super-segments stay whole (as in tcpdump), with the checksum of the whole. Times are
//! nanoseconds since 1970. A live reader that is too slow loses frames, never delays us; how many
//! is counted. Blocks are collected and written some milliseconds later, or at once when they are
//! many.
use super::finish;
use super::info::{LinkInfo, fail};
use crate::base::frame::Medium;
use crate::base::{Instant, limits, time::Duration};
use crate::host::Errno;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::SendFlags;
use std::borrow::Cow;
use std::io;

/// How long what was recorded may wait to be written.
const LATENCY: Duration = Duration::from_millis(20);
/// Collected bytes that are written at once.
const MANY: usize = 128 << 10;
/// Sinks at once.
pub(super) const SINKS_MAX: usize = 16;

/// Which way a frame went: the direction bits of `epb_flags` (pcapng 4.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    In = 1,
    Out = 2,
}

/// Names a sink of one [`Recorder`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SinkId(u64);

/// A file or a live reader that is given the recording.
struct Sink {
    id: SinkId,
    fd: OwnedFd,
    socket: bool,
    /// Not yet written.
    pending: Vec<u8>,
    /// Whole frames that were left out because `pending` was full.
    lost: u64,
    /// The reader has gone, or the disk is full.
    broken: bool,
}

impl Sink {
    fn offer(&mut self, blocks: &[u8]) {
        if self.pending.len() + blocks.len() > limits::CAPTURE_BACKLOG {
            self.lost += 1;
        } else {
            self.pending.extend_from_slice(blocks);
        }
    }

    fn flush(&mut self) {
        let mut written = 0;
        while written < self.pending.len() && !self.broken {
            let rest = &self.pending[written..];
            let result = if self.socket {
                rustix::net::send(&self.fd, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            } else {
                rustix::io::write(&self.fd, rest)
            };
            match result {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::PIPE | Errno::CONNRESET) => self.broken = true,
                Err(error) => {
                    // The disk is full, say: what is there so far is all that there will be.
                    tracing::warn!(%error, "a capture ends early: it cannot be written any more");
                    self.broken = true;
                }
            }
        }
        self.pending.drain(..written);
    }
}

/// See the module.
pub struct Recorder {
    /// The link whose frames these are.
    link: LinkInfo,
    /// Time since 1970 at `Instant::ZERO`.
    epoch: Duration,
    sinks: Vec<Sink>,
    next_id: u64,
    flush_at: Instant,
    writer: PcapNgWriter<Vec<u8>>,
    scratch: Vec<u8>,
    /// Sinks that failed, and frames left out for those that are gone.
    broken: u64,
    lost: u64,
}

impl Recorder {
    /// For `link`. `epoch` is the time since 1970 at `Instant::ZERO`.
    pub(super) fn new(link: LinkInfo, epoch: Duration) -> io::Result<Recorder> {
        let writer = header(&link).map_err(not_possible)?;
        Ok(Recorder {
            link,
            epoch,
            sinks: Vec::new(),
            next_id: 0,
            flush_at: Instant::FAR_FUTURE,
            writer,
            scratch: Vec::new(),
            broken: 0,
            lost: 0,
        })
    }

    /// Records to `fd` from now on: a stream socket, whose reader may be slow, or a plain file.
    /// Never a pipe: when its reader goes, the signal would hit the program that we are in.
    ///
    /// # Errors
    /// A sentence, if it is something else or there are too many already.
    pub fn attach(&mut self, fd: OwnedFd, now: Instant) -> io::Result<SinkId> {
        let mode = rustix::fs::fstat(&fd)?.st_mode;
        let socket = match FileType::from_raw_mode(mode) {
            FileType::Socket => true,
            FileType::RegularFile => false,
            _ => {
                let why = "a capture goes to a file or a unix socket, nothing else";
                return Err(fail(io::ErrorKind::InvalidInput, why));
            }
        };
        if self.sinks.len() >= SINKS_MAX {
            let why = format!("there are {SINKS_MAX} captures of this link already; end one");
            return Err(fail(io::ErrorKind::ResourceBusy, why));
        }
        let pending = header(&self.link).map_err(not_possible)?.into_inner();
        let id = SinkId(self.next_id);
        self.next_id += 1;
        self.sinks.push(Sink { id, fd, socket, pending, lost: 0, broken: false });
        self.flush_at = now;
        self.flush(now);
        Ok(id)
    }

    /// Records to a new file at `path` from now on.
    ///
    /// # Errors
    /// A sentence, if it cannot be made.
    pub fn attach_file(&mut self, path: &str, now: Instant) -> io::Result<SinkId> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        let fd = rustix::fs::open(path, flags, mode).map_err(|error| {
            let error = io::Error::from(error);
            fail(error.kind(), format!("capture={path}: cannot be written: {error}"))
        })?;
        self.attach(fd, now)
    }

    /// Ends a recording; how many frames it lacks. `None` if it has ended already.
    pub fn detach(&mut self, id: SinkId) -> Option<u64> {
        let at = self.sinks.iter().position(|sink| sink.id == id)?;
        let mut sink = self.sinks.swap_remove(at);
        sink.flush();
        self.lost += sink.lost;
        Some(sink.lost)
    }

    /// Whether this recording still goes on: its reader is there.
    pub fn is_attached(&self, id: SinkId) -> bool {
        self.sinks.iter().any(|sink| sink.id == id)
    }

    /// Writes what has been collected.
    pub fn flush(&mut self, now: Instant) {
        self.sinks.iter_mut().for_each(Sink::flush);
        for sink in self.sinks.iter().filter(|sink| sink.broken) {
            self.broken += 1;
            self.lost += sink.lost;
        }
        self.sinks.retain(|sink| !sink.broken);
        let waits = self.sinks.iter().any(|sink| !sink.pending.is_empty());
        self.flush_at = if waits { now + LATENCY } else { Instant::FAR_FUTURE };
    }

    /// Whether nothing is recorded.
    pub(super) fn is_idle(&self) -> bool {
        self.sinks.is_empty()
    }

    /// When what was collected is to be written, if anything was.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.flush_at).filter(|at| *at != Instant::FAR_FUTURE)
    }

    /// Frames that recordings lack, and recordings that failed; nothing if there never was one.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        if self.next_id == 0 {
            return Vec::new();
        }
        let lost = self.lost + self.sinks.iter().map(|sink| sink.lost).sum::<u64>();
        vec![("capture_lost", lost), ("capture_broken", self.broken)]
    }

    /// Collects one frame. `unfinished`: the link was to complete its checksum.
    pub(super) fn record(&mut self, now: Instant, way: Way, frame: &[u8], unfinished: bool) {
        let mut data = frame;
        if unfinished {
            self.scratch.clear();
            self.scratch.extend_from_slice(frame);
            finish::complete_checksum(&mut self.scratch, self.link.medium);
            data = &self.scratch;
        }
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.epoch + Duration::from_nanos(now.as_nanos()),
            original_len: data.len() as u32,
            data: Cow::Borrowed(data),
            options: vec![EnhancedPacketOption::Flags(way as u32)],
        };
        self.writer.get_mut().clear();
        if self.writer.write_pcapng_block(block).is_ok() {
            for sink in &mut self.sinks {
                sink.offer(self.writer.get_ref());
            }
        }
        self.flush_at = self.flush_at.min(now + LATENCY);
    }

    /// Writes what has been collected if it is time, or if it is much.
    pub(super) fn flush_if_due(&mut self, now: Instant) {
        let many = self.sinks.iter().any(|sink| sink.pending.len() >= MANY);
        if many || now >= self.flush_at {
            self.flush(now);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.sinks.iter_mut().for_each(Sink::flush);
    }
}

/// A writer that has written what a file begins with: one section, one interface.
fn header(info: &LinkInfo) -> Result<PcapNgWriter<Vec<u8>>, PcapError> {
    let mut writer = PcapNgWriter::new(Vec::new())?;
    let linktype = match info.medium {
        Medium::Ethernet => DataLink::ETHERNET,
        Medium::Ip => DataLink::RAW,
    };
    let mut options = vec![
        InterfaceDescriptionOption::IfName(Cow::Owned(info.name.clone())),
        // Ten to the minus ninth of a second.
        InterfaceDescriptionOption::IfTsResol(9),
    ];
    if let Some(mac) = info.mac {
        options.push(InterfaceDescriptionOption::IfMacAddr(Cow::Owned(mac.0.to_vec())));
    }
    writer.write_pcapng_block(InterfaceDescriptionBlock { linktype, snaplen: 0, options })?;
    Ok(writer)
}

fn not_possible(error: PcapError) -> io::Error {
    fail(io::ErrorKind::Other, format!("no pcapng header: {error}"))
}
