//! A machine for a test: a network namespace, a folder, and programs on the kernel's sockets or
//! ours.
use super::netns::Netns;
use super::task::{Program, Task};
use super::wait::wait_for;
use super::{artifacts, need};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use understudy::base::SocketAddr;
use understudy::protocol::name::{Name, Role};

/// Whose sockets the programs of a host use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The kernel's.
    Kernel,
    /// Ours, by `LD_PRELOAD`.
    Understudy,
}

/// A machine.
pub struct Host {
    /// Its network namespace.
    pub netns: Arc<Netns>,
    /// Whose sockets its programs use.
    pub mode: Mode,
    /// The name of the net that its programs are in; `None` for `local`.
    pub net: Option<String>,
    folder: TempDir,
    /// Whether programs are allowed to have used no socket at all.
    pub quiet: bool,
}

impl Host {
    /// A machine with nothing but a loopback.
    pub fn local(mode: Mode) -> Host {
        Self::on(Netns::new(), mode)
    }

    /// A machine in this namespace.
    pub fn on(netns: Arc<Netns>, mode: Mode) -> Host {
        let folder = tempfile::Builder::new().prefix("understudy-test-").tempdir().unwrap();
        // Servers that drop privileges must be able to read what we put there.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        Host { netns, mode, net: None, folder, quiet: false }
    }

    /// Its folder, gone after the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into its folder; its path as text.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().into()
    }

    /// A program on this host, on the sockets that [`Mode`] says.
    pub fn task(&self, argv: &[&str]) -> Task {
        match self.mode {
            Mode::Kernel => self.plain(argv),
            Mode::Understudy => {
                let preload = format!("LD_PRELOAD={}", artifacts::library().display());
                let net = format!("UNDERSTUDY_NET={}", self.net.as_deref().unwrap_or("local"));
                let mut all = vec!["env", &preload, &net];
                all.extend(argv);
                self.plain_titled(&all, &argv.join(" "))
            }
        }
    }

    /// A program given as one line, cut at blanks.
    pub fn line(&self, line: &str) -> Task {
        self.task(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// A shell script, on the sockets that [`Mode`] says.
    pub fn sh(&self, script: &str) -> Task {
        self.task(&["sh", "-c", script])
    }

    /// A Python script, on the sockets that [`Mode`] says.
    pub fn python(&self, script: &str) -> Task {
        self.task(&["python3", "-u", "-c", script])
    }

    /// A program on this host on the kernel's sockets, whatever the mode.
    pub fn plain(&self, argv: &[&str]) -> Task {
        self.plain_titled(argv, &argv.join(" "))
    }

    fn plain_titled(&self, argv: &[&str], title: &str) -> Task {
        Task::new(&self.netns.enter(argv), title, self.folder()).folder(self.folder())
    }

    /// All socket objects of ours in the namespace: what their names say, and whether they listen.
    pub fn objects(&self) -> Vec<(Role, bool)> {
        let table = self.netns.proc_net("unix");
        let rows = table.lines().skip(1).filter_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let name = columns.get(7)?.strip_prefix('@')?;
            // __SO_ACCEPTCON, the kernel's mark of a listening unix socket.
            let listens = u32::from_str_radix(columns[3], 16).ok()? & 0x10000 != 0;
            Some((Name::decode(name.as_bytes())?.role, listens))
        });
        rows.collect()
    }

    /// Whether somebody listens on a TCP port.
    pub fn tcp_listens(&self, port: u16) -> bool {
        match self.mode {
            Mode::Kernel => self.kernel_has(&["tcp", "tcp6"], port, Some("0A")),
            Mode::Understudy => self.objects().iter().any(|(role, listens)| {
                *listens && matches!(role, Role::Listener { local, .. } if local.port() == port)
            }),
        }
    }

    /// Whether somebody is bound to a UDP port.
    pub fn udp_bound(&self, port: u16) -> bool {
        match self.mode {
            Mode::Kernel => self.kernel_has(&["udp", "udp6"], port, None),
            Mode::Understudy => self.objects().iter().any(
                |(role, _)| matches!(role, Role::Datagram { local, .. } if local.port() == port),
            ),
        }
    }

    /// How many TCP connections there are with this server port, each counted once.
    pub fn connections_to(&self, port: u16) -> usize {
        match self.mode {
            Mode::Kernel => {
                let suffix = format!(":{port:04X}");
                let table = self.netns.proc_net("tcp");
                let rows = table.lines().filter(|line| {
                    let columns: Vec<_> = line.split_whitespace().collect();
                    columns.len() > 3 && columns[2].ends_with(&suffix) && columns[3] == "01"
                });
                rows.count()
            }
            Mode::Understudy => {
                let to = |address: &SocketAddr| address.port() == port;
                let clients = self.objects().into_iter().filter(
                    |(role, _)| matches!(role, Role::Endpoint { remote, .. } if to(remote)),
                );
                clients.count()
            }
        }
    }

    fn kernel_has(&self, tables: &[&str], port: u16, state: Option<&str>) -> bool {
        let suffix = format!(":{port:04X}");
        tables.iter().any(|table| {
            self.netns.proc_net(table).lines().skip(1).any(|line| {
                let columns: Vec<_> = line.split_whitespace().collect();
                columns.len() > 3
                    && columns[1].ends_with(&suffix)
                    && state.is_none_or(|state| columns[3] == state)
            })
        })
    }

    /// Starts a server and waits until it listens on a TCP port.
    pub fn tcp_server(&self, task: Task, port: u16) -> Program {
        let mut server = task.start();
        wait_for(&format!("a listener on TCP port {port}"), || {
            assert!(server.alive(), "the server ended: {}", server.said());
            self.tcp_listens(port)
        });
        server
    }

    /// Starts a server and waits until it is bound to a UDP port.
    pub fn udp_server(&self, task: Task, port: u16) -> Program {
        let mut server = task.start();
        wait_for(&format!("a socket on UDP port {port}"), || {
            assert!(server.alive(), "the server ended: {}", server.said());
            self.udp_bound(port)
        });
        server
    }

    /// How often the kernel's own TCP and UDP were used here since the namespace was made.
    pub fn kernel_traffic(&self) -> u64 {
        let tcp = ["ActiveOpens", "PassiveOpens", "InSegs"].map(|c| self.netns.snmp("Tcp", c));
        let udp = ["InDatagrams", "NoPorts", "OutDatagrams"].map(|c| self.netns.snmp("Udp", c));
        let snmp6 = self.netns.proc_net("snmp6");
        let udp6 = snmp6.lines().filter(|l| l.starts_with("Udp6OutDatagrams")).map(|line| {
            line.split_whitespace().nth(1).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0)
        });
        tcp.iter().sum::<u64>() + udp.iter().sum::<u64>() + udp6.sum::<u64>()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let traffic = self.kernel_traffic();
        match self.mode {
            Mode::Kernel => assert!(traffic > 0 || self.quiet, "the kernel was never used"),
            Mode::Understudy => assert_eq!(traffic, 0, "the kernel's TCP or UDP was used"),
        }
    }
}

/// Whether this machine can run the tests of this file at all; says so aloud if not.
pub fn possible() -> bool {
    need::missing(&[]).is_none_or(|missing| {
        need::skip(&missing);
        false
    })
}
