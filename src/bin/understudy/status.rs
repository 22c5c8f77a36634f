//! `understudy status`: which nets there are, and what is in one.
use crate::control::{self, Control};
use crate::nets;
use crate::table::Table;
use anyhow::Result;
use std::process::ExitCode;
use understudy::engine::snapshot::Snapshot;
use understudy::net::Brief;

/// Arguments of `status`.
#[derive(clap::Args)]
pub struct Args {
    /// Show this net with its links, routes, neighbours and counters
    name: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// `understudy status [NAME]`.
pub fn main(args: Args) -> Result<ExitCode> {
    if let Some(name) = &args.name {
        let (_, control) = control::pick(Some(name))?;
        let snapshot = control.snapshot()?;
        match args.json {
            true => say!("{}", serde_json::to_string_pretty(&snapshot)?),
            false => one(&snapshot),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut nets = Vec::new();
    for brief in nets::all() {
        // One engine that is stuck must not hide the others.
        let control = control::connect(&brief);
        nets.push((control.and_then(|c| c.map(|c: Control| c.snapshot()).transpose()), brief));
    }
    if args.json {
        let up: Vec<&Snapshot> =
            nets.iter().filter_map(|(s, _)| s.as_ref().ok()?.as_ref()).collect();
        say!("{}", serde_json::to_string_pretty(&up)?);
        return Ok(ExitCode::SUCCESS);
    }
    if nets.is_empty() {
        say!("No net is up (the net local needs none).");
        say!("  next: understudy up FILE, or understudy run -- CMD");
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["NET", "STATE", "ENGINE", "UP FOR", "TCP", "ADDRESSES", "LINKS"]);
    let mut dead = None;
    for (snapshot, brief) in &nets {
        table.push(row(snapshot, brief));
        if matches!(snapshot, Ok(None)) && !nets::lives_elsewhere(&brief.name) {
            dead = Some(&brief.name);
        }
    }
    table.print();
    if let Some(name) = dead {
        say!("The engine of net {name} has ended without a word; its programs need not restart.");
        say!("  next: start it again with `understudy up FILE`, or `understudy down {name}`");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(snapshot: &Result<Option<Snapshot>>, brief: &Brief) -> [String; 7] {
    let addresses: Vec<String> = brief.addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(" ");
    let dash = || "-".to_owned();
    match snapshot {
        Ok(Some(s)) => {
            let links = s.interfaces.iter().filter(|i| !i.link.is_empty());
            let links: Vec<String> =
                links.map(|i| format!("{}{}", i.link, if i.up { "" } else { " (down)" })).collect();
            [
                brief.name.to_string(),
                "up".into(),
                s.pid.to_string(),
                duration(s.uptime_s),
                s.connections.len().to_string(),
                addresses,
                if links.is_empty() { dash() } else { links.join(" ") },
            ]
        }
        Ok(None) => {
            let elsewhere = nets::lives_elsewhere(&brief.name);
            let state = if elsewhere { "in another netns" } else { "no engine" };
            [brief.name.to_string(), state.into(), dash(), dash(), dash(), addresses, dash()]
        }
        Err(_) => {
            [brief.name.to_string(), "no answer".into(), dash(), dash(), dash(), addresses, dash()]
        }
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A net in full.
fn one(s: &Snapshot) {
    say!("net {}: engine {}, up for {}", s.net, s.pid, duration(s.uptime_s));
    say!("  brief {}", s.brief);
    for i in &s.interfaces {
        let link = if i.link.is_empty() { String::new() } else { format!(" {}", i.link) };
        let mac = i.mac.as_ref().map(|m| format!(" mac {m}")).unwrap_or_default();
        let up = if i.up { "" } else { " DOWN" };
        say!("  interface {}{link}{mac} mtu {}{up}", i.name, i.mtu);
        say!("    addresses {}", i.addresses.join(" "));
        print_counters("    ", i.counters.iter());
    }
    for r in &s.routes {
        let via = r.via.map(|v| format!(" via {v}")).unwrap_or_default();
        let name = s.interfaces.iter().find(|i| i.index == r.interface).map_or("?", |i| &i.name);
        say!("  route {}{via} dev {name}", r.to);
    }
    for n in &s.neighbors {
        say!("  neighbour {} {} {}", n.address, n.mac.as_deref().unwrap_or("-"), n.state);
    }
    for l in &s.listeners {
        say!("  listener {}{}", l.local, if l.dual { " (and IPv4)" } else { "" });
    }
    say!("  {} TCP connections, {} datagram pairs", s.connections.len(), s.datagrams.len());
    print_counters("  ", s.counters.iter());
}

/// Those that are not zero.
fn print_counters<'a>(indent: &str, counters: impl Iterator<Item = (&'a String, &'a u64)>) {
    for (name, value) in counters.filter(|(_, v)| **v != 0) {
        say!("{indent}{name} {value}");
    }
}
