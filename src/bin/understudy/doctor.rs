//! `understudy doctor`: says before running whether the preload can work, with the way out.
//!
//! The dynamic loader silently ignores LD_PRELOAD, or the program passes it by, in a handful of
//! cases; then a program would speak through the host's network unnoticed. Each case is one check.
use crate::nets::{NetArgs, Wanted};
use crate::{elf, library};
use anyhow::Result;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy::net::Device;
use understudy::net::NetConfig;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    net: NetArgs,
    /// The command, as `run` would get it
    #[arg(
        required = true,
        value_name = "CMD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// What one check found.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// As it should be.
    Fine(String),
    /// Works, but: what, and what to do.
    Warn(String, String),
    /// Cannot work: why, and the way out.
    Bad(String, String),
}

impl Finding {
    /// Whether it cannot work.
    pub fn is_bad(&self) -> bool {
        matches!(self, Finding::Bad(..))
    }
    fn bad(what: impl Into<String>, next: impl Into<String>) -> Finding {
        Finding::Bad(what.into(), next.into())
    }
    fn warn(what: impl Into<String>, next: impl Into<String>) -> Finding {
        Finding::Warn(what.into(), next.into())
    }
}

/// `understudy doctor CMD`: status 0 if it can work, 1 if it cannot.
pub fn main(args: Args) -> Result<ExitCode> {
    let mut findings = program(&args.command[0]);
    findings.push(match library::find() {
        Ok(path) => Finding::Fine(format!("the library is {}", path.display())),
        Err(error) => split_advice(&error),
    });
    match args.net.wanted() {
        Ok(Wanted::Local) => findings.push(Finding::Fine("net local: needs no privileges".into())),
        Ok(Wanted::Running(brief)) => {
            findings.push(Finding::Fine(format!("net {} is known", brief.name)));
        }
        Ok(Wanted::New { config, .. }) => findings.extend(net(&config)),
        Err(error) => findings.push(split_advice(&error)),
    }
    findings.extend(datagram_queue());
    for finding in &findings {
        match finding {
            Finding::Fine(what) => say!("  ok    {what}"),
            Finding::Warn(what, next) => say!("  warn  {what}\n        next: {next}"),
            Finding::Bad(what, next) => say!("  BAD   {what}\n        next: {next}"),
        }
    }
    let name = args.command[0].to_string_lossy();
    if findings.iter().any(Finding::is_bad) {
        say!("{name} cannot run on Understudy like this.");
        return Ok(ExitCode::FAILURE);
    }
    say!("{name} can run on Understudy: understudy run -- {name}");
    Ok(ExitCode::SUCCESS)
}

fn split_advice(error: &anyhow::Error) -> Finding {
    let text = format!("{error:#}");
    match text.split_once("\n  next: ") {
        Some((what, next)) => Finding::bad(what, next),
        None => Finding::bad(text, "give --net a file that can be read and is right"),
    }
}

/// Whether the preload can work under the program `name` (looked up in PATH as `execvp` does).
pub fn program(name: &OsStr) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut name = name.to_owned();
    // A script's interpreter may itself be a script; Linux follows five times.
    for _ in 0..5 {
        let path = match find(&name) {
            Ok(path) => path,
            Err(finding) => {
                findings.push(finding);
                return findings;
            }
        };
        match one_file(&path, &mut findings) {
            Some(next) => name = next,
            None => return findings,
        }
    }
    findings.push(Finding::bad("too many scripts call each other", "check their #! lines"));
    findings
}

/// Checks one file; the interpreter if it is a script.
fn one_file(path: &Path, findings: &mut Vec<Finding>) -> Option<OsString> {
    let shown = path.display();
    let wrong = |e: std::io::Error| {
        Finding::bad(
            format!("{shown} cannot be read: {e}"),
            "make it readable, or run as its owner",
        )
    };
    match elf::read(path).and_then(|elf| Ok((elf, path.metadata()?))) {
        Err(e) => findings.push(wrong(e)),
        Ok((Some(elf), meta)) => {
            findings.extend(binary(path, &elf));
            findings.extend(privileged(path, &meta));
        }
        Ok((None, _)) => match shebang(path) {
            Err(e) => findings.push(wrong(e)),
            Ok(None) => findings.push(Finding::bad(
                format!("{shown} is neither an ELF program nor a script with a #! line"),
                "name the program that runs it, like `sh FILE`",
            )),
            Ok(Some(interpreter)) => {
                let interpreter_shown = interpreter.to_string_lossy();
                findings.push(Finding::Fine(format!("{shown} is a script of {interpreter_shown}")));
                return Some(interpreter);
            }
        },
    }
    None
}

/// The file that `execvp` would run.
fn find(name: &OsStr) -> Result<PathBuf, Finding> {
    let shown = name.to_string_lossy();
    let usable = |path: &Path| match path.metadata() {
        Ok(meta) if meta.is_dir() => Err(format!("{} is a directory", path.display())),
        Ok(meta) if meta.mode() & 0o111 == 0 => {
            Err(format!("{} is not executable", path.display()))
        }
        Ok(_) => Ok(path.to_owned()),
        Err(e) => Err(format!("{}: {e}", path.display())),
    };
    if name.as_bytes().contains(&b'/') {
        let next = "give the path of an executable file (chmod +x makes one)";
        return usable(Path::new(name)).map_err(|what| Finding::bad(what, next));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let found = std::env::split_paths(&path).map(|d| d.join(name)).find(|p| usable(p).is_ok());
    found.ok_or_else(|| {
        let next = format!("install it (`apt install {shown}`?), or give its whole path");
        Finding::bad(format!("there is no program {shown} in PATH"), next)
    })
}

/// The interpreter in the `#!` line; behind `env`, the program that `env` would start.
fn shebang(path: &Path) -> std::io::Result<Option<OsString>> {
    let mut head = [0u8; 256];
    let mut file = std::fs::File::open(path)?;
    let mut len = 0;
    while len < head.len() {
        match file.read(&mut head[len..])? {
            0 => break,
            n => len += n,
        }
    }
    let Some(line) = head[..len].strip_prefix(b"#!") else { return Ok(None) };
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    let Some(first) = words.next() else { return Ok(None) };
    if first.ends_with(b"/env") {
        // `env -S prog args`, `env NAME=value prog`.
        let program = words.find(|w| !w.starts_with(b"-") && !w.contains(&b'='));
        return Ok(program.map(|p| OsStr::from_bytes(p).to_owned()));
    }
    Ok(Some(OsStr::from_bytes(first).to_owned()))
}

/// Static, another architecture, another C library, Go.
fn binary(path: &Path, elf: &elf::Elf) -> Vec<Finding> {
    let shown = path.display();
    let mine = std::env::consts::ARCH;
    let bits = if cfg!(target_pointer_width = "64") { 64 } else { 32 };
    if elf.go {
        let what =
            format!("{shown} is a Go program: it makes system calls itself, not by the C library");
        return vec![Finding::bad(
            what,
            "give it the wire instead of the preload (a TAP in its namespace)",
        )];
    }
    let Some(interpreter) = &elf.interpreter else {
        let what = format!("{shown} is statically linked: there is no loader to preload anything");
        return vec![Finding::bad(what, "use or build a dynamically linked one (without -static)")];
    };
    if elf.bits != bits || elf.machine != mine {
        let what = format!(
            "{shown} is a {}-bit {} program, the library is {bits}-bit {mine}",
            elf.bits, elf.machine
        );
        let next =
            "use a program of the library's architecture, or build the library for the program's";
        return vec![Finding::bad(what, next)];
    }
    if interpreter.contains("musl") != cfg!(target_env = "musl") {
        let what = format!("{shown} uses another C library ({interpreter}) than libunderstudy.so");
        let next = "build Understudy for that C library (`--target ...-linux-musl`)";
        return vec![Finding::bad(what, next)];
    }
    vec![Finding::Fine(format!("{shown} is a dynamically linked {bits}-bit {mine} program"))]
}

/// ld.so(8), secure-execution mode: when the kernel raises privileges at exec, LD_PRELOAD with a
/// slash in it is ignored.
fn privileged(path: &Path, meta: &Metadata) -> Vec<Finding> {
    let shown = path.display();
    let mut findings = Vec::new();
    let changes = [
        (0o4000, meta.uid() != rustix::process::getuid().as_raw(), "setuid"),
        (0o2010, meta.gid() != rustix::process::getgid().as_raw(), "setgid"),
    ];
    for (mode, other, name) in changes {
        if meta.mode() & mode != mode {
            continue;
        }
        if other {
            let what = format!("{shown} is {name}: the loader ignores LD_PRELOAD");
            let next = format!(
                "run a copy without that bit (`cp {shown} .`), or run as whom it changes to"
            );
            findings.push(Finding::bad(what, next));
        } else {
            let what = format!("{shown} is {name}, but changes nothing for you");
            findings.push(Finding::warn(what, "other users cannot preload anything into it"));
        }
    }
    let mut value = [0u8; 64];
    let capable = rustix::fs::getxattr(path, "security.capability", &mut value).is_ok();
    if capable && !rustix::process::getuid().is_root() {
        let what = format!("{shown} has file capabilities: the loader ignores LD_PRELOAD");
        findings.push(Finding::bad(what, format!("run a copy without them (`cp {shown} .`)")));
    }
    findings
}

/// Whether the net's links can be opened by this user.
pub fn net(config: &NetConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in &config.links {
        let device = &link.spec.device;
        findings.push(match device {
            Device::Packet(name) if !interface_exists(name) => Finding::bad(
                format!("there is no network interface {name} here"),
                "`ip link` lists them; a net namespace has its own",
            ),
            Device::Packet(name) if !capable(CAP_NET_RAW) => Finding::bad(
                format!("link packet:{name} needs the capability CAP_NET_RAW"),
                "run as root, or `setcap cap_net_raw+ep` this tool, or use a stream link to passt",
            ),
            Device::Tap(name) if !capable(CAP_NET_ADMIN) && !interface_exists(name) => {
                Finding::bad(
                    format!(
                        "link tap:{name} needs the capability CAP_NET_ADMIN to make the interface"
                    ),
                    "run as root, or have root make it (`ip tuntap add NAME mode tap user YOU`)",
                )
            }
            Device::Tap(name) if !Path::new("/dev/net/tun").exists() => Finding::bad(
                format!("link tap:{name} needs /dev/net/tun, which is not there"),
                "`modprobe tun`, or give the container the device",
            ),
            Device::Stream(path) if !Path::new(path).exists() => Finding::warn(
                format!("nobody has made the socket {path} yet"),
                "start the peer first (a net with a stream-listen link, passt, QEMU)",
            ),
            _ => Finding::Fine(format!("link {device} can be opened")),
        });
    }
    if config.links.is_empty() {
        findings.push(Finding::Fine(format!("net {} has no links", config.name)));
    }
    findings
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Whether this process has a capability in effect (proc(5), CapEff).
fn capable(capability: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    let mask = line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << capability) != 0
}

fn interface_exists(name: &str) -> bool {
    // proc(5): /proc/net is the reader's own net namespace, /sys/class/net the mounter's.
    let list = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    list.lines().any(|l| l.split(':').next().is_some_and(|n| n.trim() == name) && l.contains(':'))
}

/// unix(7): how many datagrams wait for a receiver.
fn datagram_queue() -> Option<Finding> {
    const FILE: &str = "/proc/sys/net/unix/max_dgram_qlen";
    let text = std::fs::read_to_string(FILE).ok()?;
    let length: u32 = text.trim().parse().ok()?;
    (length < 128).then(|| {
        Finding::warn(
            format!("only {length} datagrams can wait for a local receiver; more are lost"),
            "for much local UDP: `sysctl -w net.unix.max_dgram_qlen=512`, before programs start",
        )
    })
}
