//! The settings of the namespace that scripts change (`sysctl net.ipv4.tcp_...`), in our words.
//! What the stack has no word for is left alone.
use understudy::base::Duration;
use understudy::base::FastOpenKeys;
use understudy::host::file;
use understudy::stack::tcp::{Ecn, FastOpenBits, SynCookies, TcpConfig};

/// Longest file, bytes.
const SIZE_MAX: usize = 4_096;
/// Those that are read.
const NAMES: [&str; 21] = [
    "tcp_rmem",
    "tcp_wmem",
    "tcp_timestamps",
    "tcp_window_scaling",
    "tcp_syn_retries",
    "tcp_syn_linear_timeouts",
    "tcp_rfc1337",
    "tcp_retries2",
    "tcp_fin_timeout",
    "tcp_congestion_control",
    "tcp_allowed_congestion_control",
    "tcp_sack",
    "tcp_ecn",
    "tcp_tso_win_divisor",
    "tcp_min_tso_segs",
    "tcp_slow_start_after_idle",
    "tcp_fastopen",
    "tcp_fastopen_key",
    "tcp_synack_retries",
    "tcp_syncookies",
    "tcp_abort_on_overflow",
];

/// Their values, as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sysctls([Option<String>; NAMES.len()]);

impl Sysctls {
    /// As they are now.
    pub fn read() -> Sysctls {
        Sysctls(NAMES.map(|name| {
            let bytes = file::read(&format!("/proc/sys/net/ipv4/{name}"), SIZE_MAX).ok()?;
            Some(String::from_utf8_lossy(&bytes).trim().to_owned())
        }))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let index = NAMES.iter().position(|n| *n == name)?;
        self.0[index].as_deref()
    }

    /// The `index`th number of one.
    fn number(&self, name: &str, index: usize) -> Option<u64> {
        self.text(name)?.split_whitespace().nth(index)?.parse().ok()
    }

    fn on(&self, name: &str, otherwise: bool) -> bool {
        self.number(name, 0).map_or(otherwise, |n| n != 0)
    }

    /// A namespace cannot be set to an algorithm that its host does not allow to it. Every script
    /// wants cubic first; where that is not possible, what is set is the host's own default, which
    /// no script has asked for.
    fn congestion(&self) -> &str {
        let allowed = self.text("tcp_allowed_congestion_control").unwrap_or("");
        match self.text("tcp_congestion_control") {
            Some("bbr") | None if !allowed.split(' ').any(|name| name == "cubic") => "cubic",
            Some(name) => name,
            None => "cubic",
        }
    }

    /// The stack's defaults for new connections.
    pub fn tcp_config(&self) -> TcpConfig {
        let own = TcpConfig::default();
        let size = |name, otherwise| self.number(name, 2).map_or(otherwise, |n| n as usize);
        let count = |name, otherwise| self.number(name, 0).map_or(otherwise, |n| n as u8);
        let seconds = |name, otherwise| self.number(name, 0).map_or(otherwise, Duration::from_secs);
        TcpConfig {
            send_buffer: size("tcp_wmem", own.send_buffer),
            receive_buffer: size("tcp_rmem", own.receive_buffer),
            syn_retries: count("tcp_syn_retries", own.syn_retries),
            rfc1337: self.on("tcp_rfc1337", own.rfc1337),
            syn_linear_timeouts: count("tcp_syn_linear_timeouts", own.syn_linear_timeouts),
            retries: count("tcp_retries2", own.retries),
            fin_wait2: seconds("tcp_fin_timeout", own.fin_wait2),
            window_scaling: self.on("tcp_window_scaling", own.window_scaling),
            timestamps: self.on("tcp_timestamps", own.timestamps),
            congestion: self.congestion().to_owned(),
            sack: self.on("tcp_sack", own.sack),
            ecn: match self.number("tcp_ecn", 0) {
                Some(0) => Ecn::Off,
                Some(1) => Ecn::On,
                _ => Ecn::Accept,
            },
            slow_start_after_idle: self.on("tcp_slow_start_after_idle", own.slow_start_after_idle),
            tso_window_divisor: self.number("tcp_tso_win_divisor", 0).map_or(3, |n| n as u32),
            fast_open: self
                .number("tcp_fastopen", 0)
                .map_or(own.fast_open, |bits| FastOpenBits(bits as u32)),
            fast_open_keys: self.fast_open_keys(),
            synack_retries: count("tcp_synack_retries", own.synack_retries),
            min_tso_segments: self.number("tcp_min_tso_segs", 0).map_or(2, |n| n as u32),
            syn_cookies: match self.number("tcp_syncookies", 0) {
                Some(0) => SynCookies::Off,
                Some(2) => SynCookies::Always,
                _ => SynCookies::Auto,
            },
            abort_on_overflow: self.on("tcp_abort_on_overflow", own.abort_on_overflow),
            ..own
        }
    }

    /// One key, or two: each is four words in hexadecimal.
    fn fast_open_keys(&self) -> Option<FastOpenKeys> {
        let mut bytes = Vec::new();
        for key in self.text("tcp_fastopen_key")?.split(',') {
            for word in key.split('-') {
                let word = u32::from_str_radix(word.trim(), 16).ok()?;
                bytes.extend(word.to_le_bytes());
            }
        }
        FastOpenKeys::from_bytes(&bytes)
    }
}
