//! What a test needs of the machine. If it is not there the test says so and ends; `tests/run` sets
//! `UNDERSTUDY_TEST_STRICT` where nothing may be missing, and then it fails.
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

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

/// Says that a test was not run. Not `eprintln!`, which is silent in a test that passes.
pub fn skip(missing: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    if std::env::var_os("UNDERSTUDY_TEST_STRICT").is_some() {
        panic!("{name} needs {missing}, and nothing may be missing here");
    }
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name} needs {missing}");
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
