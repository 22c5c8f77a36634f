//! `understudy capture`: frames of a running net, as a pcapng file or as live text.
//!
//! The engine writes pcapng into a socket whose other end we hold; it stops when that is closed,
//! which also happens if this tool is killed. A slow reader loses frames; the net does not wait.
use crate::advice::advice;
use crate::control;
use crate::describe::Describer;
use anyhow::{Context, Result};
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, PcapError};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;
use understudy::protocol::request::Request;

/// Arguments of `capture`.
#[derive(clap::Args)]
pub struct Args {
    /// The net (may be left out if only one is up)
    net: Option<String>,
    /// Write pcapng to this file (- for standard output) instead of showing text
    #[arg(short, long, value_name = "FILE")]
    write: Option<String>,
    /// Stop after this many frames
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// Show sequence numbers as they are on the wire
    #[arg(short = 'S', long)]
    absolute: bool,
}

/// Longest block that is believed: a super-segment and its head.
const BLOCK_MAX: usize = 1 << 20;

/// `understudy capture [-w FILE] [NET]`.
pub fn main(args: Args) -> Result<ExitCode> {
    let (brief, control) = control::pick(args.net.as_deref())?;
    let mut sink = Sink::open(&args)?;
    // A socket and no pipe: the engine must be able to write without SIGPIPE.
    let flags = SocketFlags::CLOEXEC;
    let (reader, writer) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // Room for a burst; the kernel gives what it allows.
    let _ = sockopt::set_socket_send_buffer_size(&writer, 1 << 20);
    let stop = stop_pipe()?;
    control.order_with(&Request::Capture, Some(writer.as_fd())).map_err(|e| match e {
        Errno::PERM => advice(
            format!("only the owner of net {} and root may capture", brief.name),
            "run this as that user",
        ),
        Errno::OPNOTSUPP => advice(
            format!("net {} has no link that is up", brief.name),
            "frames between its own programs never reach a link; `understudy ss` shows those",
        ),
        other => anyhow::Error::from(other).context("the engine cannot capture"),
    })?;
    // Ours was a copy: with it open we would never see the engine's end.
    drop(writer);
    eprintln!("capturing net {}; Ctrl-C ends it", brief.name);
    let mut blocks = Blocks::default();
    let result = copy(&reader, &stop, &mut blocks, &mut sink, args.count.unwrap_or(u64::MAX));
    eprintln!("{} frames", blocks.frames);
    if let Some(path) = args.write.as_deref().filter(|p| *p != "-") {
        eprintln!("  next: wireshark {path}, or tshark -r {path}");
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// A pipe that becomes readable when the user wants to stop.
fn stop_pipe() -> Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }
    Ok(reader)
}

/// Reads of up to 256 KiB after a signal: more than the engine's socket holds.
const READS_AFTER_STOP: u32 = 64;

/// From the engine to the sink until either ends, the count is reached, or a signal comes.
fn copy(
    reader: &OwnedFd,
    stop: &OwnedFd,
    blocks: &mut Blocks,
    sink: &mut Sink,
    count: u64,
) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut after_stop = 0;
    while blocks.frames < count {
        let mut fds = [PollFd::new(reader, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let (ready, stopped) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        // What had been captured when the signal came is still taken, but a busy link must not keep
        // us for ever.
        if stopped && (!ready || after_stop == READS_AFTER_STOP) {
            break;
        }
        after_stop += u32::from(stopped);
        if !ready {
            continue;
        }
        let n = match rustix::io::read(reader, &mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        blocks.push(&buffer[..n]);
        match blocks.drain(sink, count) {
            // `understudy capture | head`.
            Err(e) if is_broken_pipe(&e) => return Ok(()),
            other => other?,
        }
    }
    sink.flush()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Where frames go.
enum Sink {
    /// The bytes as they come.
    File(Box<dyn Write>),
    /// One line each.
    Text(Text),
}

struct Text {
    describer: Describer,
    /// Link type of each interface, in order of appearance.
    links: Vec<DataLink>,
    /// Time of the first frame.
    began: Option<Duration>,
}

impl Sink {
    fn open(args: &Args) -> Result<Sink> {
        let describer = Describer::new(args.absolute);
        Ok(match args.write.as_deref() {
            None => Sink::Text(Text { describer, links: Vec::new(), began: None }),
            Some("-") => Sink::File(Box::new(std::io::stdout())),
            Some(path) => {
                let file = File::create(path);
                Sink::File(Box::new(file.with_context(|| format!("{path} cannot be written"))?))
            }
        })
    }

    fn block(&mut self, raw: &[u8], block: Option<&Block>) -> Result<()> {
        match self {
            Sink::File(file) => file.write_all(raw)?,
            Sink::Text(text) => {
                if let Some(line) = block.and_then(|b| text.line(b)) {
                    writeln!(std::io::stdout(), "{line}")?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Sink::File(file) => Ok(file.flush()?),
            Sink::Text(_) => Ok(std::io::stdout().flush()?),
        }
    }
}

impl Text {
    fn line(&mut self, block: &Block) -> Option<String> {
        match block {
            Block::InterfaceDescription(interface) => {
                self.links.push(interface.linktype);
                None
            }
            Block::EnhancedPacket(packet) => {
                let began = *self.began.get_or_insert(packet.timestamp);
                let at = packet.timestamp.saturating_sub(began).as_secs_f64();
                let ethernet = match self.links.get(packet.interface_id as usize) {
                    Some(link) => *link == DataLink::ETHERNET,
                    None => true,
                };
                let what = match ethernet {
                    true => self.describer.frame(&packet.data),
                    false => self.describer.packet(&packet.data),
                };
                let cut =
                    if packet.data.len() < packet.original_len as usize { " (cut)" } else { "" };
                Some(format!("{at:10.6} {what}{cut}"))
            }
            _ => None,
        }
    }
}

/// Cuts the stream of bytes into pcapng blocks.
#[derive(Default)]
struct Blocks {
    bytes: Vec<u8>,
    parser: Option<PcapNgParser>,
    /// Frames that have gone to the sink.
    frames: u64,
}

impl Blocks {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Hands on every block that is there completely.
    fn drain(&mut self, sink: &mut Sink, count: u64) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        while self.frames < count {
            let parsed = match self.parser.as_mut() {
                None => PcapNgParser::new(rest).map(|(after, parser)| {
                    self.parser = Some(parser);
                    (after, None)
                }),
                Some(parser) => parser.next_block(rest).map(|(after, block)| (after, Some(block))),
            };
            let (after, block) = match parsed {
                Ok(parsed) => parsed,
                Err(PcapError::IncompleteBuffer) if rest.len() < BLOCK_MAX => break,
                Err(e) => {
                    return Err(anyhow::Error::new(e).context("the engine's capture is damaged"));
                }
            };
            sink.block(&rest[..rest.len() - after.len()], block.as_ref())?;
            self.frames += u64::from(matches!(block, Some(Block::EnhancedPacket(_))));
            rest = after;
        }
        self.bytes = rest.to_vec();
        Ok(())
    }
}
