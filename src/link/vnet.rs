//! The `virtio_net_hdr` in front of each frame of packet sockets and TAP interfaces: what is still
//! to be done on it (include/uapi/linux/virtio_net.h of Linux; VIRTIO 1.2, 5.1.6).
use super::{Medium, RxChecksum, RxFrame, TxFrame, finish};

/// Its length, bytes. Numbers in it are in the byte order of the machine.
pub(super) const LEN: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// Largest IP packet of a super-segment: with its Ethernet header below 64 KiB, above which the
/// kernel would have to cut it in software (`gso_max_size`).
pub(super) const TSO_MAX: u32 = 65_500;

/// The header for a frame on its way out.
pub(super) fn header(frame: &TxFrame) -> [u8; LEN] {
    let mut header = [0; LEN];
    let offload = &frame.offload;
    if offload.needs_checksum {
        header[0] = NEEDS_CHECKSUM;
        header[6..8].copy_from_slice(&offload.checksum_start.to_ne_bytes());
        header[8..10].copy_from_slice(&offload.checksum_offset.to_ne_bytes());
    }
    if offload.gso_size != 0 {
        // The flag CWR stands only on the first segment (RFC 3168 6.1.2): the kernel must be told.
        let flags = frame.bytes.get(usize::from(offload.checksum_start) + 13);
        let ecn = if flags.is_some_and(|flags| flags & 0x80 != 0) { GSO_ECN } else { 0 };
        header[1] = ecn | if offload.ipv6 { GSO_TCPV6 } else { GSO_TCPV4 };
        header[2..4].copy_from_slice(&offload.header_len.to_ne_bytes());
        header[4..6].copy_from_slice(&offload.gso_size.to_ne_bytes());
    }
    header
}

/// Gives `sink` the frame, or frames, of a received message that begins with the header; how many.
pub(super) fn deliver(
    message: &[u8],
    medium: Medium,
    scratch: &mut Vec<u8>,
    sink: &mut dyn FnMut(RxFrame<'_>),
) -> usize {
    let Some((header, bytes)) = message.split_first_chunk::<LEN>() else {
        return 0;
    };
    let size = u16::from_ne_bytes([header[4], header[5]]);
    let known = header[0] & (NEEDS_CHECKSUM | DATA_VALID) != 0;
    let checksum = if known { RxChecksum::Trusted } else { RxChecksum::Unknown };
    match header[1] & !GSO_ECN {
        GSO_TCPV4 | GSO_TCPV6 => {
            sink(RxFrame { bytes, checksum, gso_size: size });
            1
        }
        // Several datagrams as one packet: no stack can take that as it is.
        GSO_UDP_L4 => {
            let mut count = 0;
            finish::cut(bytes, medium, size, scratch, &mut |bytes| {
                count += 1;
                sink(RxFrame { bytes, checksum: RxChecksum::Trusted, gso_size: 0 });
            });
            count
        }
        _ => {
            sink(RxFrame { bytes, checksum, gso_size: 0 });
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::TxOffload;

    #[test]
    fn layout_is_that_of_linux() {
        let offload = TxOffload {
            needs_checksum: true,
            checksum_start: 34,
            checksum_offset: 16,
            gso_size: 1448,
            header_len: 66,
            ipv6: true,
        };
        let frame = TxFrame { bytes: vec![0; 100], offload };
        let expected: Vec<u8> = [vec![1, 4]]
            .into_iter()
            .chain([66u16, 1448, 34, 16].map(|n| n.to_ne_bytes().to_vec()))
            .flatten()
            .collect();
        assert_eq!(header(&frame)[..], expected);
        assert_eq!(header(&TxFrame::default()), [0; LEN]);
    }

    #[test]
    fn short_messages_are_nothing() {
        let mut sink = |_: RxFrame<'_>| panic!("no frame in it");
        assert_eq!(deliver(&[0; 9], Medium::Ethernet, &mut Vec::new(), &mut sink), 0);
    }
}
