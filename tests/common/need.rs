//! What a test needs of the machine. If it is not there the test says so and ends; `tests/run` sets
//! `UNDERSTUDY_TEST_STRICT` where nothing may be missing, and then it fails.
use super::wait::wait_within;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Ends the calling test, aloud, unless the named programs and network namespaces are there.
#[macro_export]
macro_rules! need {
    ($($program:literal),* $(,)?) => {
        if let Some(missing) = $crate::common::need::missing(&[$($program),*]) {
            $crate::common::need::skip(&missing);
            return;
        }
    };
}

/// Ends the calling test, aloud, unless it runs as root.
#[macro_export]
macro_rules! need_root {
    () => {
        if !$crate::common::need::root() {
            $crate::common::need::skip("root");
            return;
        }
    };
}

/// Ends the calling test, aloud, unless this kernel lets programs put filters on sockets and on
/// themselves. Not even `UNDERSTUDY_TEST_STRICT` asks for it: nothing that can be installed helps.
#[macro_export]
macro_rules! need_filters {
    () => {
        if !$crate::common::need::filters() {
            $crate::common::need::skip_anyhow("a kernel that attaches filters (its BPF is stuck)");
            return;
        }
    };
}

/// Says that a test was not run. Not `eprintln!`, which is silent in a test that passes.
pub fn skip(missing: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    if std::env::var_os("UNDERSTUDY_TEST_STRICT").is_some() {
        panic!("{name} needs {missing}, and nothing may be missing here");
    }
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} needs {missing}");
}

/// Says the same where the machine cannot be made to have it.
pub fn skip_anyhow(missing: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} needs {missing}");
}

/// Whether attaching a filter to a socket comes back. A kernel whose BPF compiler is stuck (a queue
/// of programs that wait to be freed can do that) keeps whoever tries for ever, and nothing ends it
/// but a reboot: so a process of its own tries, and is given up.
pub fn filters() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    *WORK.get_or_init(|| {
        let attach = "import ctypes, socket, struct\n\
            take = ctypes.create_string_buffer(struct.pack('HBBI', 6, 0, 0, 0xffffffff))\n\
            program = struct.pack('HxxxxxxP', 1, ctypes.addressof(take))\n\
            socket.socket(socket.AF_UNIX).setsockopt(socket.SOL_SOCKET, 26, program)";
        let mut python = Command::new("python3");
        let quiet = python.args(["-c", attach]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = quiet.spawn() else { return true };
        let patience = Duration::from_secs(15);
        wait_within(patience, || child.try_wait().transpose()).is_some()
    })
}

/// What of `programs`, or else of the namespaces that every test needs, is not there.
pub fn missing(programs: &[&str]) -> Option<String> {
    let absent: Vec<_> = programs.iter().filter(|p| !in_path(p)).copied().collect();
    if !absent.is_empty() {
        return Some(format!("{} (not installed)", absent.join(", ")));
    }
    (!namespaces()).then(|| "network namespaces (root, or user namespaces allowed)".into())
}

/// Whether the tests run as root.
pub fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let admin = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&path).chain(admin).any(|dir| dir.join(program).is_file())
}

fn namespaces() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        let mut probe = Command::new("unshare");
        probe.args(super::netns::unshare_flags()).arg("true");
        probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    })
}
