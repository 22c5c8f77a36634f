//! What a program must know of its net, as one line of text: the value of `UNDERSTUDY_NET`.
//!
//! ```text
//! v1;name=web;id=1a2b3c4d;addr=10.0.0.2/24;addr=fd00::2/64;route=0.0.0.0/0@10.0.0.2;
//!     outside=unreachable;loopback=direct;users=any          (one line; users: any, same or uids)
//! ```
//!
//! An unset variable, or `local`, is the net `local`: loopback only, id 0. Any other word is the
//! name of a running net; its brief is read from `<runtime dir>/<name>.net` (see [`runtime_dir`]).
use crate::base::Cidr;
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::congestion;
use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;

/// The net that is there when none is named.
pub const LOCAL: &str = "local";
/// Addresses, routes or users in one brief, at most.
const LIST_MAX: usize = 64;

/// What happens to destinations that are neither local nor routed through a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// `ENETUNREACH`.
    #[default]
    Unreachable,
    /// The host's own network: the descriptor becomes a kernel socket.
    Host,
}

/// How programs of one net reach each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loopback {
    /// Unix sockets connected to each other.
    #[default]
    Direct,
    /// Through the engine and its own TCP.
    Tcp,
}

/// Who may be in the net.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Users {
    /// Everyone (the default of a net that root started).
    Any,
    /// These uids, and root.
    Only(Vec<u32>),
    /// The net `local`: two sides may talk if they have one uid, or if the listening side or the
    /// connecting side is root.
    SameOrRoot,
}

/// Whether `uid` may be in the net, by the net's users alone (`SameOrRoot` needs both sides).
pub(crate) fn may_join(brief: &Brief, uid: u32, other: u32) -> bool {
    match &brief.users {
        Users::Any => true,
        Users::Only(list) => uid == 0 || list.contains(&uid),
        Users::SameOrRoot => uid == other || uid == 0 || other == 0,
    }
}

/// A route as a program sees it: which destinations leave by a link, and with which source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BriefRoute {
    /// Destinations.
    pub prefix: Cidr,
    /// Our address when we speak to them first.
    pub source: IpAddr,
}

/// What a program must know of its net.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brief {
    /// The net's name.
    pub name: Cow<'static, str>,
    /// The net's id in socket names; 0 for `local`.
    pub id: u32,
    /// The net's own addresses (loopback excluded: always there).
    pub addresses: Vec<Cidr>,
    /// Destinations that go to the engine, longest prefix first.
    pub routes: Vec<BriefRoute>,
    /// All others.
    pub outside: Outside,
    /// Local destinations.
    pub loopback: Loopback,
    /// Who may be in it.
    pub users: Users,
    /// The net's congestion control, if it is not the default.
    pub congestion: Option<&'static str>,
}

/// Where a destination lies, by the order of the design: local, routed through a link, outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// On this machine, in this net.
    Local,
    /// Through the engine, with this source address.
    Wire {
        /// Our address when we speak first.
        source: IpAddr,
    },
    /// Neither: see [`Brief::outside`].
    Outside,
}

/// Why a brief cannot be read; says what is wrong and what is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BriefError(String);

impl fmt::Display for BriefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a description of a net: {}", self.0)
    }
}

impl core::error::Error for BriefError {}

fn wrong<T>(text: impl Into<String>) -> Result<T, BriefError> {
    Err(BriefError(text.into()))
}

impl Brief {
    /// The net that is there when none is named.
    pub const fn local() -> Brief {
        Brief {
            name: Cow::Borrowed(LOCAL),
            id: 0,
            addresses: Vec::new(),
            routes: Vec::new(),
            outside: Outside::Unreachable,
            loopback: Loopback::Direct,
            users: Users::SameOrRoot,
            congestion: None,
        }
    }

    /// Whether an engine belongs to this net. Without one, nothing is asked on the control channel.
    pub fn has_engine(&self) -> bool {
        self.id != 0
    }

    /// Whether `ip` is one of the net's own unicast addresses: loopback (127/8, `::1`) included,
    /// wildcards not. A v4-mapped address is the v4 address.
    pub fn is_own(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.addresses.iter().any(|a| a.address == ip)
    }

    /// Where `ip` lies. A wildcard is loopback, as Linux has it for `connect` and `sendto`.
    pub fn destination(&self, ip: IpAddr) -> Destination {
        let ip = ip.to_canonical();
        if ip.is_unspecified() || self.is_own(ip) {
            return Destination::Local;
        }
        let routed = self.routes.iter().find(|r| r.prefix.contains(ip));
        let source = routed.map(|r| r.source).or_else(|| self.group_source(ip));
        source.map_or(Destination::Outside, |source| Destination::Wire { source })
    }

    /// The source for the limited broadcast and for multicast that no route names: the first link.
    fn group_source(&self, ip: IpAddr) -> Option<IpAddr> {
        let limited_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if !limited_broadcast && !ip.is_multicast() {
            return None;
        }
        self.routes.iter().map(|r| r.source).find(|s| s.is_ipv4() == ip.is_ipv4())
    }

    /// Whether `ip` is a broadcast address here: 255.255.255.255 or that of one of our prefixes.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(v4) = ip.to_canonical() else { return false };
        v4.is_broadcast() || self.addresses.iter().any(|a| a.broadcast() == Some(v4))
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1;name={};id={:08x}", self.name, self.id)?;
        for address in &self.addresses {
            write!(f, ";addr={address}")?;
        }
        for route in &self.routes {
            write!(f, ";route={}@{}", route.prefix, route.source)?;
        }
        let outside = match self.outside {
            Outside::Unreachable => "unreachable",
            Outside::Host => "host",
        };
        let loopback = match self.loopback {
            Loopback::Direct => "direct",
            Loopback::Tcp => "tcp",
        };
        if let Some(name) = self.congestion {
            write!(f, ";congestion={name}")?;
        }
        write!(f, ";outside={outside};loopback={loopback};users=")?;
        match &self.users {
            Users::Any => f.write_str("any"),
            Users::SameOrRoot => f.write_str("same"),
            Users::Only(list) => {
                for (i, uid) in list.iter().enumerate() {
                    write!(f, "{}{uid}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl FromStr for Brief {
    type Err = BriefError;

    /// Reads a brief. Trailing white space is allowed; every field is checked.
    fn from_str(text: &str) -> Result<Brief, BriefError> {
        let mut fields = text.trim_ascii().split(';');
        if fields.next() != Some("v1") {
            return wrong("it does not begin with \"v1;\"");
        }
        let mut brief = Brief { name: Cow::Borrowed(""), ..Brief::local() };
        let (mut id, mut users) = (None, None);
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return wrong(format!("\"{field}\" is not key=value"));
            };
            let bad = || BriefError(format!("\"{value}\" is no value for {key}"));
            match key {
                "name" if is_net_name(value) => brief.name = Cow::Owned(value.into()),
                "name" => return Err(bad()),
                "id" => id = Some(u32::from_str_radix(value, 16).map_err(|_| bad())?),
                "addr" => brief.addresses.push(value.parse().map_err(|_| bad())?),
                "route" => brief.routes.push(parse_route(value).ok_or_else(bad)?),
                "outside" => {
                    brief.outside = match value {
                        "unreachable" => Outside::Unreachable,
                        "host" => Outside::Host,
                        _ => return Err(bad()),
                    }
                }
                "loopback" => {
                    brief.loopback = match value {
                        "direct" => Loopback::Direct,
                        "tcp" => Loopback::Tcp,
                        _ => return Err(bad()),
                    }
                }
                "congestion" => brief.congestion = Some(congestion::find(value).ok_or_else(bad)?),
                "users" => users = Some(parse_users(value).ok_or_else(bad)?),
                _ => return wrong(format!("\"{key}\" is not a field")),
            }
            if brief.addresses.len() > LIST_MAX || brief.routes.len() > LIST_MAX {
                return wrong(format!("more than {LIST_MAX} of {key}"));
            }
        }
        let (Some(id), Some(users), false) = (id, users, brief.name.is_empty()) else {
            return wrong("name, id and users must be given");
        };
        // The sort is stable: equal lengths stay in the order of the file.
        brief.routes.sort_by_key(|r| core::cmp::Reverse(r.prefix.prefix_len));
        Ok(Brief { id, users, ..brief })
    }
}

fn parse_route(value: &str) -> Option<BriefRoute> {
    let (prefix, source) = value.split_once('@')?;
    let (prefix, source): (Cidr, IpAddr) = (prefix.parse().ok()?, source.parse().ok()?);
    (prefix.address.is_ipv4() == source.is_ipv4()).then_some(BriefRoute { prefix, source })
}

fn parse_users(value: &str) -> Option<Users> {
    match value {
        "any" => Some(Users::Any),
        "same" => Some(Users::SameOrRoot),
        // Root alone.
        "" => Some(Users::Only(Vec::new())),
        list => list
            .split(',')
            .map(|uid| uid.parse().ok())
            .collect::<Option<Vec<u32>>>()
            .filter(|l| l.len() <= LIST_MAX)
            .map(Users::Only),
    }
}

/// Whether `name` can be the name of a net: 1 to 32 of `A-Z a-z 0-9 _ -`. (It becomes a file name
/// and a value in an environment variable.)
pub fn is_net_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The id of the net `name` that `uid` starts: 0 for `local`, otherwise never 0 (FNV-1a). Two
/// users' nets of one name have different ids.
pub fn net_id(name: &str, uid: u32) -> u32 {
    if name == LOCAL {
        return 0;
    }
    let bytes = name.bytes().chain(uid.to_le_bytes());
    let hash = bytes.fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

/// Where the files of the nets that `uid` runs lie (mode 0700; whoever writes there makes it):
/// `/run/understudy` for root, else `$XDG_RUNTIME_DIR/understudy`, else `/tmp/understudy-<uid>`.
///
/// Root has one place whatever its environment says, so that services and logins find each other.
pub fn runtime_dir(uid: u32, xdg_runtime_dir: Option<&str>) -> String {
    match xdg_runtime_dir {
        _ if uid == 0 => "/run/understudy".into(),
        Some(dir) if dir.starts_with('/') => format!("{dir}/understudy"),
        _ => format!("/tmp/understudy-{uid}"),
    }
}

/// Where to look for `<name>.net`, in this order: the user's own directory, then root's, whose
/// directory others may search (a program started by root may have dropped its privileges).
pub fn brief_paths(name: &str, uid: u32, xdg_runtime_dir: Option<&str>) -> [String; 2] {
    [runtime_dir(uid, xdg_runtime_dir), runtime_dir(0, None)].map(|d| format!("{d}/{name}.net"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Brief {
        Brief {
            name: "web".into(),
            id: 0x1a2b_3c4d,
            addresses: vec!["10.0.0.2/24".parse().unwrap(), "fd00::2/64".parse().unwrap()],
            routes: vec![
                BriefRoute {
                    prefix: "10.0.0.0/24".parse().unwrap(),
                    source: "10.0.0.2".parse().unwrap(),
                },
                BriefRoute {
                    prefix: "0.0.0.0/0".parse().unwrap(),
                    source: "10.0.0.2".parse().unwrap(),
                },
            ],
            outside: Outside::Host,
            loopback: Loopback::Tcp,
            congestion: None,
            users: Users::Only(vec![0, 1000]),
        }
    }

    #[test]
    fn briefs_survive_the_round_trip() {
        for users in [Users::Any, Users::SameOrRoot, Users::Only(vec![]), Users::Only(vec![7])] {
            let brief = Brief { users, ..web() };
            assert_eq!(brief.to_string().parse(), Ok(brief));
        }
        assert_eq!(Brief::local().to_string().parse(), Ok(Brief::local()));
    }

    #[test]
    fn routes_are_tried_longest_first() {
        let text = "v1;name=a;id=1;users=any;route=0.0.0.0/0@10.0.0.1;route=10.9.0.0/16@10.0.0.2\n";
        let brief: Brief = text.parse().unwrap();
        let to = |ip: &str| brief.destination(ip.parse().unwrap());
        assert_eq!(to("10.9.1.1"), Destination::Wire { source: "10.0.0.2".parse().unwrap() });
        assert_eq!(to("8.8.8.8"), Destination::Wire { source: "10.0.0.1".parse().unwrap() });
        assert_eq!(to("2001:db8::1"), Destination::Outside);
    }

    #[test]
    fn what_is_local() {
        let brief = web();
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.0.0.2", "fd00::2"] {
            assert_eq!(brief.destination(ip.parse().unwrap()), Destination::Local, "{ip}");
        }
        let mapped = "::ffff:10.0.0.2".parse().unwrap();
        assert_eq!(brief.destination(mapped), Destination::Local);
        assert!(!brief.is_own("0.0.0.0".parse().unwrap()));
        assert!(brief.is_broadcast("10.0.0.255".parse().unwrap()));
        let local = Brief::local();
        assert_eq!(local.destination("10.0.0.2".parse().unwrap()), Destination::Outside);
        assert_eq!(local.destination("255.255.255.255".parse().unwrap()), Destination::Outside);
    }

    #[test]
    fn nonsense_is_named() {
        for (text, says) in [
            ("", "v1;"),
            ("v2;name=a", "v1;"),
            ("v1;name=a", "must be given"),
            ("v1;name=../x;id=1;users=any", "../x"),
            ("v1;name=a;id=zz;users=any", "zz"),
            ("v1;name=a;id=1;users=any;addr=10.0.0.1/40", "10.0.0.1/40"),
            ("v1;name=a;id=1;users=any;route=0.0.0.0/0@::1", "0.0.0.0/0@::1"),
            ("v1;name=a;id=1;users=any;colour=red", "colour"),
            ("v1;name=a;id=1;users=any;outside", "key=value"),
        ] {
            let error = text.parse::<Brief>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn places_and_ids() {
        assert_eq!(runtime_dir(0, Some("/run/user/0")), "/run/understudy");
        assert_eq!(runtime_dir(7, Some("/run/user/7")), "/run/user/7/understudy");
        assert_eq!(runtime_dir(7, Some("")), "/tmp/understudy-7");
        assert_eq!(net_id("local", 5), 0);
        assert_ne!(net_id("web", 0), net_id("web", 1000));
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics(text in "v1(;(name|id|addr|route|users)=[0-9a-z./:@,]{0,9}){0,6}") {
            if let Ok(brief) = text.parse::<Brief>() {
                proptest::prop_assert_eq!(brief.to_string().parse::<Brief>(), Ok(brief));
            }
        }
    }
}
