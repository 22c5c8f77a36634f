//! The link: raw IP packets in two queues, those on their way out with the time when they left.
//! Super-segments of the stack (a kernel's stack makes them too) are cut here, as a device would.
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use understudy::base::Instant;
use understudy::base::{Medium, Offload, RxChecksum, TxFrame};
use understudy::link::finish::{self, Layout};
use understudy::link::{Link, LinkInfo, RxFrame, Sent};
use understudy::wire::protocol;

/// Packets that wait in one queue at most; more are lost.
const QUEUE: usize = 65_536;

/// A packet that has left the stack.
pub struct Left {
    /// From the IP header on.
    pub bytes: Vec<u8>,
    /// When.
    pub at: Instant,
}

/// What the two ends share.
struct Queues {
    to_stack: Mutex<VecDeque<Vec<u8>>>,
    /// Readable while something may be in `to_stack`.
    event: OwnedFd,
    from_stack: Mutex<VecDeque<Left>>,
    arrived: Condvar,
}

/// packetdrill's end.
#[derive(Clone)]
pub struct Wire(Arc<Queues>);

/// The engine's end.
pub struct Device {
    queues: Arc<Queues>,
    info: LinkInfo,
    scratch: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ends of a link with this MTU.
pub fn wire(mtu: u16) -> io::Result<(Wire, Device)> {
    let queues = Arc::new(Queues {
        to_stack: Mutex::default(),
        event: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        from_stack: Mutex::default(),
        arrived: Condvar::new(),
    });
    let info = LinkInfo {
        name: "packetdrill".into(),
        medium: Medium::Ip,
        mac: None,
        mtu,
        offload: Offload { checksum: true, tso_max: 65_535 },
    };
    Ok((Wire(queues.clone()), Device { queues, info, scratch: Vec::new() }))
}

impl Wire {
    /// A packet for the stack.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        lock(&self.0.to_stack).push_back(packet.to_vec());
        rustix::io::write(&self.0.event, &1u64.to_ne_bytes())?;
        Ok(())
    }

    /// The next packet from the stack; `None` when `patience` is over.
    pub fn receive(&self, patience: Duration) -> Option<Left> {
        let queue = lock(&self.0.from_stack);
        let waited = self.0.arrived.wait_timeout_while(queue, patience, |q| q.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    }
}

/// Whether scripts speak of such packets: TCP, UDP and ICMP, but neither neighbours nor groups.
fn is_of_interest(packet: &[u8]) -> bool {
    let Some(layout) = Layout::of(packet, Medium::Ip) else { return false };
    match layout.protocol {
        protocol::TCP | protocol::UDP | protocol::ICMP => true,
        protocol::ICMPV6 => packet.get(layout.transport).is_some_and(|kind| *kind < 130),
        _ => layout.fragment,
    }
}

impl Link for Device {
    fn info(&self) -> &LinkInfo {
        &self.info
    }
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queues.event.as_fd())
    }
    fn send(&mut self, now: Instant, frame: &TxFrame) -> io::Result<Sent> {
        let mut queue = lock(&self.queues.from_stack);
        finish::finish(frame, Medium::Ip, &mut self.scratch, &mut |packet| {
            if queue.len() < QUEUE && is_of_interest(packet) {
                queue.push_back(Left { bytes: packet.to_vec(), at: now });
            }
        });
        drop(queue);
        self.queues.arrived.notify_all();
        Ok(Sent::Yes)
    }
    fn receive(&mut self, _now: Instant, sink: &mut dyn FnMut(RxFrame<'_>)) -> io::Result<usize> {
        // Quiet first: what comes in after this raises it anew. (EAGAIN: it was quiet.)
        let _ = rustix::io::read(&self.queues.event, &mut [0; 8]);
        let packets = core::mem::take(&mut *lock(&self.queues.to_stack));
        for packet in &packets {
            sink(RxFrame { bytes: packet, checksum: RxChecksum::Unknown, gso_size: 0 });
        }
        Ok(packets.len())
    }
}
