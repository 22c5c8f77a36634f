//! nginx and curl, each on either side of the wire, and through our own TCP on one side alone.
use crate::common::wire::{OURS4, OURS6, PEER4, PEER6, Plan, Wire};
use crate::common::{Host, Mode, Program};
use crate::{need, need_root};

on_both! { the_kernel_fetches_from_our_nginx, our_clients_fetch_from_the_kernels_nginx }

/// Three megabytes that are not the same everywhere.
pub fn blob() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(2);
    (0..3_000_000).map(|_| rng.u8(..)).collect()
}

/// nginx with two workers on all addresses, port 80.
pub fn start_nginx(host: &Host) -> Program {
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
                listen 80; listen [::]:80;
                location /who {{ return 200 \"$remote_addr $server_addr $server_port\\n\"; }}
              }}
            }}"
        ),
    );
    host.tcp_server(host.task(&["nginx", "-e", "stderr", "-c", &config]), 80)
}

/// Fetches what nginx has with curl; `from` is the client's address as the server should see it.
pub fn fetch(client: &Host, server: &str, from: &str) {
    let curl = |path: &str| {
        let host = if server.contains(':') { format!("[{server}]") } else { server.to_owned() };
        let url = format!("http://{host}{path}");
        client.task(&["curl", "-sS", "--fail", "-g", &url, "-o", "got", "--max-time", "50"]).ok();
        std::fs::read(client.path("got")).unwrap()
    };
    assert_eq!(curl("/"), b"<h1>Understudy</h1>\n");
    assert_eq!(String::from_utf8(curl("/who")).unwrap(), format!("{from} {server} 80\n"));
    assert!(curl("/blob") == blob(), "curl got other bytes from {server}");
}

fn the_kernel_fetches_from_our_nginx(mode: Mode) {
    need!("nginx", "curl", "ab");
    need_root!();
    let wire = Wire::new(mode);
    let _nginx = start_nginx(&wire.ours);
    fetch(&wire.peer, OURS4, PEER4);
    fetch(&wire.peer, OURS6, PEER6);
    let ab = wire.peer.line(&format!("ab -q -n 1000 -c 20 http://{OURS4}/")).ok();
    let failed = ab.lines().find(|l| l.starts_with("Failed requests:")).unwrap_or("nothing said");
    assert!(failed.ends_with(" 0"), "{ab}");
}

fn our_clients_fetch_from_the_kernels_nginx(mode: Mode) {
    need!("nginx", "curl", "wget");
    need_root!();
    let wire = Wire::new(mode);
    let _nginx = start_nginx(&wire.peer);
    fetch(&wire.ours, PEER4, OURS4);
    fetch(&wire.ours, PEER6, OURS6);
    let page = wire.ours.line(&format!("wget -q -O - http://{PEER4}/")).ok();
    assert_eq!(page, "<h1>Understudy</h1>\n");
}

#[test]
fn our_own_tcp_between_two_local_programs() {
    need!("nginx", "curl");
    need_root!();
    let mut plan = Plan::new(Mode::Understudy);
    plan.net = "loopback = \"tcp\"".into();
    let wire = plan.build();
    let _nginx = start_nginx(&wire.ours);
    fetch(&wire.ours, "127.0.0.1", "127.0.0.1");
    fetch(&wire.ours, "::1", "::1");
    fetch(&wire.ours, OURS4, OURS4);
    // The wire is still there.
    fetch(&wire.peer, OURS4, PEER4);
}

#[test]
fn local_programs_of_a_net_with_a_wire() {
    need!("nginx", "curl");
    need_root!();
    let wire = Wire::new(Mode::Understudy);
    let _nginx = start_nginx(&wire.ours);
    fetch(&wire.ours, "127.0.0.1", "127.0.0.1");
    fetch(&wire.ours, OURS4, OURS4);
    fetch(&wire.ours, OURS6, OURS6);
}
