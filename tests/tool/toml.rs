//! A net's file: what is accepted, and that everything wrong is said with file, line, the line
//! itself and what would be right.
use understudy::net::RouteConfig;
use understudy::net::file::parse;
use understudy::net::{Loopback, Outside, Users};

fn error(text: &str) -> String {
    parse(text, "web.toml").expect_err(text).to_string()
}

#[test]
fn a_whole_file() {
    let text = include_str!("../../docs/example-net.toml");
    let net = parse(text, "example-net.toml").unwrap();
    assert_eq!(net.name, "web");
    assert_eq!(net.links.len(), 1);
    assert_eq!(net.links[0].addresses.len(), 2);
    let via = |ip: &str| RouteConfig::default_via(ip.parse().unwrap());
    assert_eq!(net.links[0].routes[..2], [via("10.0.0.1"), via("fd00::1")]);
    assert_eq!(net.links[0].routes[2].to.to_string(), "192.168.0.0/16");
    assert_eq!((net.outside, net.loopback), (Outside::Unreachable, Loopback::Direct));
    assert_eq!(net.users, Some(Users::Only(vec![1000, 1001])));
    assert_eq!(net.tcp.send_buffer, Some(4 << 20));
    assert_eq!(net.tcp.timestamps, Some(true));
}

#[test]
fn the_line_is_shown() {
    assert_eq!(
        error("name = \"web\"\nloopback = \"tpc\"\n"),
        "web.toml:2: loopback is \"direct\" or \"tcp\", not \"tpc\"\n    \
         2 | loopback = \"tpc\"\n      |            ^^^^^"
    );
    assert_eq!(
        error(
            "name = \"a\"\n\n[[link]]\ndevice = \"tap:t\"\naddresses=['10.0.0.2/24']\nloss = 300\n"
        ),
        "web.toml:6: loss: \"300\" is not a chance; write it in percent, 0% to 100%, like 2%\n    \
         6 | loss = 300\n      |        ^^^"
    );
}

const LINK: &str = "[[link]]\ndevice='tap:t'\naddresses=['10.0.0.2/24']\n";

#[test]
fn wrong_files() {
    for (text, line, part) in [
        ("", 1, "missing field `name`"),
        ("name = ", 1, "string values must be quoted"),
        ("name = 'a b'", 1, "1 to 32 of A-Z a-z 0-9 _ -"),
        ("name = 'local'", 1, "choose another name"),
        ("name = 7", 1, "expected a string"),
        ("name = 'a'\nname = 'b'", 2, "duplicate key"),
        ("name = 'a'\ncolour = 'red'", 2, "expected one of `name`, `addresses`, `address`"),
        ("name = 'a'\noutside = 'kernel'", 2, "outside is \"unreachable\" or \"host\""),
        ("name = 'a'\noutside = true", 2, "\"host\", not true"),
        ("name = 'a'\nusers = 'all'", 2, "expected \"any\" or a list of uids"),
        ("name = 'a'\nusers = ['bob']", 2, "expected u32"),
        ("name = 'a'\nusers = [-1]", 2, "expected u32"),
        ("name = 'a'\naddresses = '10.0.0.2/24'", 2, "expected a sequence"),
        ("name = 'a'\naddresses = ['10.0.0.2/33']", 2, "like 10.0.0.2/24 or fd00::2/64"),
        ("name = 'a'\naddresses = [\n'10.0.0.2/24',\n'10.0.0.300/24']", 4, "\"10.0.0.300/24\""),
        ("name = 'a'\naddresses = ['224.0.0.1/24']", 2, "not the address of one host"),
        ("name = 'a'\naddresses = ['10.0.0.255/24']", 2, "not the address of one host"),
        ("name = 'a'\naddresses = ['10.0.0.0/24']", 2, "not the address of one host"),
        ("name = 'a'\naddresses = ['::/64']", 2, "not the address of one host"),
        ("name = 'a'\naddresses = ['10.0.0.2/0']", 2, "not the address of one host"),
        ("name = 'a'\naddresses = ['127.0.0.2/8']", 2, "every net has those"),
        ("name = 'a'\naddresses = ['10.0.0.2/24', '10.0.0.2/8']", 2, "given twice"),
        ("name = 'a'\ngateways = ['10.0.0.1']", 2, "needs a [[link]]"),
        ("name = 'a'\n[[route]]\nto = '10.0.0.0/8'", 2, "needs a [[link]]"),
        ("name = 'a'\n[tcp]\nwindow = 5", 3, "expected one of `send_buffer`"),
        ("name = 'a'\n[tcp]\nsend_buffer = '5 cows'", 3, "like 256KiB or 1MiB"),
        ("name = 'a'\n[tcp]\nsend_buffer = 17", 3, "4KiB to 1GiB"),
        ("name = 'a'\n[tcp]\nsend_buffer = true", 3, "a size, like \"256KiB\""),
        ("name = 'a'\n[tcp]\nrto_min = '2 hours'", 3, "like 200ms, 60s or 2min"),
        ("name = 'a'\n[tcp]\nrto_min = '0ms'", 3, "up to an hour"),
        ("name = 'a'\n[tcp]\nrto_min = '2s'\nrto_max = '1s'", 4, "less than rto_min"),
        ("name = 'a'\n[tcp]\nretries = 0", 3, "from 1 to 30"),
        ("name = 'a'\n[tcp]\nretries = 999", 3, "expected u8"),
        ("name = 'a'\n[tcp]\ncongestion = 'vegas'", 3, "there is cubic"),
        ("name = 'a'\nlink = 'tap:t'", 2, "expected a sequence"),
        ("name = 'a'\n[[link]]\naddresses = ['10.0.0.2/24']", 2, "needs device = packet:IFNAME"),
        ("name = 'a'\n[[link]]\ndevice = 7", 3, "device is a string: packet:IFNAME"),
        ("name = 'a'\n[[link]]\ndevice = 'wifi:x'", 3, "no link of kind \"wifi\""),
        ("name = 'a'\n[[link]]\ndevice = 'tap:t'", 2, "has no address"),
        (
            "name = 'a'\n[[link]]\ndevice = 'tap:t'\nspeed = 1",
            4,
            "device, address, addresses, gateways, mac",
        ),
        ("name = 'a'\n[[link]]\ndevice = 'tap:t'\ndelay = []", 4, "a string or a number"),
        ("name = 'a'\n[[link]]\ndevice = 'tap:t'\naddresses = 'x'", 4, "or \"dhcp\" or \"slaac\""),
        ("name = 'a'\n[[link]]\ndevice = 'tap:t'\naddresses = [1]", 4, "must be in quotes"),
        ("name = 'a'\n[[link]]\ndevice = 'tap:t'\ngateways = ['x']", 4, "\"x\" is not valid"),
    ] {
        let error = error(text);
        assert!(error.starts_with(&format!("web.toml:{line}: ")), "{text}\n{error}");
        assert!(error.contains(part), "{text}\n{error}");
    }
}

#[test]
fn routes_that_lead_nowhere() {
    for (text, line, part) in [
        (format!("name='a'\ngateways=['10.9.0.1']\n{LINK}"), 2, "not in the prefix"),
        (format!("name='a'\ngateways=['10.0.0.2']\n{LINK}"), 2, "own address"),
        (format!("name='a'\ngateways=['fd00::1']\n{LINK}"), 2, "not in the prefix"),
        (format!("name='a'\ngateways=['fe80::1']\n{LINK}"), 2, "needs an IPv6 address"),
        (format!("name='a'\n{LINK}[[route]]\nto='fd00::/8'\nvia='10.0.0.1'\n"), 5, "family"),
        (format!("name='a'\n{LINK}[[route]]\nto='fd00::/8'\n"), 5, "needs an IPv6 address"),
        (format!("name='a'\n{LINK}[[route]]\nvia='10.0.0.1'\n"), 5, "missing field `to`"),
        (format!("name='a'\naddresses=['10.1.0.2/24']\n{LINK}{LINK}"), 2, "inside each [[link]]"),
        (format!("name='a'\ngateways=['10.9.0.1']\n{LINK}{LINK}"), 2, "no link of this net"),
        (format!("name='a'\n{LINK}{LINK}"), 1, "given twice"),
    ] {
        let error = error(&text);
        assert!(error.starts_with(&format!("web.toml:{line}: ")), "{text}\n{error}");
        assert!(error.contains(part), "{text}\n{error}");
    }
}

#[test]
fn too_much_of_it() {
    let many: Vec<String> = (1..=65).map(|i| format!("'10.0.{i}.2/24'")).collect();
    let text = format!("name='a'\naddresses=[{}]\n", many.join(","));
    assert!(error(&text).contains("at most 64 addresses"));
    let uids: Vec<String> = (1..=65).map(|i| i.to_string()).collect();
    assert!(error(&format!("name='a'\nusers=[{}]", uids.join(","))).contains("at most 64 users"));
}

#[test]
fn strange_bytes_do_not_panic() {
    for text in ["\0", "name = '\u{1F980}'", "é = 1", "name = \"\\u00e9\"\né", "[[link]]\n[[link"]
    {
        let _ = error(text);
    }
}

proptest::proptest! {
    #[test]
    fn parsing_never_panics(
        head in "(name|link|addresses|\\[tcp\\]|\\[\\[link\\]\\]|device)?",
        tail in "[ =\\[\\]'\n a-zé0-9./:,]{0,60}",
    ) {
        let text = head + &tail;
        let _ = parse(&text, "x.toml");
    }
}
