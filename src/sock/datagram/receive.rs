//! Receiving datagrams: the kernel's own calls; the sender's name becomes its address.
use super::error_queue;
use super::groups;
use super::origin;
use super::peer::late_error;
use super::ping;
use super::received_control::{self, KernelControl};
use crate::base::addr::SocketAddr;
use crate::host::{
    Errno,
    fd::Raw,
    guard::guarded,
    message::{self, Payload, Received},
    sandbox, unix,
    usermem::UserSlice,
};
use crate::protocol::datagram::ReceiveMeta;
use crate::protocol::name::{Name, Role};
use crate::sock::control_data::Writer;
use crate::sock::descriptor::flags::SocketFlags;
use crate::sock::descriptor::kind::{self, FdKind};
use crate::sock::descriptor::socket::{Socket, role_of};

/// What the caller needs besides the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Nothing (read, recv).
    Data,
    /// The sender (recvfrom).
    Sender,
    /// The sender, `msg_flags` and control data (recvmsg).
    Header,
}

/// What came of one call to the kernel.
#[derive(Clone, Copy)]
enum Outcome {
    /// A datagram, and its sender as the program is to see it.
    Got(Received, Option<SocketAddr>),
    /// A datagram that the program may not see.
    Hidden,
    /// Nothing.
    Again,
}

/// read(2), recvfrom(2), recvmsg(2) on a descriptor that is taken for a datagram socket of ours.
/// The caller copies the sender out. `ENOTSOCK`: it was another file; the hint is corrected. May
/// block: the thread may leave.
pub fn receive(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
    want: Want,
) -> Result<(Received, Option<SocketAddr>), Errno> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return guarded(|| error_queue::receive(fd, payload, control));
    }
    // UDP knows no urgent data and ignores the flag.
    let flags = flags & !libc::MSG_OOB;
    loop {
        let got = match want {
            Want::Data => data(fd, payload, flags)?,
            Want::Sender => with_sender(fd, payload, flags)?,
            Want::Header => with_header(fd, payload, control, flags)?,
        };
        match got {
            Outcome::Got(received, sender) => return Ok((received, sender)),
            Outcome::Hidden if flags & libc::MSG_PEEK != 0 => {
                let _ = message::receive_bytes(fd, &mut [], None, libc::MSG_DONTWAIT);
            }
            Outcome::Hidden | Outcome::Again => {}
        }
    }
}

/// The bytes alone. Little is looked into.
fn data(fd: Raw, payload: Payload, flags: i32) -> Result<Outcome, Errno> {
    let mut from = unix::Address::buffer();
    let received = match message::receive_from(fd, payload, &mut from, flags) {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    let name = from.as_abstract().unwrap_or_default();
    let special = match Name::kind(name) {
        Some(b'x') => received.len == 0,
        // From the wire to a raw socket: there may be a filter.
        Some(b's') => true,
        _ => groups::may_be_group(name),
    };
    if !special {
        return Ok(Outcome::Got(received, None));
    }
    guarded(|| match Socket::of_data_call(fd) {
        Some(sock) => judge(&sock, payload, received, &from, None),
        None => Ok(Outcome::Got(received, None)),
    })
}

/// The sender, which its name may not say: then it came along as control data.
fn with_sender(fd: Raw, payload: Payload, flags: i32) -> Result<Outcome, Errno> {
    if sandbox::is_on() {
        // No call of another kind than the program's.
        let mut from = unix::Address::buffer();
        let received = message::receive_from(fd, payload, &mut from, flags)?;
        return guarded(|| {
            let sender = Socket::of_data_call(fd).and_then(|sock| {
                origin::sender(&sock, &from, None).map(|sender| sock.shown(sender))
            });
            Ok(Outcome::Got(received, sender))
        });
    }
    let mut from = unix::Address::buffer();
    let mut kernel = KernelControl::new();
    let flags = flags | libc::MSG_CMSG_CLOEXEC;
    let got = message::receive_header(fd, payload, Some(&mut from), kernel.room(), flags);
    let received = match got {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    guarded(|| {
        let mut unwanted = Writer::new(UserSlice::EMPTY);
        let meta = kernel.pass_on(received.control_len, &mut unwanted)?;
        let received = Received { flags: 0, control_len: 0, ..received };
        match Socket::of_data_call(fd) {
            Some(sock) => judge(&sock, payload, received, &from, meta.as_ref()),
            None => {
                kind::forget(fd);
                Ok(Outcome::Got(received, None))
            }
        }
    })
}

fn with_header(
    fd: Raw,
    payload: Payload,
    control: UserSlice,
    flags: i32,
) -> Result<Outcome, Errno> {
    // Before the call: control data of another file must not come into our hands.
    let sock = guarded(|| {
        Socket::of_data_call(fd).ok_or_else(|| {
            kind::set(fd, FdKind::Other);
            Errno::NOTSOCK
        })
    })?;
    let mut from = unix::Address::buffer();
    let mut kernel = KernelControl::new();
    let flags_now = flags | libc::MSG_CMSG_CLOEXEC;
    let received = message::receive_header(fd, payload, Some(&mut from), kernel.room(), flags_now);
    let mut received = match received {
        Ok(received) => received,
        Err(errno) => return failed(fd, errno),
    };
    received.flags &= !(libc::MSG_CTRUNC | libc::MSG_CMSG_CLOEXEC);
    received.flags |= flags & libc::MSG_CMSG_CLOEXEC;
    guarded(|| {
        let mut writer = Writer::new(control);
        let meta = kernel.pass_on(received.control_len, &mut writer)?;
        let mut received = Received { control_len: 0, ..received };
        let outcome = judge(&sock, payload, received, &from, meta.as_ref())?;
        let Outcome::Got(_, sender) = outcome else { return Ok(outcome) };
        if let Some(sender) = sender
            && sock.has(SocketFlags::RECV_OPTIONS)
        {
            let (role, meta) = (role_of(&from), meta.unwrap_or_default());
            let to = meta.destination.unwrap_or_else(|| origin::destination(&sock, sender, role));
            received_control::append(&sock, to, &meta, &mut writer)?;
        }
        writer.finish(&mut received);
        Ok(Outcome::Got(received, sender))
    })
}

/// Whether a datagram is for the program, and from whom.
fn judge(
    sock: &Socket,
    payload: Payload,
    received: Received,
    from: &unix::Address,
    meta: Option<&ReceiveMeta>,
) -> Result<Outcome, Errno> {
    // The end that shutdown(2) makes for readers: it has no sender.
    if received.len == 0 && from.as_abstract().is_none() {
        return Ok(Outcome::Got(received, None));
    }
    if role_of(from) == Some(Role::Alarm) {
        return alarm(sock);
    }
    if sock.has(SocketFlags::RAW) && !ping::passes_filter(sock, payload, received.len) {
        return Ok(Outcome::Hidden);
    }
    if !groups::takes(sock, role_of(from)) {
        return Ok(Outcome::Hidden);
    }
    let source = meta.and_then(|meta| meta.source);
    Ok(match origin::sender(sock, from, source) {
        Some(sender) => Outcome::Got(received, Some(sock.shown(sender))),
        None => Outcome::Hidden,
    })
}

/// The engine has an error for a socket that is not connected: reported once.
fn alarm(sock: &Socket) -> Result<Outcome, Errno> {
    match error_queue::soft_error(sock) {
        Some(errno) if sock.has(SocketFlags::RECVERR) => Err(errno),
        _ => Ok(Outcome::Hidden),
    }
}

/// What a call that failed is answered with; [`Outcome::Again`]: with nothing, it is made again.
fn failed(fd: Raw, errno: Errno) -> Result<Outcome, Errno> {
    match errno {
        Errno::CONNRESET if !sandbox::is_on() => {
            guarded(|| late_error(fd).map_or(Ok(Outcome::Again), Err))
        }
        errno => Err(errno),
    }
}
