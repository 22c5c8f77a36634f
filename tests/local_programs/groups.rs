//! Groups in the net `local`, where there is no engine and no wire.
use crate::common::{Host, Mode, artifacts};
use crate::need;

/// RFC 1112 6, 7: programs of one machine are in a group together; who left it gets no more. (Linux
/// needs a route for that where there is only `lo`.)
#[test]
fn programs_in_a_group() {
    need!("python3");
    let host = Host::local(Mode::Understudy);
    let script = artifacts::root().join("tests/programs/group_member.py");
    let script = script.to_str().unwrap();
    for group in ["224.1.1.1", "ff15::5"] {
        let argv = ["python3", "-u", script, group, "0.0.0.0", "5010"];
        let mut members = [host.task(&argv).start(), host.task(&argv).start()];
        for member in &mut members {
            member.wait_until_it_says("ready\n");
        }
        let send = format!(
            "import socket\n\
             six = ':' in {group:?}\n\
             s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)\n\
             other = {group:?}[:-1] + '9'\n\
             for where, what in (({group:?}, b'one'), (other, b'not this'), ({group:?}, b'end')):\n\
             \x20   assert s.sendto(what, (where, 5010)) == len(what)\n"
        );
        host.python(&send).ok();
        let from = if group.contains(':') { "::1" } else { "127.0.0.1" };
        for member in members {
            let said = member.finish().ok();
            assert_eq!(said, format!("ready\none from {from}\nend from {from}\n"));
        }
    }
}
