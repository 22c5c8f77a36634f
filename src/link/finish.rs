//! In software, what a link without offloads cannot leave to the kernel: cutting super-segments and
//! completing checksums. Also used on frames that came in merged or with a half-done checksum, by
//! wrappers that must see what a wire would carry.
use super::{Medium, TxFrame, TxOffload};
use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::wire::{checksum, ethernet, protocol, udp};

/// TCP flags that only the last segment of a super-segment keeps: FIN and PSH.
const LAST_ONLY: u8 = 0x09;
/// And only the first: CWR (RFC 3168 6.1.2).
const FIRST_ONLY: u8 = 0x80;

/// Where the parts of an IP packet lie in a frame: offsets in bytes, all within the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The IP header.
    pub ip: usize,
    /// The transport header, behind IP options or extension headers.
    pub transport: usize,
    /// Where the IP packet ends; Ethernet padding may follow.
    pub end: usize,
    /// The transport protocol.
    pub protocol: u8,
    /// The packet is a fragment: it holds no whole transport packet.
    pub fragment: bool,
    /// IPv6.
    pub ipv6: bool,
}

impl Layout {
    /// `None` if the frame holds no well-formed IPv4 or IPv6 packet.
    pub fn of(frame: &[u8], medium: Medium) -> Option<Layout> {
        let ip = match medium {
            Medium::Ip => 0,
            Medium::Ethernet => match ethernet::Header::parse(frame).ok()?.0.ethertype {
                ethernet::IPV4 | ethernet::IPV6 => ethernet::LEN,
                _ => return None,
            },
        };
        match frame.get(ip)? >> 4 {
            4 => Layout::of_ipv4(frame, ip),
            6 => Layout::of_ipv6(frame, ip),
            _ => None,
        }
    }

    fn of_ipv4(frame: &[u8], ip: usize) -> Option<Layout> {
        let header: &[u8; 20] = frame.get(ip..)?.first_chunk()?;
        let transport = ip + usize::from(header[0] & 0x0f) * 4;
        let end = ip + usize::from(u16::from_be_bytes([header[2], header[3]]));
        // RFC 791 3.1: more fragments, or an offset.
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        let protocol = header[9];
        let fits = transport >= ip + 20 && transport <= end && end <= frame.len();
        fits.then_some(Layout { ip, transport, end, protocol, fragment, ipv6: false })
    }

    fn of_ipv6(frame: &[u8], ip: usize) -> Option<Layout> {
        let header: &[u8; 40] = frame.get(ip..)?.first_chunk()?;
        let end = ip + 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let packet = frame.get(..end)?;
        let (mut protocol, mut transport) = (header[6], ip + 40);
        loop {
            let len = match protocol {
                protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION => {
                    8 + usize::from(*packet.get(transport + 1)?) * 8
                }
                protocol::FRAGMENT => {
                    return Some(Layout {
                        ip,
                        transport,
                        end,
                        protocol,
                        fragment: true,
                        ipv6: true,
                    });
                }
                _ => break,
            };
            protocol = *packet.get(transport)?;
            transport += len;
        }
        let fits = transport <= end;
        fits.then_some(Layout { ip, transport, end, protocol, fragment: false, ipv6: true })
    }

    /// Where the transport checksum is, for TCP and UDP packets that are whole.
    fn checksum_at(&self) -> Option<usize> {
        let (offset, least) = match self.protocol {
            protocol::TCP => (16, 20),
            protocol::UDP => (6, 8),
            _ => return None,
        };
        let whole = !self.fragment && self.end - self.transport >= least;
        whole.then_some(self.transport + offset)
    }

    /// Length of the transport header; `None` if it is not TCP or UDP or does not fit.
    fn transport_header(&self, frame: &[u8]) -> Option<usize> {
        self.checksum_at()?;
        let len = match self.protocol {
            protocol::TCP => usize::from(frame[self.transport + 12] >> 4) * 4,
            _ => 8,
        };
        let fits = len >= 8 && self.transport + len <= self.end;
        (fits && (self.protocol != protocol::TCP || len >= 20)).then_some(len)
    }

    fn addresses(&self, frame: &[u8]) -> (IpAddr, IpAddr) {
        if self.ipv6 {
            let at = |i| <[u8; 16]>::try_from(&frame[i..i + 16]).unwrap_or_default();
            let address = |i| IpAddr::V6(Ipv6Addr::from(at(self.ip + i)));
            (address(8), address(24))
        } else {
            let at = |i| <[u8; 4]>::try_from(&frame[i..i + 4]).unwrap_or_default();
            let address = |i| IpAddr::V4(Ipv4Addr::from(at(self.ip + i)));
            (address(12), address(16))
        }
    }
}

/// Computes the TCP or UDP checksum of a frame anew, whatever is in the field. Frames without one
/// (other protocols, fragments, UDP over IPv4 that says "none") stay as they are.
pub fn complete_checksum(frame: &mut [u8], medium: Medium) {
    if let Some(layout) = Layout::of(frame, medium) {
        store_checksum(frame, &layout);
    }
}

fn store_checksum(frame: &mut [u8], layout: &Layout) {
    let Some(at) = layout.checksum_at() else {
        return;
    };
    if layout.protocol == protocol::UDP && !layout.ipv6 && frame[at..at + 2] == [0, 0] {
        return;
    }
    frame[at..at + 2].fill(0);
    let (src, dst) = layout.addresses(frame);
    let packet = &frame[layout.transport..layout.end];
    let sum = checksum::pseudo_header(src, dst, layout.protocol, packet.len()).bytes(packet);
    let sum = no_zero(sum.finish(), layout.protocol == protocol::UDP);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 768: a computed zero is sent as all ones, since zero says that there is none. In UDP only:
/// elsewhere all ones would be the wrong one of two equal numbers (RFC 1624 3).
fn no_zero(sum: u16, udp: bool) -> u16 {
    if udp && sum == 0 { 0xffff } else { sum }
}

/// Completes a checksum as `offload` says: the field holds the pseudo-header sum.
fn finish_partial(frame: &mut [u8], offload: &TxOffload) {
    let start = usize::from(offload.checksum_start);
    let at = start + usize::from(offload.checksum_offset);
    if start > frame.len() || at + 2 > frame.len() {
        return;
    }
    // No other protocol has its checksum there.
    let udp = usize::from(offload.checksum_offset) == udp::CHECKSUM_OFFSET;
    let sum = no_zero(checksum::of(&frame[start..]), udp);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Gives `sink` the finished frames that `frame` stands for: itself, with its checksum complete, or
/// the segments of a super-segment. `scratch` is any buffer, reused.
pub fn finish(
    frame: &TxFrame,
    medium: Medium,
    scratch: &mut Vec<u8>,
    sink: &mut dyn FnMut(&mut [u8]),
) {
    if frame.offload.gso_size != 0 {
        return cut(&frame.bytes, medium, frame.offload.gso_size, scratch, sink);
    }
    scratch.clear();
    scratch.extend_from_slice(&frame.bytes);
    if frame.offload.needs_checksum {
        finish_partial(scratch, &frame.offload);
    }
    sink(scratch);
}

/// Cuts a TCP super-segment, or several UDP datagrams merged into one, into packets of `size` bytes
/// of payload each (the last may have fewer), all with complete checksums. What cannot be cut goes
/// to `sink` whole, with its checksum complete.
pub fn cut(
    frame: &[u8],
    medium: Medium,
    size: u16,
    scratch: &mut Vec<u8>,
    sink: &mut dyn FnMut(&mut [u8]),
) {
    let layout = Layout::of(frame, medium);
    let headers = layout.and_then(|l| Some((l, l.transport + l.transport_header(frame)?)));
    let Some((layout, payload_at)) = headers.filter(|(l, at)| *at < l.end && size != 0) else {
        scratch.clear();
        scratch.extend_from_slice(frame);
        complete_checksum(scratch, medium);
        return sink(scratch);
    };
    let pieces = frame[payload_at..layout.end].chunks(usize::from(size));
    let last = pieces.len() - 1;
    for (i, piece) in pieces.enumerate() {
        scratch.clear();
        scratch.extend_from_slice(&frame[..payload_at]);
        scratch.extend_from_slice(piece);
        let segment = Layout { end: scratch.len(), ..layout };
        let offset = i * usize::from(size);
        set_lengths(scratch, &segment, i as u16);
        if layout.protocol == protocol::TCP {
            let seq = &mut scratch[segment.transport + 4..segment.transport + 8];
            let first = seq.first_chunk().map_or(0, |s| u32::from_be_bytes(*s));
            seq.copy_from_slice(&first.wrapping_add(offset as u32).to_be_bytes());
            let flags = &mut scratch[segment.transport + 13];
            if i != last {
                *flags &= !LAST_ONLY;
            }
            if i != 0 {
                *flags &= !FIRST_ONLY;
            }
        }
        store_checksum(scratch, &segment);
        sink(scratch);
    }
}

/// The lengths in the IP and UDP headers, and the identification of the `index`th packet.
fn set_lengths(frame: &mut [u8], layout: &Layout, index: u16) {
    let ip = layout.ip;
    if layout.ipv6 {
        let len = (layout.end - ip - 40) as u16;
        frame[ip + 4..ip + 6].copy_from_slice(&len.to_be_bytes());
    } else {
        let len = (layout.end - ip) as u16;
        frame[ip + 2..ip + 4].copy_from_slice(&len.to_be_bytes());
        let id = u16::from_be_bytes([frame[ip + 4], frame[ip + 5]]).wrapping_add(index);
        frame[ip + 4..ip + 6].copy_from_slice(&id.to_be_bytes());
        frame[ip + 10..ip + 12].fill(0);
        let sum = checksum::of(&frame[ip..layout.transport]);
        frame[ip + 10..ip + 12].copy_from_slice(&sum.to_be_bytes());
    }
    if layout.protocol == protocol::UDP {
        let len = (layout.end - layout.transport) as u16;
        let at = layout.transport + 4;
        frame[at..at + 2].copy_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
#[path = "finish_tests.rs"]
mod tests;
