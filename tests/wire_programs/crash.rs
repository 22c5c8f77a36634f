//! The engine dies and comes back; programs stay.
use crate::common::wire::{OURS4, PEER4, Wire};
use crate::common::{Mode, wait_for};
use crate::web::{fetch, start_nginx};
use crate::{need, need_filters, need_root};

#[test]
fn an_engine_dies_under_load_and_comes_back() {
    need!("nginx", "curl", "wrk");
    need_root!();
    // A device of TAP goes with its engine.
    need_filters!();
    let mut wire = Wire::new(Mode::Understudy);
    let mut nginx = start_nginx(&wire.ours);
    fetch(&wire.peer, OURS4, PEER4);
    for _ in 0..2 {
        let load = format!("wrk -t1 -c16 -d20s http://{OURS4}/blob");
        let mut load = wire.peer.line(&load).start();
        wait_for("load", || wire.ours.objects().len() > 10);
        wire.kill_engine();
        // A local client does not need the engine.
        let page = wire.ours.line("curl -sS --fail http://127.0.0.1/").ok();
        assert_eq!(page, "<h1>Understudy</h1>\n");
        assert!(load.alive());
        load.kill_group();
        wire.start_engine();
        fetch(&wire.peer, OURS4, PEER4);
        assert!(nginx.alive());
    }
    assert_eq!(nginx.said().matches("start worker process ").count(), 2, "nginx started anew");
}

#[test]
fn connections_of_a_dead_engine_are_reset() {
    need!("python3");
    need_root!();
    need_filters!();
    let mut wire = Wire::new(Mode::Understudy);
    let server = "
import socket, sys
s = socket.create_server((sys.argv[1], 5000))
c, a = s.accept()
d, a = s.accept()
d.sendall(b'again')
";
    let _server = wire.peer.tcp_server(wire.peer.python(server).args(&[PEER4]), 5000);
    let client = "
import errno, os, socket, sys, time
c = socket.create_connection((sys.argv[1], 5000))
print('connected', flush=True)
try: c.recv(10); print('end', flush=True)
except OSError as e: print(errno.errorcode[e.errno], flush=True)
while not os.path.exists('back'): time.sleep(0.01)
d = socket.create_connection((sys.argv[1], 5000))
print(d.recv(10).decode())
";
    let mut client = wire.ours.python(client).args(&[PEER4]).start();
    client.wait_until_it_says("connected");
    wire.kill_engine();
    wait_for("the end of the connection", || client.said().lines().count() == 2);
    wire.start_engine();
    wire.ours.file("back", "");
    assert_eq!(client.finish().ok(), "connected\nECONNRESET\nagain\n");
}
