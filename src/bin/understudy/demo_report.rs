//! What TCP did during the demo: watched while it goes on, told at its end.
use crate::control::{self, Control};
use anyhow::Result;
use std::time::Duration;
use understudy::engine::snapshot::{Connection, Snapshot};
use understudy::net::Brief;
use understudy::stack::tcp::TcpInfo;

/// Looks at both engines from time to time.
pub struct Watch {
    server: Control,
    client: Brief,
    /// The sender's side of the connection, as it was seen last.
    sender: Option<TcpInfo>,
    /// The largest congestion window that was seen, segments.
    cwnd_max: u32,
    wire: [String; 2],
}

impl Watch {
    /// From now on: the engines of these two nets.
    pub fn new(server: &Brief, client: &Brief) -> Result<Watch> {
        Ok(Watch {
            server: control::reach(server)?,
            client: client.clone(),
            sender: None,
            cwnd_max: 0,
            wire: Default::default(),
        })
    }

    /// Takes another look. What cannot be seen stays as it was.
    pub fn look(&mut self) {
        let Ok(snapshot) = self.server.snapshot() else { return };
        let sent = |c: &&Connection| c.info.as_ref().map_or(0, |i| i.bytes_sent);
        if let Some(c) = snapshot.connections.iter().max_by_key(sent) {
            if let Some(info) = &c.info {
                self.cwnd_max = self.cwnd_max.max(info.snd_cwnd);
            }
            self.sender.clone_from(&c.info);
        }
        self.wire = wire(&snapshot);
    }

    /// One line beside the progress bar.
    pub fn line(&self) -> String {
        self.sender.as_ref().map_or_else(String::new, |i| {
            format!(
                "cwnd {} rtt {:.1} ms, {} sent again",
                i.snd_cwnd,
                ms(i.rtt_us),
                i.total_retrans
            )
        })
    }

    /// The end.
    pub fn finish(self, took: Duration) -> Fetched {
        // Asked only now: an engine hangs up on callers that say nothing for long.
        let snapshot = control::reach(&self.client).and_then(|c| c.snapshot());
        let receiver = snapshot.ok().and_then(|s| s.connections.into_iter().next());
        Fetched {
            took,
            sender: self.sender.unwrap_or_default(),
            receiver: receiver.map(|c| c.state),
            cwnd_max: self.cwnd_max,
            wire: self.wire,
        }
    }
}

/// What became of the frames on the server's link, by direction: `7 frames, 1 lost`.
fn wire(snapshot: &Snapshot) -> [String; 2] {
    ["impair_out_", "impair_in_"].map(|direction| {
        let counters = snapshot.interfaces.iter().flat_map(|i| &i.counters);
        let mut told: Vec<(&str, u64)> = counters
            .filter_map(|(name, value)| Some((name.strip_prefix(direction)?, *value)))
            .filter(|(_, value)| *value != 0)
            .collect();
        told.sort_by_key(|(what, _)| *what != "frames");
        let told: Vec<String> =
            told.iter().map(|(what, value)| format!("{value} {what}")).collect();
        told.join(", ")
    })
}

/// What is known at the end.
pub struct Fetched {
    took: Duration,
    sender: TcpInfo,
    receiver: Option<String>,
    cwnd_max: u32,
    wire: [String; 2],
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

impl Fetched {
    /// On the standard output.
    pub fn report(&self, client: &str, size: u64) {
        let seconds = self.took.as_secs_f64();
        let rate = size as f64 * 8.0 / 1e6 / seconds;
        let mib = size >> 20;
        say!("{client} got {mib} MiB in {seconds:.1} s ({rate:.1} Mbit/s), every byte as sent.");
        let i = &self.sender;
        say!("What TCP did, seen from the server:");
        let again = f64::from(i.total_retrans) * 100.0 / f64::from(i.data_segs_out.max(1));
        say!(
            "  segments           {} with data, {} of them sent again ({again:.1} %)",
            i.data_segs_out,
            i.total_retrans
        );
        say!(
            "  round trip         {:.1} ms on average, {:.1} ms at best; timeout after {:.0} ms",
            ms(i.rtt_us),
            ms(i.min_rtt_us),
            ms(i.rto_us)
        );
        say!(
            "  congestion window  {} segments at the end, {} at most; ssthresh {} ({})",
            i.snd_cwnd,
            self.cwnd_max,
            i.snd_ssthresh,
            i.congestion
        );
        if let Some(state) = &self.receiver {
            say!("  the client's side  now in {state}");
        }
        let [there, back] = &self.wire;
        if !there.is_empty() {
            say!("What the wire did:");
            say!("  to the client      {there}");
            say!("  and back           {back}");
        }
    }
}
