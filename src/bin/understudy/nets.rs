//! Nets as the user names them: a file, options of the command line, or the name of one that is up.
use crate::advice::advice;
use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use understudy::net::NetConfig;
use understudy::net::file;
use understudy::net::{Brief, brief_paths, is_net_name};

/// Options that describe a net.
#[derive(clap::Args, Debug, Default)]
pub struct NetArgs {
    /// A net's TOML file, or the name of a net that is up
    #[arg(long, value_name = "FILE|NAME")]
    #[arg(conflicts_with_all = ["link", "addr", "gateway", "outside", "loopback"])]
    pub net: Option<String>,
    /// Where frames go: packet:IFNAME, tap:NAME, stream:PATH or stream-listen:PATH, with options
    /// behind it (packet:eth0,delay=20ms,loss=2%)
    #[arg(long, value_name = "SPEC", requires = "addr")]
    pub link: Option<String>,
    /// An address of the net with its prefix length (10.0.0.2/24); may be repeated
    #[arg(long, value_name = "CIDR")]
    pub addr: Vec<String>,
    /// A default router, one for each family; may be repeated
    #[arg(long, value_name = "IP", requires = "link")]
    pub gateway: Vec<String>,
    /// Other destinations: unreachable (the default) or host (the host's own network)
    #[arg(long, value_name = "POLICY", value_parser = ["unreachable", "host"])]
    pub outside: Option<String>,
    /// How local programs reach each other: direct (the default) or tcp (through the engine's TCP)
    #[arg(long, value_name = "MODE", value_parser = ["direct", "tcp"])]
    pub loopback: Option<String>,
}

/// What the options mean.
pub enum Wanted {
    /// The net `local`: nothing to start.
    Local,
    /// A net that is up, by its name.
    Running(Brief),
    /// A net to be made: its text (TOML) and what it says.
    New {
        /// The file's text.
        text: String,
        /// The same, read.
        config: NetConfig,
    },
}

/// The user that nets belong to.
pub fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Where this user's nets have their files.
pub fn runtime_dir() -> String {
    let xdg = std::env::var("XDG_RUNTIME_DIR").ok();
    understudy::net::runtime_dir(uid(), xdg.as_deref())
}

impl NetArgs {
    /// What is wanted.
    pub fn wanted(&self) -> Result<Wanted> {
        match self.net.as_deref() {
            Some("local") => Ok(Wanted::Local),
            // A word is a net that is up, a path is a file; a file of that name helps out.
            Some(name) if is_net_name(name) => match running(name)? {
                Some(brief) => Ok(Wanted::Running(brief)),
                None if Path::new(name).is_file() => read(name),
                None => Err(advice(
                    format!("no net named {name} is up, and there is no file of that name"),
                    "`understudy status` lists nets; start one with `understudy up FILE`",
                )),
            },
            Some(path) => read(path),
            None => self.described(),
        }
    }

    fn described(&self) -> Result<Wanted> {
        let plain = self.link.is_none() && self.addr.is_empty();
        if plain && self.outside.is_none() && self.loopback.is_none() {
            return Ok(Wanted::Local);
        }
        let strings = |list: &[String]| {
            toml::Value::Array(list.iter().map(|s| toml::Value::String(s.clone())).collect())
        };
        let mut table = toml::Table::new();
        table.insert("name".into(), format!("run-{}", std::process::id()).into());
        if !self.addr.is_empty() {
            table.insert("addresses".into(), strings(&self.addr));
        }
        if !self.gateway.is_empty() {
            table.insert("gateways".into(), strings(&self.gateway));
        }
        for (key, value) in [("outside", &self.outside), ("loopback", &self.loopback)] {
            if let Some(value) = value {
                table.insert(key.into(), value.clone().into());
            }
        }
        if let Some(link) = &self.link {
            let link = toml::Table::from_iter([("device".to_owned(), link.clone().into())]);
            table.insert("link".into(), toml::Value::Array(vec![link.into()]));
        }
        let text = toml::to_string(&table)?;
        // The text is ours: its line numbers would tell the user nothing.
        match file::parse(&text, "") {
            Ok(config) => Ok(Wanted::New { text, config }),
            Err(e) => Err(advice(e.message, "`understudy run --help` shows what is accepted")),
        }
    }
}

/// Reads a net's file.
pub fn read(path: &str) -> Result<Wanted> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the net's file {path} cannot be read"))?;
    let config = file::parse(&text, path)?;
    Ok(Wanted::New { text, config })
}

/// Whether a file is ours or root's: in /tmp somebody else may have put one there.
fn is_trusted(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.uid() == uid() || m.uid() == 0)
}

/// The brief that the engine of the net `name` has left, ours before root's.
pub fn running(name: &str) -> Result<Option<Brief>> {
    let xdg = std::env::var("XDG_RUNTIME_DIR").ok();
    for path in brief_paths(name, uid(), xdg.as_deref()) {
        match std::fs::read_to_string(&path) {
            Ok(_) if !is_trusted(&path) => {
                let what = format!("{path} belongs to somebody else");
                return Err(advice(
                    what,
                    "remove it, or set XDG_RUNTIME_DIR to a directory of yours",
                ));
            }
            Ok(text) => {
                let brief = text.parse().with_context(|| format!("{path} is damaged"))?;
                return Ok(Some(brief));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).with_context(|| format!("{path} cannot be read")),
        }
    }
    Ok(None)
}

/// Every net that has left a brief for us to see: ours, then root's.
pub fn all() -> Vec<Brief> {
    let mut found: Vec<Brief> = Vec::new();
    for dir in [runtime_dir(), understudy::net::runtime_dir(0, None)] {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".net")?.to_owned()))
            .filter(|name| is_net_name(name))
            .collect();
        names.sort();
        for name in names {
            let path = format!("{dir}/{name}.net");
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Ok(brief) = text.parse::<Brief>()
                && is_trusted(&path)
                && !found.iter().any(|b| b.id == brief.id)
            {
                found.push(brief);
            }
        }
    }
    found
}

/// Whether the net's engine lives, though it cannot be reached: in another network namespace, which
/// has abstract names of its own. Known by the lock on its log.
pub fn lives_elsewhere(name: &str) -> bool {
    let logs = [runtime_dir(), understudy::net::runtime_dir(0, None)];
    logs.iter().filter_map(|d| std::fs::File::open(format!("{d}/{name}.log")).ok()).any(|log| {
        rustix::fs::flock(log, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    })
}

/// Removes what an engine of ours that was killed has left behind.
pub fn forget(name: &str) {
    let _ = std::fs::remove_file(format!("{}/{name}.net", runtime_dir()));
    forget_log(name);
}

/// Removes the log of an engine of ours that has ended.
pub fn forget_log(name: &str) {
    let _ = std::fs::remove_file(format!("{}/{name}.log", runtime_dir()));
}
