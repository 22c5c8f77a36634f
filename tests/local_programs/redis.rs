//! redis: a server on epoll, its benchmark, and a fork that saves while clients go on.
use crate::common::{Host, Mode, Program, wait_for};
use crate::need;

on_both! { redis_answers, redis_benchmark, redis_saves_under_load }

fn start_redis(host: &Host) -> Program {
    let line = "redis-server --port 6379 --bind 127.0.0.1 ::1 --appendonly no --save";
    host.tcp_server(host.line(line).args(&[""]), 6379)
}

fn cli(host: &Host, words: &str) -> String {
    host.line(&format!("redis-cli -h 127.0.0.1 {words}")).ok().trim().into()
}

fn redis_answers(mode: Mode) {
    need!("redis-server", "redis-cli");
    let host = Host::local(mode);
    let server = start_redis(&host);
    assert_eq!(cli(&host, "PING"), "PONG");
    assert_eq!(cli(&host, "SET play hamlet"), "OK");
    assert_eq!(host.line("redis-cli -h ::1 GET play").ok().trim(), "hamlet");
    let clients = cli(&host, "CLIENT LIST");
    assert!(clients.contains("addr=127.0.0.1:") && clients.contains("laddr=127.0.0.1:6379"));
    // A script of many commands through one pipe.
    let script: String = (0..500).map(|i| format!("SET key{i} {i}\n")).collect();
    let piped = host.line("redis-cli -h 127.0.0.1").input(script).ok();
    assert_eq!(piped.matches("OK").count(), 500);
    assert_eq!(cli(&host, "DBSIZE"), "501");
    // The server hangs up first here.
    host.line("redis-cli -h 127.0.0.1 SHUTDOWN NOSAVE").ok();
    server.finish().ok();
}

fn redis_benchmark(mode: Mode) {
    need!("redis-server", "redis-benchmark");
    let host = Host::local(mode);
    let _server = start_redis(&host);
    for options in ["-n 10000 -c 50", "-n 20000 -c 50 -P 16", "-n 2000 -c 10 -d 100000"] {
        let line = format!("redis-benchmark -h 127.0.0.1 -q -t set,get {options}");
        let said = host.line(&line).ok();
        assert_eq!(said.matches("requests per second").count(), 2, "{said}");
        assert!(!said.contains("Error"), "{said}");
    }
}

fn redis_saves_under_load(mode: Mode) {
    need!("redis-server", "redis-cli", "redis-benchmark");
    let host = Host::local(mode);
    let _server = start_redis(&host);
    let line = "redis-benchmark -h 127.0.0.1 -q -t set -n 40000 -c 20 -d 1000 -r 10000";
    let mut load = host.line(line).start();
    wait_for("some keys", || cli(&host, "DBSIZE").parse::<u32>().unwrap() > 100);
    let mut saves = 0;
    while load.alive() || saves == 0 {
        assert!(cli(&host, "BGSAVE").contains("saving started"));
        wait_for("the save", || cli(&host, "INFO persistence").contains("bgsave_in_progress:0"));
        assert!(cli(&host, "INFO persistence").contains("rdb_last_bgsave_status:ok"));
        saves += 1;
    }
    load.finish().ok();
    assert!(host.path("dump.rdb").metadata().unwrap().len() > 10_000);
}
