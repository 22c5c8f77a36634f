//! `understudy lab record`: ladders and charts of live connections.
//!
//! The engine captures frames into a socket, as for `understudy capture`; besides, it is asked for
//! a snapshot every few milliseconds, which holds the variables of each connection. Both together
//! make the pictures when the time is over or the command has ended.
use crate::advice::advice;
use crate::control::{self, Control};
use crate::nets::{NetArgs, Wanted};
use crate::{engine, lab_show, library, nets, signals};
use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, pcap::PcapReader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use understudy::base::FourTuple;
use understudy::lab::live::{self, Connection, Frame, Shot};
use understudy::lab::trace::Show;
use understudy::net::Brief;
use understudy::protocol::request::Request;
use understudy::wire::ethernet;

const EXAMPLES: &str = "\
Examples:
  understudy lab record --net web --seconds 5 --out pictures
  understudy lab record --pcap trace.pcapng
  understudy lab record --link packet:eth0 --addr 10.0.0.2/24 -- curl http://10.0.0.9/";

/// Arguments of `lab record`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    net: NetArgs,
    /// Read a capture (pcapng or pcap) instead
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// How long, if there is no command to wait for
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Time between two samples of the connections' variables, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10.0)]
    every: f64,
    /// Draw this connection, by its number in the list (default: the one with the most bytes)
    #[arg(long, value_name = "N")]
    connection: Option<usize>,
    /// Segments in the ladder, at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    most: usize,
    /// Write the pictures here, as SVG and PNG
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Sequence numbers as on the wire
    #[arg(long)]
    absolute: bool,
    /// Windows too
    #[arg(long)]
    windows: bool,
    /// A command, to be recorded while it runs
    #[arg(value_name = "CMD", last = true)]
    command: Vec<OsString>,
}

/// Bytes of a capture that are kept.
const CAPTURE_MAX: usize = 256 << 20;
/// How long to wait for the rest of a capture after the engine was told to end.
const REST: Duration = Duration::from_secs(2);

/// `understudy lab record`.
pub fn main(args: Args) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    let (bytes, shots) = match &args.pcap {
        Some(path) => {
            let bytes = std::fs::read(path);
            (bytes.with_context(|| format!("{} cannot be read", path.display()))?, Vec::new())
        }
        None if args.command.is_empty() => watch(&args)?,
        None => {
            let (recorded, code) = around(&args)?;
            status = code;
            recorded
        }
    };
    let frames = frames(&bytes)?;
    let mut found = live::connections(&frames);
    found.retain(|c| c.segments() > 0);
    draw(&args, &found, &shots)?;
    Ok(status)
}

/// Lists the connections and draws one.
fn draw(args: &Args, found: &[Connection], shots: &[Shot]) -> Result<()> {
    let most = found
        .iter()
        .enumerate()
        .max_by_key(|(n, c)| (c.bytes.0 + c.bytes.1, c.segments(), usize::MAX - n));
    let Some((largest, _)) = most else {
        let next = "only what goes over a link is seen; give it more time with --seconds";
        return Err(advice("no TCP segment was captured", next));
    };
    let chosen = args.connection.map_or(largest, |n| n.saturating_sub(1));
    let Some(connection) = found.get(chosen) else {
        let what = format!("there is no connection {}", chosen + 1);
        return Err(advice(what, format!("there are {}", found.len())));
    };
    let show = Show { absolute: args.absolute, windows: args.windows, most: args.most };
    let report = live::report(connection, shots, "record", show);
    lab_show::show(&report);
    say!("Connections\n");
    for (n, c) in found.iter().enumerate() {
        let mark = if n == chosen { '*' } else { ' ' };
        let (there, back) = c.bytes;
        let (client, server, count) = (c.client, c.server, c.segments());
        say!("{mark} {:3} {client} > {server}: {count} segments, {there} > {back} bytes", n + 1);
    }
    match &args.out {
        Some(dir) => lab_show::write(dir, &report.pictures),
        None => Ok(()),
    }
}

type Recorded = (Vec<u8>, Vec<Shot>);

/// A net that is up, for some seconds.
fn watch(args: &Args) -> Result<Recorded> {
    let (brief, _) = control::pick(args.net.net.as_deref())?;
    let recorder = Recorder::start(&brief, args)?;
    let time = Duration::from_secs_f64(args.seconds.clamp(0.01, 3600.0));
    eprintln!("recording net {} for {:.1} s", brief.name, time.as_secs_f64());
    std::thread::sleep(time);
    recorder.stop.store(true, Ordering::Relaxed);
    recorder.join()
}

/// A command, in a net of its own or one that is up.
fn around(args: &Args) -> Result<(Recorded, ExitCode)> {
    let library = library::find()?;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    let (brief, engine) = match args.net.wanted()? {
        Wanted::Local => {
            let what = "the net local has no link: its programs are joined directly";
            return Err(advice(what, "give it one: --link SPEC --addr CIDR, or --net NAME"));
        }
        Wanted::Running(brief) => (brief, None),
        Wanted::New { text, config } => {
            let file = args.net.net.as_deref().unwrap_or("command line");
            let engine = engine::spawn(&text, &config.name, file, false)?;
            (config.brief(nets::uid()), Some(engine))
        }
    };
    library::preload(&mut command, &library, &brief);
    let recorder = Recorder::start(&brief, args)?;
    let forwarder = signals::Forwarder::new()?;
    let name = args.command[0].to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("{name} cannot be run"))?;
    forwarder.forward_to(&child)?;
    let status = child.wait()?;
    // What the command has left behind is still delivered, and recorded.
    match engine {
        Some(engine) => engine.end()?,
        None => recorder.await_rest(),
    }
    recorder.stop.store(true, Ordering::Relaxed);
    let code = ExitCode::from(status.code().unwrap_or(255) as u8);
    Ok((recorder.join()?, code))
}

/// Threads that collect frames and samples.
struct Recorder {
    stop: Arc<AtomicBool>,
    /// The programs have ended; then one word comes when nothing of theirs is under way any more.
    ended: Arc<AtomicBool>,
    rest: Receiver<()>,
    frames: std::thread::JoinHandle<Vec<u8>>,
    shots: std::thread::JoinHandle<Vec<Shot>>,
}

impl Recorder {
    fn start(brief: &Brief, args: &Args) -> Result<Recorder> {
        let control = control::reach(brief)?;
        let flags = SocketFlags::CLOEXEC;
        let (reader, writer) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let _ = sockopt::set_socket_send_buffer_size(&writer, 4 << 20);
        control.order_with(&Request::Capture, Some(writer.as_fd())).map_err(|e| match e {
            Errno::OPNOTSUPP => advice(
                format!("net {} has no link that is up", brief.name),
                "frames between its own programs never reach a link",
            ),
            other => anyhow::Error::from(other).context("the engine cannot capture"),
        })?;
        drop(writer);
        let stop = Arc::new(AtomicBool::new(false));
        let (a, b) = (stop.clone(), stop.clone());
        let ended = Arc::new(AtomicBool::new(false));
        let (tell, rest) = crossbeam_channel::bounded(1);
        let watch = Watch { ended: ended.clone(), tell };
        let every = Duration::from_secs_f64(args.every.clamp(1.0, 10_000.0) / 1e3);
        Ok(Recorder {
            stop,
            ended,
            rest,
            frames: std::thread::spawn(move || collect(&reader, &a)),
            shots: std::thread::spawn(move || sample(&control, every, &b, &watch)),
        })
    }

    /// Waits, at most [`REST`], until no connection that has lost its program waits for its other
    /// end.
    fn await_rest(&self) {
        self.ended.store(true, Ordering::Relaxed);
        // After that time, or if the engine has ended, what there is will do.
        let _ = self.rest.recv_timeout(REST);
    }

    fn join(self) -> Result<Recorded> {
        let gone = || anyhow::anyhow!("the recorder has failed");
        Ok((self.frames.join().map_err(|_| gone())?, self.shots.join().map_err(|_| gone())?))
    }
}

/// The capture, until its end, or until nothing more comes after `stop`.
fn collect(reader: &OwnedFd, stop: &AtomicBool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 256 << 10];
    let mut stopped_at = None;
    while bytes.len() < CAPTURE_MAX {
        if stop.load(Ordering::Relaxed) {
            stopped_at.get_or_insert_with(Instant::now);
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let mut fds = [PollFd::new(reader, PollFlags::IN)];
        let ready = match poll(&mut fds, Some(&wait)) {
            Ok(0) => false,
            Ok(_) => true,
            Err(Errno::INTR) => continue,
            Err(_) => break,
        };
        if stopped_at.is_some_and(|at: Instant| !ready || at.elapsed() > REST) {
            break;
        }
        if ready {
            match rustix::io::read(reader, &mut buffer) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
    bytes
}

/// How the samples tell that nothing is under way any more.
struct Watch {
    ended: Arc<AtomicBool>,
    tell: Sender<()>,
}

/// The variables of all connections, again and again.
fn sample(control: &Control, every: Duration, stop: &AtomicBool, watch: &Watch) -> Vec<Shot> {
    let mut shots = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let ended = watch.ended.load(Ordering::Relaxed);
        // The engine may have ended before us.
        let Ok(snapshot) = control.snapshot() else { break };
        let over = ["TIME-WAIT", "FIN-WAIT-2", "UNCONN"];
        let mut all = snapshot.connections.iter();
        if ended && !all.any(|c| c.pid == 0 && !over.contains(&&*c.state)) {
            // A word that waits to be heard already says the same.
            let _ = watch.tell.try_send(());
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for connection in snapshot.connections {
            let tuple = FourTuple { local: connection.local, remote: connection.remote };
            if let Some(info) = connection.info {
                shots.push(Shot { at, tuple, info });
            }
        }
        std::thread::sleep(every);
    }
    shots
}

/// The IP packets of a capture in either format.
fn frames(bytes: &[u8]) -> Result<Vec<Frame>> {
    const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if bytes.starts_with(&PCAPNG) { pcapng(bytes) } else { pcap(bytes) }
}

fn pcapng(bytes: &[u8]) -> Result<Vec<Frame>> {
    let mut reader = PcapNgReader::new(bytes).context("the capture is damaged")?;
    let (mut links, mut frames) = (Vec::new(), Vec::new());
    // A capture that was cut off ends where it ends.
    while let Some(Ok(block)) = reader.next_block() {
        match block {
            Block::InterfaceDescription(interface) => links.push(interface.linktype),
            Block::EnhancedPacket(packet) => {
                let link = links.get(packet.interface_id as usize);
                let way = packet.options.iter().find_map(|o| match o {
                    // epb_flags, bits 0 and 1: 1 came in, 2 went out.
                    EnhancedPacketOption::Flags(flags) if flags & 3 != 0 => Some(flags & 3 == 2),
                    _ => None,
                });
                let link = link.copied().unwrap_or(DataLink::ETHERNET);
                let packet_of = ip(&packet.data, link);
                frames.extend(packet_of.map(|data| Frame {
                    at: packet.timestamp,
                    outgoing: way,
                    packet: data.to_vec(),
                }));
            }
            _ => {}
        }
    }
    Ok(frames)
}

fn pcap(bytes: &[u8]) -> Result<Vec<Frame>> {
    let mut reader = PcapReader::new(bytes).context("neither pcapng nor pcap")?;
    let link = reader.header().datalink;
    let mut frames = Vec::new();
    while let Some(Ok(packet)) = reader.next_packet() {
        frames.extend(ip(&packet.data, link).map(|data| Frame {
            at: packet.timestamp,
            outgoing: None,
            packet: data.to_vec(),
        }));
    }
    Ok(frames)
}

/// The IP packet in a frame.
fn ip(frame: &[u8], link: DataLink) -> Option<&[u8]> {
    match link {
        DataLink::ETHERNET => {
            let (header, payload) = ethernet::Header::parse(frame).ok()?;
            matches!(header.ethertype, ethernet::IPV4 | ethernet::IPV6).then_some(payload)
        }
        // Linux "cooked" captures: 16 bytes in front.
        DataLink::LINUX_SLL => frame.get(16..),
        DataLink::NULL | DataLink::LOOP => frame.get(4..),
        _ => Some(frame),
    }
}
