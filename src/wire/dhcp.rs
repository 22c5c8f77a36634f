//! DHCP for IPv4 (RFC 2131 2, RFC 2132): what a client sends and reads.
use super::ParseError;
use crate::base::MacAddr;
use crate::base::addr::Ipv4Addr;

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// RFC 2131 3: what begins the options.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the cookie is.
const FIXED: usize = 236;
/// RFC 951 3: relays and servers may drop what is shorter.
const SHORTEST: usize = 300;
/// Routers or name servers that are read of a message, at most.
const LIST: usize = 8;

/// Option numbers (RFC 2132).
mod option {
    pub(super) const PAD: u8 = 0;
    pub(super) const MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const MTU: u8 = 26;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const WANTED: u8 = 55;
    pub(super) const MAX_SIZE: u8 = 57;
    pub(super) const T1: u8 = 58;
    pub(super) const T2: u8 = 59;
    pub(super) const CLIENT: u8 = 61;
    pub(super) const END: u8 = 255;
}

/// What a message is (RFC 2132 9.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Is there a server?
    Discover,
    /// A server has something.
    Offer,
    /// That one, please; or: still, please.
    Request,
    /// Somebody has that address already.
    Decline,
    /// It is yours.
    Ack,
    /// It is not.
    Nak,
    /// It is not needed any more.
    Release,
}

impl Kind {
    const ALL: [(Kind, u8); 7] = [
        (Kind::Discover, 1),
        (Kind::Offer, 2),
        (Kind::Request, 3),
        (Kind::Decline, 4),
        (Kind::Ack, 5),
        (Kind::Nak, 6),
        (Kind::Release, 7),
    ];
    fn to_byte(self) -> u8 {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, byte)| *byte)
    }
    fn from_byte(byte: u8) -> Option<Kind> {
        Self::ALL.iter().find(|(_, b)| *b == byte).map(|(kind, _)| *kind)
    }
}

/// What a client says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// What it is.
    pub kind: Kind,
    /// By which the answer is known.
    pub xid: u32,
    /// Since when the client has been trying, seconds.
    pub seconds: u16,
    /// The answer must be broadcast: the client cannot take another yet.
    pub broadcast: bool,
    /// The client's address, if it has and uses it; else unspecified.
    pub client: Ipv4Addr,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// The address that it wants (option 50).
    pub requested: Option<Ipv4Addr>,
    /// The server that it has chosen (option 54).
    pub server: Option<Ipv4Addr>,
}

impl Question {
    /// As it goes into a datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; FIXED];
        out[..4].copy_from_slice(&[1, 1, 6, 0]); // BOOTREQUEST, Ethernet, 6 bytes, no hops
        out[4..8].copy_from_slice(&self.xid.to_be_bytes());
        out[8..10].copy_from_slice(&self.seconds.to_be_bytes());
        out[10] = if self.broadcast { 0x80 } else { 0 };
        out[12..16].copy_from_slice(&self.client.octets());
        out[28..34].copy_from_slice(&self.mac.0);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&[option::KIND, 1, self.kind.to_byte()]);
        // RFC 2132 9.14: hardware type and address.
        out.extend_from_slice(&[option::CLIENT, 7, 1]);
        out.extend_from_slice(&self.mac.0);
        for (number, ip) in [(option::REQUESTED, self.requested), (option::SERVER, self.server)] {
            if let Some(ip) = ip {
                out.extend_from_slice(&[number, 4]);
                out.extend_from_slice(&ip.octets());
            }
        }
        if matches!(self.kind, Kind::Discover | Kind::Request) {
            out.extend_from_slice(&[option::MAX_SIZE, 2, 5, 0xdc]); // 1500
            let wanted = [
                option::MASK,
                option::ROUTER,
                option::DNS,
                option::MTU,
                option::LEASE,
                option::T1,
                option::T2,
            ];
            out.extend_from_slice(&[option::WANTED, wanted.len() as u8]);
            out.extend_from_slice(&wanted);
        }
        out.push(option::END);
        out.resize(out.len().max(SHORTEST), option::PAD);
        out
    }
}

/// What a server says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// What it is.
    pub kind: Kind,
    /// Which question it answers.
    pub xid: u32,
    /// Whose question.
    pub mac: MacAddr,
    /// The client's address.
    pub yours: Ipv4Addr,
    /// Who the server is.
    pub server: Option<Ipv4Addr>,
    /// Length of the prefix, if the mask is one.
    pub prefix_len: Option<u8>,
    /// Default routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// MTU of the link, bytes.
    pub mtu: Option<u16>,
    /// How long the address may be used, seconds; `u32::MAX` is for ever.
    pub lease_s: Option<u32>,
    /// When to ask the server again, seconds.
    pub renew_s: Option<u32>,
    /// When to ask any server, seconds.
    pub rebind_s: Option<u32>,
}

impl Answer {
    /// The payload of a datagram to [`CLIENT_PORT`].
    pub fn parse(bytes: &[u8]) -> Result<Answer, ParseError> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or(ParseError::Short)?;
        let options = rest.strip_prefix(&COOKIE).ok_or(ParseError::Unsupported)?;
        // BOOTREPLY for Ethernet.
        if fixed[..3] != [2, 1, 6] {
            return Err(ParseError::Unsupported);
        }
        let number = |at: usize| {
            u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
        };
        let [.., a, b, c, d, e, f] = fixed[..34] else { return Err(ParseError::Short) };
        let mut answer = Answer {
            kind: Kind::Discover,
            xid: number(4),
            mac: MacAddr([a, b, c, d, e, f]),
            yours: Ipv4Addr::from(number(16)),
            server: None,
            prefix_len: None,
            routers: Vec::new(),
            name_servers: Vec::new(),
            mtu: None,
            lease_s: None,
            renew_s: None,
            rebind_s: None,
        };
        let (mut kind, mut overload) = (None, 0);
        // RFC 2132 9.3: options may go on in the fields of the file's and the server's names.
        for (bit, options) in [(0, options), (1, &fixed[108..236]), (2, &fixed[44..108])] {
            if overload & bit != bit {
                continue;
            }
            each_option(options, |number, value| match (number, value) {
                (option::KIND, [byte]) => kind = Kind::from_byte(*byte),
                (option::OVERLOAD, [byte]) => overload = *byte,
                _ => answer.take(number, value),
            });
        }
        answer.kind = kind.ok_or(ParseError::Unsupported)?;
        Ok(answer)
    }
    fn take(&mut self, number: u8, value: &[u8]) {
        let long = value.first_chunk().map(|b| u32::from_be_bytes(*b));
        let ip = long.map(Ipv4Addr::from);
        let list = || {
            let ips = value.chunks_exact(4).filter_map(|c| <[u8; 4]>::try_from(c).ok());
            ips.take(LIST).map(Ipv4Addr::from).collect()
        };
        match number {
            option::MASK => {
                let mask = long.unwrap_or(0);
                let whole = mask.leading_ones() + mask.trailing_zeros() == 32;
                self.prefix_len = (whole && mask != 0).then_some(mask.leading_ones() as u8);
            }
            option::ROUTER => self.routers = list(),
            option::DNS => self.name_servers = list(),
            option::MTU => self.mtu = value.first_chunk().map(|b| u16::from_be_bytes(*b)),
            option::LEASE => self.lease_s = long,
            option::SERVER => self.server = ip,
            option::T1 => self.renew_s = long,
            option::T2 => self.rebind_s = long,
            _ => {}
        }
    }
}

/// Calls `each` for every option up to the end or the first that is cut short.
fn each_option(mut options: &[u8], mut each: impl FnMut(u8, &[u8])) {
    while let Some((&number, rest)) = options.split_first() {
        match number {
            option::PAD => options = rest,
            option::END => return,
            _ => {
                let Some((&len, rest)) = rest.split_first() else { return };
                let Some((value, rest)) = rest.split_at_checked(usize::from(len)) else { return };
                each(number, value);
                options = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn question(kind: Kind) -> Question {
        Question {
            kind,
            xid: 0x0102_0304,
            seconds: 3,
            broadcast: true,
            client: Ipv4Addr::UNSPECIFIED,
            mac: MAC,
            requested: Some(Ipv4Addr::new(10, 0, 0, 5)),
            server: None,
        }
    }

    /// An answer to `question` with these options.
    fn answer(options: &[u8]) -> Vec<u8> {
        let mut bytes = question(Kind::Discover).to_bytes();
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&[10, 0, 0, 5]);
        bytes.truncate(FIXED + 4);
        bytes.extend_from_slice(options);
        bytes
    }

    /// RFC 2131 2, table 1: where the fields of a message are; 4.1: at least 300 bytes.
    #[test]
    fn a_question() {
        let bytes = question(Kind::Discover).to_bytes();
        assert_eq!(bytes.len(), 300);
        assert_eq!(bytes[..12], [1, 1, 6, 0, 1, 2, 3, 4, 0, 3, 0x80, 0]);
        assert_eq!(bytes[28..34], MAC.0);
        assert_eq!(bytes[236..243], [99, 130, 83, 99, 53, 1, 1]);
        assert_eq!(bytes[252..258], [50, 4, 10, 0, 0, 5]);
    }

    /// RFC 2132 3.3, 3.5, 3.8, 5.1, 9: the options of an answer.
    #[test]
    fn an_answer() {
        let options = [
            &[53, 1, 5, 54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0, 3, 8][..],
            &[10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 6, 4, 10, 0, 0, 3, 26, 2, 5, 120],
            &[51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 7, 8, 59, 4, 0, 0, 12, 78, 255, 51, 4],
        ]
        .concat();
        let got = Answer::parse(&answer(&options)).unwrap();
        let ip = |last| Ipv4Addr::new(10, 0, 0, last);
        assert_eq!((got.kind, got.xid, got.mac), (Kind::Ack, 0x0102_0304, MAC));
        assert_eq!((got.yours, got.server, got.prefix_len), (ip(5), Some(ip(1)), Some(24)));
        assert_eq!((got.routers, got.name_servers), (vec![ip(1), ip(2)], vec![ip(3)]));
        assert_eq!((got.mtu, got.lease_s), (Some(1400), Some(3600)));
        assert_eq!((got.renew_s, got.rebind_s), (Some(1800), Some(3150)));
    }

    /// RFC 2132 9.3: options go on in the field of the file's name when an option says so.
    #[test]
    fn options_go_on_elsewhere() {
        let mut bytes = answer(&[53, 1, 2, 52, 1, 1, 255]);
        bytes[108..115].copy_from_slice(&[51, 4, 0, 0, 0, 9, 255]);
        assert_eq!(Answer::parse(&bytes).unwrap().lease_s, Some(9));
    }

    /// RFC 2132 3.3: a mask with holes is none.
    #[test]
    fn a_mask_with_holes() {
        let got = Answer::parse(&answer(&[53, 1, 2, 1, 4, 255, 0, 255, 0])).unwrap();
        assert_eq!(got.prefix_len, None);
        assert_eq!(Answer::parse(&answer(&[1, 4, 255, 0, 0, 0])), Err(ParseError::Unsupported));
    }

    proptest! {
        /// RFC 2131 2: no bytes are too strange to look at.
        #[test]
        fn any_bytes(options in prop::collection::vec(any::<u8>(), 0..80), cut in 0usize..320) {
            let mut bytes = answer(&options);
            let _ = Answer::parse(&bytes);
            bytes.truncate(cut);
            let _ = Answer::parse(&bytes);
        }
    }
}
