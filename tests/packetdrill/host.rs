//! The host under test: an engine on a thread of packetdrill's process, and packetdrill's clock.
//!
//! In a kernel the effect of a call or a packet is complete when the call returns. Here the engine
//! is another thread, so each call ends with [`Host::settle`].
use super::flags::Flags;
use super::sysctl::Sysctls;
use super::wire::{self, Wire};
use std::sync::Mutex;
use std::thread::JoinHandle;
use understudy::base::{Cidr, Duration, Instant};
use understudy::base::{IpAddr, Ipv4Addr, Ipv6Addr};
use understudy::engine::steps::Steps;
use understudy::engine::{Engine, EngineConfig, EngineInterface, EngineRoute, Stop};
use understudy::host::clock;
use understudy::net::{Brief, BriefRoute, Users, net_id};
use understudy::sock::net;

/// How long the engine may take to get idle. It never takes so long unless it has died.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The host.
pub struct Host {
    /// packetdrill's end of the link.
    pub wire: Wire,
    steps: Steps,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    /// The time of day at the origin of the monotonic clock, microseconds.
    epoch_us: i64,
    /// The settings that the stack has now.
    sysctls: Mutex<Sysctls>,
}

impl Host {
    /// Starts the engine, and puts this process into its net.
    ///
    /// # Errors
    /// A sentence that says what the system refused.
    pub fn start(flags: &Flags) -> Result<Host, String> {
        let (wire, device) = wire::wire(flags.mtu).map_err(|e| format!("the link: {e}"))?;
        let sysctls = Sysctls::read();
        let mut config = EngineConfig::new(brief(flags));
        config.interfaces.push(EngineInterface {
            name: "packetdrill".into(),
            link: Box::new(device),
            addresses: flags.addresses.clone(),
            mac: None,
            mtu: None,
        });
        config.routes = defaults()
            .map(|prefix| EngineRoute { prefix, via: None, interface: 0, metric: 0 })
            .collect();
        config.tcp = sysctls.tcp_config();
        config.linger = Duration::ZERO;
        let brief = config.brief.clone();
        let mut engine = Engine::start(config).map_err(|e| e.to_string())?;
        let steps = engine.steps().map_err(|e| e.to_string())?;
        net::enter(brief).map_err(|e| format!("the net: {e}"))?;
        let stop = engine.stop_handle();
        let thread = std::thread::Builder::new().name("engine".into()).spawn(move || {
            if let Err(why) = engine.run() {
                eprintln!("understudy: {why}");
            }
        });
        let thread = Some(thread.map_err(|e| format!("a thread: {e}"))?);
        let epoch_us = time_of_day_us() - micros(clock::now());
        Ok(Host { wire, steps, stop, thread, epoch_us, sysctls: Mutex::new(sysctls) })
    }

    /// Waits until all that packetdrill has done so far has had its effect.
    pub fn settle(&self) {
        self.steps.settle(SETTLE_MAX);
    }

    /// Reads the namespace's settings again: scripts change them before they make a socket, set an
    /// option, or connect with data.
    pub fn read_sysctls(&self) {
        let now = Sysctls::read();
        let mut known = self.sysctls.lock().unwrap_or_else(|e| e.into_inner());
        if *known != now {
            self.steps.set_tcp(now.tcp_config());
            self.settle();
            *known = now;
        }
    }

    /// A time of the engine on packetdrill's clock: microseconds since 1970.
    pub fn time_us(&self, at: Instant) -> i64 {
        self.epoch_us + micros(at)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn micros(at: Instant) -> i64 {
    (at.as_nanos() / 1_000) as i64
}

fn time_of_day_us() -> i64 {
    let wall = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    wall.tv_sec * 1_000_000 + wall.tv_nsec / 1_000
}

/// Everything is on the link.
fn defaults() -> impl Iterator<Item = Cidr> {
    let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    any.into_iter().filter_map(|address| Cidr::new(address, 0))
}

/// What the sockets must know.
fn brief(flags: &Flags) -> Brief {
    let name = format!("packetdrill{}", std::process::id());
    let source = |prefix: &Cidr| {
        let same = |a: &&Cidr| a.address.is_ipv4() == prefix.address.is_ipv4();
        flags.addresses.iter().find(same).map(|a| a.address)
    };
    let routes = defaults()
        .filter_map(|prefix| Some(BriefRoute { prefix, source: source(&prefix)? }))
        .collect();
    Brief {
        id: net_id(&name, 0),
        name: name.into(),
        addresses: flags.addresses.clone(),
        routes,
        users: Users::Any,
        ..Brief::local()
    }
}
