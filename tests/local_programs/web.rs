//! Web servers and their clients: nginx, Python's; curl, wget, wrk, ab.
use crate::common::{Host, Mode, Program, wait_for};
use crate::need;
use rustix::process::Signal;

on_both! {
    nginx_with_shared_listeners, nginx_with_reuseport, nginx_reloads_under_load,
    nginx_quits_gracefully, python_serves_files,
}

/// nginx with two workers; `options` go behind `listen`.
struct Nginx {
    master: Program,
}

/// As many bytes as make several buffers of everything on the way.
fn blob() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    (0..5_000_000).map(|_| rng.u8(..)).collect()
}

fn start_nginx(host: &Host, options: &str) -> Nginx {
    let root = host.path("root");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("index.html"), "<h1>Understudy</h1>\n").unwrap();
    std::fs::write(root.join("blob"), blob()).unwrap();
    let folder = host.folder().display();
    let config = host.file(
        "nginx.conf",
        format!(
            "worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log stderr notice;
            events {{ worker_connections 512; }}
            http {{
              access_log off; sendfile on; root {folder}/root;
              client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
              fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
              scgi_temp_path {folder}/t5;
              server {{
                listen 127.0.0.1:8080 {options}; listen [::1]:8080 {options};
                location /who {{ return 200 \"$remote_addr $server_addr $server_port\\n\"; }}
              }}
            }}"
        ),
    );
    let master = host.tcp_server(host.task(&["nginx", "-e", "stderr", "-c", &config]), 8080);
    Nginx { master }
}

/// Every client gets what the server has, over both families.
fn serves(host: &Host) {
    let page = host.line("curl -sS --fail http://127.0.0.1:8080/").ok();
    assert_eq!(page, "<h1>Understudy</h1>\n");
    let page = host.line("wget -q -O - http://127.0.0.1:8080/").ok();
    assert_eq!(page, "<h1>Understudy</h1>\n");
    let who = host.line("curl -sS --fail http://127.0.0.1:8080/who").ok();
    assert_eq!(who, "127.0.0.1 127.0.0.1 8080\n");
    let who = host.line("curl -sS --fail http://[::1]:8080/who").ok();
    assert_eq!(who, "::1 ::1 8080\n");
    host.line("curl -sS --fail -o got http://127.0.0.1:8080/blob").ok();
    assert!(std::fs::read(host.path("got")).unwrap() == blob(), "curl got other bytes");
    host.line("wget -q -O got http://[::1]:8080/blob").ok();
    assert!(std::fs::read(host.path("got")).unwrap() == blob(), "wget got other bytes");

    let wrk = host.line("wrk -t2 -c32 -d2s http://127.0.0.1:8080/").ok();
    assert!(wrk.contains("requests in"), "{wrk}");
    assert!(!wrk.contains("Socket errors") && !wrk.contains("Non-2xx"), "{wrk}");
    for keep_alive in ["", "-k "] {
        let line = format!("ab -q -n 3000 -c 20 {keep_alive}http://127.0.0.1:8080/");
        let ab = host.line(&line).ok();
        let has = |name: &str, value: &str| {
            ab.lines().any(|l| l.starts_with(name) && l.split_whitespace().last() == Some(value))
        };
        assert!(has("Complete requests:", "3000") && has("Failed requests:", "0"), "{ab}");
    }
}

fn nginx_with_shared_listeners(mode: Mode) {
    need!("nginx", "curl", "wget", "wrk", "ab");
    let host = Host::local(mode);
    let _nginx = start_nginx(&host, "");
    serves(&host);
}

fn nginx_with_reuseport(mode: Mode) {
    need!("nginx", "curl", "wget", "wrk", "ab");
    let host = Host::local(mode);
    let _nginx = start_nginx(&host, "reuseport");
    serves(&host);
}

fn workers_started(nginx: &Nginx) -> usize {
    nginx.master.said().matches("start worker process ").count()
}

fn nginx_reloads_under_load(mode: Mode) {
    need!("nginx", "wrk", "curl");
    for options in ["", "reuseport"] {
        let host = Host::local(mode);
        let nginx = start_nginx(&host, options);
        // Before that nginx's master notes a signal, and then sleeps until the next.
        wait_for("the first workers", || workers_started(&nginx) == 2);
        let load = host.line("wrk -t1 -c16 -d4s http://127.0.0.1:8080/").start();
        for round in 1..=3 {
            nginx.master.signal(Signal::HUP);
            wait_for("two new workers", || workers_started(&nginx) == 2 + 2 * round);
            host.line("curl -sS --fail -o got http://127.0.0.1:8080/blob").ok();
            assert!(std::fs::read(host.path("got")).unwrap() == blob(), "curl got other bytes");
        }
        let said = load.finish().ok();
        // An old worker hangs up on idle connections (wrk calls that a read error); none is
        // refused.
        assert!(!said.contains("Non-2xx"), "{said}");
        let bad = said.split_once("Socket errors:").map_or("", |(_, rest)| rest);
        assert!(bad.is_empty() || bad.trim_start().starts_with("connect 0"), "{said}");
    }
}

fn nginx_quits_gracefully(mode: Mode) {
    need!("nginx", "curl");
    let host = Host::local(mode);
    let nginx = start_nginx(&host, "");
    let slow = "curl -sS --fail --limit-rate 2M -o slow http://127.0.0.1:8080/blob";
    let download = host.line(slow).start();
    wait_for("the download to begin", || {
        host.path("slow").metadata().is_ok_and(|file| file.len() > 100_000)
    });
    nginx.master.signal(Signal::QUIT);
    wait_for("the port to be free", || !host.tcp_listens(8080));
    let refused = host.line("curl -sS http://127.0.0.1:8080/").finish();
    assert_eq!(refused.status.code(), Some(7), "{refused}");
    download.finish().ok();
    assert!(std::fs::read(host.path("slow")).unwrap() == blob(), "the download was cut");
    nginx.master.finish().ok();
}

fn python_serves_files(mode: Mode) {
    need!("python3", "curl", "wget");
    let host = Host::local(mode);
    host.file("blob", blob());
    let _server = host.tcp_server(host.line("python3 -m http.server 8000"), 8000);
    host.line("curl -sS --fail -o got http://127.0.0.1:8000/blob").ok();
    assert!(std::fs::read(host.path("got")).unwrap() == blob(), "curl got other bytes");
    host.line("wget -q -O got http://127.0.0.1:8000/blob").ok();
    assert!(std::fs::read(host.path("got")).unwrap() == blob(), "wget got other bytes");
}
