//! The tool's end of the control channel: asking a running engine.
use crate::advice::advice;
use crate::nets;
use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::net::{RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use understudy::engine::snapshot::Snapshot;
use understudy::net::Brief;
use understudy::protocol::name::{Name, NetId, Role};
use understudy::protocol::request::{PACKET_MAX, Reply, Request};

/// How long an engine may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to an engine.
pub struct Control {
    fd: OwnedFd,
    net: String,
}

/// Connects to the engine of a net. `Ok(None)`: none is running.
pub fn connect(brief: &Brief) -> Result<Option<Control>> {
    let name = Name { net: NetId(brief.id), role: Role::Control }.encode();
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let flags = SocketFlags::CLOEXEC;
    let fd = net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for timeout in [net::sockopt::Timeout::Recv, net::sockopt::Timeout::Send] {
        net::sockopt::set_socket_timeout(&fd, timeout, Some(PATIENCE))?;
    }
    match net::connect(&fd, &address) {
        Ok(()) => {}
        Err(Errno::CONNREFUSED) => return Ok(None),
        Err(e) => return Err(e).context("the engine cannot be reached"),
    }
    // Abstract names have no permissions: whoever sits there must be one of us or root.
    let peer = net::sockopt::socket_peercred(&fd)?;
    if !peer.uid.is_root() && peer.uid != rustix::process::getuid() {
        let owner = peer.uid.as_raw();
        bail!("the engine of net {} belongs to user {owner}, not to you or root", brief.name);
    }
    Ok(Some(Control { fd, net: brief.name.to_string() }))
}

/// Connects to the engine of a net, which must be there.
pub fn reach(brief: &Brief) -> Result<Control> {
    connect(brief)?.ok_or_else(|| {
        let name = &brief.name;
        if nets::lives_elsewhere(name) {
            let what = format!("net {name} is up, but in another network namespace");
            return advice(what, "go there first: `nsenter --target PID --net`, PID of its engine");
        }
        advice(format!("no engine is running for net {name}"), "start it with `understudy up FILE`")
    })
}

/// The net that is meant, and its engine: the one named, or the only one that is up.
pub fn pick(name: Option<&str>) -> Result<(Brief, Control)> {
    if let Some(name) = name {
        let brief = match nets::running(name)? {
            Some(brief) => brief,
            None if name == "local" => {
                let what = "the net local has no engine: its programs are connected directly";
                return Err(advice(what, "`understudy ss` shows its sockets"));
            }
            None => {
                let what = format!("no net named {name} is up");
                return Err(advice(what, "`understudy status` lists nets"));
            }
        };
        let control = reach(&brief)?;
        return Ok((brief, control));
    }
    let mut up = Vec::new();
    for brief in nets::all() {
        if let Some(control) = connect(&brief)? {
            up.push((brief, control));
        }
    }
    match up.len() {
        0 => Err(advice("no net with an engine is up", "start one with `understudy up FILE`")),
        1 => Ok(up.remove(0)),
        _ => {
            let names: Vec<_> = up.iter().map(|(b, _)| &*b.name).collect();
            let what = format!("several nets are up: {}", names.join(", "));
            Err(advice(what, "name the one that you mean"))
        }
    }
}

impl Control {
    /// Asks for something that is answered by an errno.
    pub fn order(&self, request: &Request) -> Result<(), Errno> {
        self.order_with(request, None)
    }

    /// The same, with a descriptor to go with it.
    pub fn order_with(&self, request: &Request, fd: Option<BorrowedFd>) -> Result<(), Errno> {
        self.send(request, fd)?;
        let mut packet = Vec::new();
        match self.receive(&mut packet)? {
            Some(Reply::Errno(0)) => Ok(()),
            Some(Reply::Errno(errno)) => Err(Errno::from_raw_os_error(i32::from(errno))),
            // Nobody who speaks our language answers otherwise.
            _ => Err(Errno::PROTO),
        }
    }

    /// Everything that the engine shows.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let text = self
            .snapshot_text()
            .with_context(|| format!("the engine of net {} does not answer", self.net))?;
        serde_json::from_str(&text)
            .with_context(|| format!("the engine of net {} answers strangely", self.net))
    }

    /// What programs are told of the net now.
    pub fn brief(&self) -> Result<Brief> {
        self.send(&Request::Brief, None)?;
        let mut packet = Vec::new();
        match self.receive(&mut packet)? {
            Some(Reply::Text(text)) => Ok(text.parse()?),
            _ => bail!("the engine of net {} answers strangely", self.net),
        }
    }

    fn snapshot_text(&self) -> Result<String, Errno> {
        self.send(&Request::Snapshot, None)?;
        let (mut text, mut packet) = (String::new(), Vec::new());
        loop {
            match self.receive(&mut packet)? {
                Some(Reply::Text("")) => return Ok(text),
                Some(Reply::Text(piece)) => text.push_str(piece),
                Some(Reply::Errno(errno)) if errno != 0 => {
                    return Err(Errno::from_raw_os_error(i32::from(errno)));
                }
                _ => return Err(Errno::PROTO),
            }
        }
    }

    /// Waits until the engine hangs up: it has ended.
    pub fn wait_for_end(&self, patience: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let until = std::time::Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            let left =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            let mut fds = [PollFd::new(&self.fd, PollFlags::empty())];
            match poll(&mut fds, Some(&left)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn send(&self, request: &Request, fd: Option<BorrowedFd>) -> Result<(), Errno> {
        let bytes = request.encode();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = fd.as_slice();
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(fds));
        }
        let io = [IoSlice::new(&bytes)];
        net::sendmsg(self.fd.as_fd(), &io, &mut ancillary, SendFlags::NOSIGNAL).map(drop)
    }

    /// The next reply, read into `packet`.
    fn receive<'a>(&self, packet: &'a mut Vec<u8>) -> Result<Option<Reply<'a>>, Errno> {
        packet.resize(PACKET_MAX, 0);
        let (len, _) = rustix::io::retry_on_intr(|| {
            net::recv(&self.fd, packet.as_mut_slice(), RecvFlags::empty())
        })?;
        if len == 0 {
            return Err(Errno::CONNRESET);
        }
        Ok(Reply::decode(&packet[..len]))
    }
}
