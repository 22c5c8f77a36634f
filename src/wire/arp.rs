//! ARP for IPv4 over Ethernet (RFC 826).
use super::ParseError;
use crate::base::MacAddr;
use crate::base::addr::Ipv4Addr;

/// Length of the packet in bytes.
pub const LEN: usize = 28;
/// Hardware type 1 (Ethernet), protocol 0x0800, address lengths 6 and 4.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What an ARP packet wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Request or reply.
    pub operation: Operation,
    /// Ethernet address of the sender.
    pub sender_mac: MacAddr,
    /// IPv4 address of the sender; 0.0.0.0 in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// Ethernet address asked for; ignored in requests.
    pub target_mac: MacAddr,
    /// IPv4 address asked for.
    pub target_ip: Ipv4Addr,
}

impl Packet {
    /// The packet; padding behind it is ignored.
    pub fn parse(bytes: &[u8]) -> Result<Packet, ParseError> {
        let (head, rest) = bytes.split_first_chunk::<6>().ok_or(ParseError::Short)?;
        if *head != PREFIX {
            return Err(ParseError::Unsupported);
        }
        let (operation, rest) = rest.split_first_chunk::<2>().ok_or(ParseError::Short)?;
        let operation = match operation {
            [0, 1] => Operation::Request,
            [0, 2] => Operation::Reply,
            _ => return Err(ParseError::Unsupported),
        };
        let (sender_mac, rest) = rest.split_first_chunk::<6>().ok_or(ParseError::Short)?;
        let (sender_ip, rest) = rest.split_first_chunk::<4>().ok_or(ParseError::Short)?;
        let (target_mac, rest) = rest.split_first_chunk::<6>().ok_or(ParseError::Short)?;
        let (target_ip, _) = rest.split_first_chunk::<4>().ok_or(ParseError::Short)?;
        Ok(Packet {
            operation,
            sender_mac: MacAddr(*sender_mac),
            sender_ip: Ipv4Addr::from(*sender_ip),
            target_mac: MacAddr(*target_mac),
            target_ip: Ipv4Addr::from(*target_ip),
        })
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> [u8; LEN] {
        let mut out = [0; LEN];
        out[..6].copy_from_slice(&PREFIX);
        out[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        out[8..14].copy_from_slice(&self.sender_mac.0);
        out[14..18].copy_from_slice(&self.sender_ip.octets());
        out[18..24].copy_from_slice(&self.target_mac.0);
        out[24..].copy_from_slice(&self.target_ip.octets());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType};
    use proptest::prelude::*;

    proptest! {
        /// RFC 826: as another implementation writes it.
        #[test]
        fn as_etherparse(reply: bool, sm: [u8; 6], si: [u8; 4], tm: [u8; 6], ti: [u8; 4]) {
            let ours = Packet {
                operation: if reply { Operation::Reply } else { Operation::Request },
                sender_mac: MacAddr(sm),
                sender_ip: si.into(),
                target_mac: MacAddr(tm),
                target_ip: ti.into(),
            };
            let operation = if reply { ArpOperation::REPLY } else { ArpOperation::REQUEST };
            let theirs = ArpPacket::new(
                ArpHardwareId::ETHERNET, EtherType::IPV4, operation, &sm, &si, &tm, &ti,
            ).unwrap();
            prop_assert_eq!(&ours.to_bytes()[..], &theirs.to_bytes()[..]);
            let padded = [&ours.to_bytes()[..], &[0; 18]].concat();
            prop_assert_eq!(Packet::parse(&padded), Ok(ours));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert_eq!(&packet.to_bytes()[..], &bytes[..LEN]);
            }
        }
    }

    /// RFC 826: other hardware is left alone.
    #[test]
    fn other_hardware_is_unsupported() {
        let mut bytes = [0u8; LEN];
        bytes[..6].copy_from_slice(&PREFIX);
        bytes[1] = 6;
        assert_eq!(Packet::parse(&bytes), Err(ParseError::Unsupported));
        bytes[1] = 1;
        bytes[7] = 3;
        assert_eq!(Packet::parse(&bytes), Err(ParseError::Unsupported));
        bytes[7] = 1;
        assert_eq!(Packet::parse(&bytes[..27]), Err(ParseError::Short));
    }
}
