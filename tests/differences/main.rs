//! What Understudy does otherwise than Linux, shown on both. docs/COMPATIBILITY.md explains each; a
//! difference that goes away fails here, and comes off the page.
#[path = "../common/mod.rs"]
mod common;

use common::{Host, Mode, artifacts, need};

/// A function of `scenes.py`, what Linux gives, and what we do.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("low_port", "EACCES", "bound"),
    ("hang_up", "no HUP", "HUP"),
    ("linger_zero", "ECONNRESET", "the end"),
    ("full_backlog", "goes on trying", "ETIMEDOUT"),
    ("socket_filter", "attached", "ENOPROTOOPT"),
    ("other_user", "connected", "ECONNREFUSED"),
    ("more_on_udp", "4", "ENOTSUP"),
    ("notices_of_what_left", "None None", "ENOTSUP EINVAL"),
    ("seventeen_share", "17 share it", "EADDRINUSE at the 17th"),
    ("two_bound", "bound", "EADDRINUSE"),
    ("connect_to_oneself", "connected", "ECONNREFUSED"),
    ("failed_connect_name", "0.0.0.0", "127.0.0.1"),
    ("shut_rd", "more", "nothing"),
    ("in_the_kernels_tables", "seen", "not seen"),
    ("the_file_itself", "inet", "unix"),
];

fn scenes(mode: Mode, expected: fn(&(&'static str, &'static str, &'static str)) -> &'static str) {
    need!("python3");
    need_root!();
    let path = artifacts::root().join("tests/differences/scenes.py");
    let mut wrong = Vec::new();
    for scene in DIFFERENCES {
        if (mode, scene.0) == (Mode::Kernel, "socket_filter") && !need::filters() {
            need::skip_anyhow("a kernel that attaches filters (its BPF is stuck)");
            continue;
        }
        let mut host = Host::local(mode);
        host.quiet = true;
        let said = host.task(&["python3", "-B", path.to_str().unwrap(), scene.0]).ok();
        if said.trim() != expected(scene) {
            wrong.push(format!("{}: {} instead of {}", scene.0, said.trim(), expected(scene)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn linux_is_like_this() {
    scenes(Mode::Kernel, |scene| scene.1);
}

#[test]
fn understudy_is_like_that() {
    scenes(Mode::Understudy, |scene| scene.2);
}

#[test]
fn the_page_has_them_all() {
    let page = artifacts::root().join("docs/COMPATIBILITY.md");
    let page = std::fs::read_to_string(page).unwrap();
    for (scene, ..) in DIFFERENCES {
        assert!(page.contains(&format!("`{scene}`")), "{scene} is not in docs/COMPATIBILITY.md");
    }
}
