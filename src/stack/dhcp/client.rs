//! The DHCP client as a state machine: what it says at a time, and what an answer makes of it.
use crate::base::addr::{IpAddr, Ipv4Addr};
use crate::base::time::Duration;
use crate::base::{Cidr, Instant, MacAddr, Rng};
use crate::wire::dhcp::{Answer, Kind, Question};

/// RFC 2131 4.1: the first pause, doubled each time up to the longest, give or take a second.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(4);

pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// Requests that are answered by nobody before the client starts again.
pub(super) const REQUESTS: u32 = 4;

/// RFC 2131 4.4.5: the shortest pause between renewals.
pub(super) const RENEW_PAUSE: Duration = Duration::from_secs(60);

/// RFC 2131 3.1 5: after a decline.
pub(super) const DECLINED: Duration = Duration::from_secs(10);

/// A lease without a time, and the shortest that is believed.
pub(super) const LEASE_DEFAULT: u32 = 3600;

pub(super) const LEASE_MIN: u32 = 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Selecting,
    Requesting,
    Bound,
    Renewing,
    Rebinding,
}

/// What a server has given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// Our address and its prefix.
    pub address: Cidr,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// Default routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// MTU of the link, bytes.
    pub mtu: Option<u16>,
    /// When to ask the server again, when any, and when it ends.
    pub renew: Instant,
    /// See `renew`.
    pub rebind: Instant,
    /// See `renew`.
    pub end: Instant,
}

/// The client of one interface.
#[derive(Debug)]
pub(in crate::stack) struct Client {
    pub(super) state: State,
    pub(super) xid: u32,
    pub(super) began: Instant,
    /// When to say or do something next.
    pub(super) at: Instant,
    pub(super) pause: Duration,
    pub(super) tries: u32,
    /// The address offered, and by whom.
    pub(super) offer: Option<(Ipv4Addr, Ipv4Addr)>,
    pub(super) lease: Option<Lease>,
}

impl Client {
    pub(super) fn new(now: Instant, rng: &mut Rng) -> Client {
        Client {
            state: State::Selecting,
            xid: rng.u64() as u32,
            began: now,
            at: now,
            pause: FIRST_PAUSE,
            tries: 0,
            offer: None,
            lease: None,
        }
    }
    pub(super) fn restart(&mut self, now: Instant, rng: &mut Rng, after: Duration) {
        *self = Client { at: now + after, ..Client::new(now, rng) };
    }
    /// When it wants to be called.
    pub fn deadline(&self) -> Instant {
        self.at
    }
    /// RFC 2131 4.1: the pause until the next try.
    pub(super) fn next_pause(&mut self, now: Instant, rng: &mut Rng) {
        let jitter = Duration::from_millis(rng.below(2_000));
        self.at = now + self.pause + jitter - Duration::from_secs(1);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
    pub(super) fn question(&self, kind: Kind, mac: MacAddr, now: Instant) -> Question {
        let seconds = now.since(self.began).as_secs();
        Question {
            kind,
            xid: self.xid,
            seconds: u16::try_from(seconds).unwrap_or(u16::MAX),
            broadcast: true,
            client: Ipv4Addr::UNSPECIFIED,
            mac,
            requested: None,
            server: None,
        }
    }
    /// What to say at `now`, and where to; the lease's end is the caller's to see.
    pub(super) fn say(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        mac: MacAddr,
    ) -> Option<(Question, Ipv4Addr)> {
        if self.state == State::Requesting && self.tries >= REQUESTS {
            self.restart(now, rng, Duration::ZERO);
        }
        let all = Ipv4Addr::BROADCAST;
        match (self.state, &self.lease, self.offer) {
            (State::Selecting, ..) => {
                let question = self.question(Kind::Discover, mac, now);
                self.next_pause(now, rng);
                Some((question, all))
            }
            (State::Requesting, _, Some((ip, server))) => {
                let question = self.question(Kind::Request, mac, now);
                self.tries += 1;
                self.next_pause(now, rng);
                // RFC 2131 4.3.2: the server that was chosen, and what it offered.
                Some((Question { requested: Some(ip), server: Some(server), ..question }, all))
            }
            (State::Bound | State::Renewing | State::Rebinding, Some(lease), _) => {
                let (server, rebind, end) = (lease.server, lease.rebind, lease.end);
                let IpAddr::V4(client) = lease.address.address else { return None };
                if self.state == State::Bound {
                    (self.xid, self.began) = (rng.u64() as u32, now);
                }
                self.state = if now < rebind { State::Renewing } else { State::Rebinding };
                let (to, until) = match self.state {
                    State::Renewing => (server, rebind),
                    _ => (all, end),
                };
                // RFC 2131 4.4.5: after half of what is left, but not too often.
                self.at = (now + (until.since(now) / 2).max(RENEW_PAUSE)).min(until).min(end);
                let question = self.question(Kind::Request, mac, now);
                // RFC 2131 4.3.2: neither address wanted nor server, but the one that is used.
                Some((Question { client, broadcast: false, ..question }, to))
            }
            _ => {
                self.restart(now, rng, FIRST_PAUSE);
                None
            }
        }
    }
    /// What an answer changes: the new lease, if it gives one. `Err`: the address is lost.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        answer: &Answer,
    ) -> Result<Option<Lease>, ()> {
        let server = answer.server.unwrap_or(Ipv4Addr::UNSPECIFIED);
        match (self.state, answer.kind) {
            (State::Selecting, Kind::Offer) if usable(answer.yours) && answer.server.is_some() => {
                self.state = State::Requesting;
                self.offer = Some((answer.yours, server));
                (self.at, self.pause, self.tries) = (now, FIRST_PAUSE, 0);
                Ok(None)
            }
            (State::Requesting, Kind::Ack)
                if self.offer.is_some_and(|(ip, _)| ip == answer.yours) =>
            {
                Ok(Some(self.bind(now, answer, server)))
            }
            (State::Renewing | State::Rebinding, Kind::Ack)
                if self.lease.as_ref().is_some_and(|l| l.address.address == answer.yours) =>
            {
                Ok(Some(self.bind(now, answer, server)))
            }
            // RFC 2131 3.1 4, 4.4.5: not that address (any more): from the start.
            (State::Requesting, Kind::Nak)
                if self.offer.is_some_and(|(_, chosen)| chosen == server) =>
            {
                self.restart(now, rng, FIRST_PAUSE);
                Ok(None)
            }
            (State::Renewing | State::Rebinding, Kind::Nak) => {
                self.restart(now, rng, Duration::ZERO);
                Err(())
            }
            _ => Ok(None),
        }
    }
    pub(super) fn bind(&mut self, now: Instant, answer: &Answer, server: Ipv4Addr) -> Lease {
        let after = |seconds: u32| match seconds {
            u32::MAX => Instant::FAR_FUTURE,
            seconds => now + Duration::from_secs(u64::from(seconds)),
        };
        let lease_s = answer.lease_s.unwrap_or(LEASE_DEFAULT).max(LEASE_MIN);
        // RFC 2131 4.4.5: at half of the lease, and at seven eighths.
        let half = if lease_s == u32::MAX { u32::MAX } else { lease_s / 2 };
        let late = if lease_s == u32::MAX { u32::MAX } else { lease_s - lease_s / 8 };
        let renew = answer.renew_s.filter(|t1| *t1 < lease_s && *t1 > 0).unwrap_or(half);
        let rebind = answer.rebind_s.filter(|t2| (renew..lease_s).contains(t2)).unwrap_or(late);
        let old = self.lease.as_ref().map(|lease| lease.server);
        let lease = Lease {
            address: Cidr {
                address: answer.yours.into(),
                prefix_len: answer.prefix_len.unwrap_or(class_prefix(answer.yours)),
            },
            server: answer.server.or(old).unwrap_or(server),
            routers: answer.routers.clone(),
            name_servers: answer.name_servers.clone(),
            // RFC 2132 5.1 allows 68; what a host must take is the least that we do.
            mtu: answer.mtu.filter(|mtu| *mtu >= 576),
            renew: after(renew),
            rebind: after(rebind),
            end: after(lease_s),
        };
        self.state = State::Bound;
        self.at = lease.renew;
        self.lease = Some(lease.clone());
        lease
    }
}

/// Whether a host can have this address.
pub(super) fn usable(ip: Ipv4Addr) -> bool {
    let special = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast();
    !special && ip.octets()[0] < 240 && ip.octets()[0] != 0
}

/// RFC 2132 3.3: without a mask, what the address's class was.
pub(super) fn class_prefix(ip: Ipv4Addr) -> u8 {
    match ip.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}
