//! `understudy demo`: two hosts that exist only in user space, joined by a bad wire; a real web
//! server on one, a real client on the other; what TCP did about it.
//!
//! Needs no privilege: the wire is a unix stream in a directory of our own.
use crate::advice::advice;
use crate::demo_report::{self, Watch};
use crate::{engine, library, nets, sockets};
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use understudy::net::Brief;
use understudy::net::file;

/// Arguments of `demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Mebibytes to send
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = sizes())]
    size: u32,
    /// What the wire does to frames, as behind a link: delay, jitter, loss, reorder, duplicate, ...
    #[arg(
        long,
        value_name = "SPEC",
        default_value = "delay=10ms,loss=1%,reorder=0.5%,duplicate=0.5%"
    )]
    wire: String,
    /// The server (default: nginx, or else python3)
    #[arg(long, value_enum)]
    server: Option<ServerKind>,
    /// The client (default: curl, wget or python3)
    #[arg(long, value_enum)]
    client: Option<ClientKind>,
}

/// What can be the server.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ServerKind {
    Nginx,
    Python3,
}

/// What can be the client.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ClientKind {
    Curl,
    Wget,
    Python3,
}

fn sizes() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1024)
}

const SERVER: &str = "10.77.0.1";
const CLIENT: &str = "10.77.0.2";
/// How long the server may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The client is stuck when nothing has come for so long.
const STUCK: Duration = Duration::from_secs(60);

/// `understudy demo`.
pub fn main(args: Args) -> Result<ExitCode> {
    let library = library::find()?;
    let (server, client) = (Server::find(args.server)?, Client::find(args.client)?);
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, stopped.clone())?;
    }
    let dir = Folder::make()?;
    let size = u64::from(args.size) << 20;
    let mut content = vec![0; size as usize];
    getrandom::fill(&mut content).map_err(|e| anyhow!("no randomness: {e}"))?;
    std::fs::write(dir.path("file"), &content)?;

    let wire = dir.path("wire");
    let listen = format!("stream-listen:{},{}", wire.display(), args.wire);
    let one = Host::start("server", SERVER, &listen)?;
    let two = Host::start("client", CLIENT, &format!("stream:{}", wire.display()))?;
    say!("Two hosts that exist only in user space, joined by a bad wire:");
    say!("  server  {SERVER}  {} in net {}", server.name(), one.brief.name);
    say!("  client  {CLIENT}  {} in net {}", client.name(), two.brief.name);
    say!("  wire    {} (each way)", args.wire.replace(',', ", "));

    let mut command = server.command(&dir)?;
    library::preload(&mut command, &library, &one.brief);
    let mut running = Running::start(command, &dir.path("server.log"))?;
    wait_for_listener(&one.brief, &mut running, &stopped)?;
    let target = dir.path("got");
    let mut command = client.command(&format!("http://{SERVER}/file"), &target);
    library::preload(&mut command, &library, &two.brief);
    let fetched = fetch(command, &dir, &one, &two, size, &stopped)?;
    if std::fs::read(&target)? != content {
        bail!("what {} got is not what {} sent: please report this", client.name(), server.name());
    }
    fetched.report(client.name(), size);
    drop(running);
    // The client's side first: it has the last word of TCP, and of the wire.
    two.engine.end()?;
    one.engine.end()?;
    say!("  next: understudy run -- CMD puts your own programs on it; README.md has more");
    Ok(ExitCode::SUCCESS)
}

/// A directory of ours, gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("understudy-demo-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Folder(path))
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One end: a net and its engine.
struct Host {
    brief: Brief,
    engine: engine::Process,
}

impl Host {
    fn start(role: &str, address: &str, device: &str) -> Result<Host> {
        let name = format!("demo-{}-{role}", std::process::id());
        let link = toml::Table::from_iter([("device".to_owned(), device.into())]);
        let text = toml::to_string(&toml::Table::from_iter([
            ("name".to_owned(), name.clone().into()),
            ("addresses".to_owned(), vec![format!("{address}/24")].into()),
            ("link".to_owned(), toml::Value::Array(vec![link.into()])),
        ]))?;
        let config = file::parse(&text, "--wire")
            .map_err(|e| advice(e.message, "write it like --wire delay=10ms,loss=1%"))?;
        let brief = config.brief(nets::uid());
        let engine = engine::spawn(&text, &name, "--wire", false)?;
        Ok(Host { brief, engine })
    }
}

/// A program that ends when this is dropped.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(mut command: Command, log: &Path) -> Result<Running> {
        let out = File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        Ok(Running { child, log: log.to_owned() })
    }

    /// Its status if it has ended; what it said is in the error's text.
    fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(anyhow!("the server ended with {status}: {}", self.said())),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default().trim_end().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Waits until the server's socket listens: the kernel's list shows it.
fn wait_for_listener(brief: &Brief, server: &mut Running, stopped: &AtomicBool) -> Result<()> {
    let until = Instant::now() + START_PATIENCE;
    loop {
        let listens = |r: &sockets::Row| r.net == brief.id && r.state == "LISTEN";
        if sockets::list()?.iter().any(listens) {
            return Ok(());
        }
        server.check()?;
        if stopped.load(Ordering::Relaxed) {
            bail!("stopped");
        }
        if Instant::now() >= until {
            bail!("the server does not listen: {}", server.said());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the client and watches the connection.
fn fetch(
    command: Command,
    dir: &Folder,
    server: &Host,
    client: &Host,
    size: u64,
    stopped: &AtomicBool,
) -> Result<demo_report::Fetched> {
    let bar = progress_bar(size);
    let began = Instant::now();
    let mut watch = Watch::new(&server.brief, &client.brief)?;
    let mut running = Running::start(command, &dir.path("client.log"))?;
    let (mut seen, mut seen_at) = (0, began);
    let status = loop {
        if let Some(status) = running.child.try_wait()? {
            break status;
        }
        watch.look();
        let got = dir.path("got").metadata().map_or(0, |m| m.len());
        if got != seen {
            (seen, seen_at) = (got, Instant::now());
        }
        bar.set_position(got);
        bar.set_message(watch.line());
        if stopped.load(Ordering::Relaxed) {
            bail!("stopped");
        }
        if seen_at.elapsed() > STUCK {
            bail!("nothing has come for {} s: please report this", STUCK.as_secs());
        }
        std::thread::sleep(LOOK);
    };
    let took = began.elapsed();
    watch.look();
    bar.finish_and_clear();
    if !status.success() {
        bail!("the client ended with {status}: {}", running.said());
    }
    Ok(watch.finish(took))
}

fn progress_bar(size: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    let template = "  {bar:30} {bytes} of {total_bytes}  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// The server, and where it is.
struct Server {
    kind: ServerKind,
    path: PathBuf,
}

impl Server {
    fn find(wanted: Option<ServerKind>) -> Result<Server> {
        let all = [ServerKind::Nginx, ServerKind::Python3];
        let found = all.into_iter().filter(|k| wanted.is_none_or(|w| w == *k)).find_map(|kind| {
            let program = if kind == ServerKind::Nginx { "nginx" } else { "python3" };
            Some(Server { kind, path: in_path(program)? })
        });
        let next = "apt install nginx-light (or python3)";
        found.ok_or_else(|| advice("the demo needs a web server", next))
    }

    fn name(&self) -> &'static str {
        match self.kind {
            ServerKind::Nginx => "nginx",
            ServerKind::Python3 => "python3 -m http.server",
        }
    }

    fn command(&self, dir: &Folder) -> Result<Command> {
        let root = dir.0.to_string_lossy().into_owned();
        let mut command = Command::new(&self.path);
        match self.kind {
            ServerKind::Nginx => {
                // Started by root, its workers would become a user who may not read our directory.
                let user = if nets::uid() == 0 { "user root;" } else { "" };
                let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|t| format!("{t}_temp_path {root}/{t};"))
                    .concat();
                let conf = dir.path("nginx.conf");
                let text = format!(
                    "{user} daemon off; worker_processes 1; pid {root}/nginx.pid; \
                     error_log {root}/error.log; events {{}} http {{ access_log off; {temp} \
                     sendfile on; server {{ listen {SERVER}:80; root {root}; }} }}\n"
                );
                std::fs::write(&conf, text)?;
                command.args(["-p", &root, "-e", &format!("{root}/error.log"), "-c"]).arg(conf);
            }
            ServerKind::Python3 => {
                let args = ["-m", "http.server", "80", "--bind", SERVER, "--directory", &root];
                command.args(args);
            }
        }
        Ok(command)
    }
}

/// The client, and where it is.
struct Client {
    kind: ClientKind,
    path: PathBuf,
}

impl ClientKind {
    fn program(self) -> &'static str {
        match self {
            ClientKind::Curl => "curl",
            ClientKind::Wget => "wget",
            ClientKind::Python3 => "python3",
        }
    }
}

impl Client {
    fn find(wanted: Option<ClientKind>) -> Result<Client> {
        let all = [ClientKind::Curl, ClientKind::Wget, ClientKind::Python3];
        let found = all
            .into_iter()
            .filter(|k| wanted.is_none_or(|w| w == *k))
            .find_map(|kind| Some(Client { kind, path: in_path(kind.program())? }));
        let next = "apt install curl (or wget, or python3)";
        found.ok_or_else(|| advice("the demo needs a web client", next))
    }

    fn name(&self) -> &'static str {
        self.kind.program()
    }

    fn command(&self, url: &str, target: &Path) -> Command {
        let script = "import sys, shutil, urllib.request as u\n\
                      o = u.build_opener(u.ProxyHandler({}))\n\
                      shutil.copyfileobj(o.open(sys.argv[1]), open(sys.argv[2], 'wb'))";
        let args: &[&str] = match self.kind {
            ClientKind::Curl => &["-sS", "--fail", "--noproxy", "*", url, "-o"],
            ClientKind::Wget => &["-nv", "--no-proxy", "--tries=1", url, "-O"],
            ClientKind::Python3 => &["-c", script, url],
        };
        let mut command = Command::new(&self.path);
        command.args(args).arg(target);
        command
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let admin = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&path).chain(admin).map(|d| d.join(program)).find(|p| p.is_file())
}
