//! `understudy ss`: the sockets of all nets, as `ss -tuanpi` shows the kernel's.
//!
//! Local sockets show themselves: the kernel lists the unix sockets with their names. What lies
//! behind a wire connection, its engine tells.
use crate::processes::{self, Holder};
use crate::sockets::{self, Row};
use crate::table::Table;
use crate::{control, nets};
use anyhow::Result;
use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use understudy::base::SocketAddr;
use understudy::engine::snapshot::{Connection, Snapshot};
use understudy::net::Brief;
use understudy::stack::tcp::TcpInfo;

/// Arguments of `ss`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this net
    net: Option<String>,
    /// TCP
    #[arg(short, long)]
    tcp: bool,
    /// UDP
    #[arg(short, long)]
    udp: bool,
    /// Only listeners
    #[arg(short, long)]
    listening: bool,
    /// Numbers instead of names (always; taken for the fingers' sake, like -a, -p and -i)
    #[arg(short, long)]
    numeric: bool,
    #[arg(short, long, hide = true)]
    all: bool,
    #[arg(short, long, hide = true)]
    processes: bool,
    #[arg(short, long, hide = true)]
    info: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A socket as it is shown.
#[derive(serde::Serialize)]
struct Shown {
    net: String,
    protocol: &'static str,
    state: String,
    receive_queue: u64,
    send_queue: u64,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    wire: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    processes: Vec<Holder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<TcpInfo>,
}

/// `understudy ss [NET]`.
pub fn main(args: Args) -> Result<ExitCode> {
    let mut briefs = nets::all();
    briefs.push(Brief::local());
    if let Some(name) = &args.net {
        briefs.retain(|b| b.name == *name);
        if briefs.is_empty() {
            control::pick(Some(name))?;
        }
    }
    let mut rows = sockets::list()?;
    if args.net.is_some() {
        rows.retain(|r| briefs.iter().any(|b| b.id == r.net));
    }
    let snapshots = snapshots(&briefs);
    let mut shown = join(rows, &briefs, &snapshots, &processes::by_inode());
    shown.retain(|s| {
        let wanted = if s.protocol == "tcp" { args.tcp } else { args.udp };
        (wanted || args.tcp == args.udp)
            && (!args.listening || matches!(s.state.as_str(), "LISTEN" | "UNCONN"))
    });
    shown.sort_by(|a, b| {
        let key = |s: &Shown| (s.protocol, s.state != "LISTEN", s.local, s.remote);
        a.net.cmp(&b.net).then_with(|| key(a).cmp(&key(b)))
    });
    if args.json {
        say!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print(&shown);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the engines say, by net. An engine that does not answer leaves its part out.
fn snapshots(briefs: &[Brief]) -> HashMap<u32, Snapshot> {
    let engines = briefs.iter().filter(|b| b.has_engine());
    engines.filter_map(|b| Some((b.id, control::connect(b).ok()??.snapshot().ok()?))).collect()
}

fn join(
    rows: Vec<Row>,
    briefs: &[Brief],
    snapshots: &HashMap<u32, Snapshot>,
    processes: &HashMap<u32, Vec<Holder>>,
) -> Vec<Shown> {
    let name = |id: u32| {
        let brief = briefs.iter().find(|b| b.id == id);
        brief.map_or_else(|| format!("{id:08x}"), |b| b.name.to_string())
    };
    // Connections that the engines know, to be taken out when their program's socket is found.
    let mut wire: HashMap<(u32, SocketAddr, SocketAddr), &Connection> = HashMap::new();
    for (id, snapshot) in snapshots {
        for c in &snapshot.connections {
            wire.insert((*id, c.local, c.remote), c);
        }
    }
    let mut shown = Vec::new();
    for row in rows {
        let known = row.remote.and_then(|r| wire.remove(&(row.net, row.local, r)));
        let mut one = Shown {
            net: name(row.net),
            protocol: row.protocol,
            state: row.state.into(),
            receive_queue: row.queues.0.into(),
            send_queue: row.queues.1.into(),
            local: row.local,
            remote: row.remote,
            wire: row.wire || known.is_some(),
            uid: row.uid,
            processes: processes.get(&row.inode).cloned().unwrap_or_default(),
            info: None,
        };
        if let Some(c) = known {
            // What the program has not read lies in its socket and in the engine.
            one.receive_queue += c.receive_queue;
            one.send_queue += c.send_queue;
            one.state.clone_from(&c.state);
            one.info.clone_from(&c.info);
        }
        shown.push(one);
    }
    // TIME-WAIT and others that no program holds any more.
    shown.extend(wire.into_iter().map(|((net, ..), c)| Shown {
        net: name(net),
        protocol: "tcp",
        state: c.state.clone(),
        receive_queue: c.receive_queue,
        send_queue: c.send_queue,
        local: c.local,
        remote: Some(c.remote),
        wire: true,
        uid: c.uid,
        processes: Vec::new(),
        info: c.info.clone(),
    }));
    shown
}

fn print(shown: &[Shown]) {
    let head = ["Net", "Proto", "State", "Recv-Q", "Send-Q", "Local", "Peer", "Process", "Wire"];
    let mut table = Table::new(head);
    for s in shown {
        table.push([
            s.net.clone(),
            s.protocol.into(),
            s.state.clone(),
            s.receive_queue.to_string(),
            s.send_queue.to_string(),
            end(s.local),
            s.remote.map_or_else(|| "*:*".into(), end),
            users(&s.processes),
            s.info.as_ref().map(info).unwrap_or_default(),
        ]);
    }
    table.print();
    if shown.is_empty() {
        let _ = writeln!(std::io::stderr(), "no sockets; `understudy run -- CMD` makes some");
    }
}

/// `*` for a port that is not bound yet.
fn end(address: SocketAddr) -> String {
    match address.port() {
        0 if address.is_ipv4() => format!("{}:*", address.ip()),
        0 => format!("[{}]:*", address.ip()),
        _ => address.to_string(),
    }
}

/// As `ss -p` writes it: `nginx(12,fd=3)`.
fn users(holders: &[Holder]) -> String {
    const SHOWN: usize = 3;
    let mut text: Vec<String> =
        holders.iter().take(SHOWN).map(|h| format!("{}({},fd={})", h.name, h.pid, h.fd)).collect();
    if holders.len() > SHOWN {
        text.push(format!("and {} more", holders.len() - SHOWN));
    }
    text.join(" ")
}

/// As `ss -i` writes it.
fn info(i: &TcpInfo) -> String {
    let ms = |us: u32| f64::from(us) / 1000.0;
    let mut text = format!(
        "{} rtt:{:.3}/{:.3} rto:{:.0} mss:{} cwnd:{}",
        if i.congestion.is_empty() { "tcp" } else { &i.congestion },
        ms(i.rtt_us),
        ms(i.rttvar_us),
        ms(i.rto_us),
        i.snd_mss,
        i.snd_cwnd
    );
    // Linux shows it once it has been set; "infinite" means nothing to a reader.
    let ssthresh = u64::from(i.snd_ssthresh) * u64::from(i.snd_mss);
    if ssthresh != 0 && ssthresh < (1 << 30) - u64::from(i.snd_mss) {
        text.push_str(&format!(" ssthresh:{}", i.snd_ssthresh));
    }
    for (name, value) in [
        ("unacked", u64::from(i.unacked)),
        ("lost", u64::from(i.lost)),
        ("bytes_acked", i.bytes_acked),
        ("bytes_received", i.bytes_received),
        ("snd_wnd", u64::from(i.snd_wnd)),
        ("rcv_wnd", u64::from(i.rcv_wnd)),
    ] {
        if value != 0 {
            text.push_str(&format!(" {name}:{value}"));
        }
    }
    text.push_str(&format!(" retrans:{}/{}", i.retrans, i.total_retrans));
    text
}
