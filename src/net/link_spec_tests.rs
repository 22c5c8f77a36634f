//! Link specs of the command line and of TOML.
use super::*;

fn parse(s: &str) -> Result<LinkSpec, String> {
    s.parse()
}

#[test]
fn every_option_of_the_command_line() {
    let spec = parse(
        "stream-listen:/tmp/a b,delay=20ms,jitter=1.5,loss=2%,burst=4,mark=7,reorder=1%,\
         duplicate=0.5%,corrupt=0.5,rate=10Mbit,queue=100,seed=18446744073709551615,direction=out,\
         mac=02:00:00:00:00:01,mtu=65520,capture=x.pcapng",
    )
    .unwrap();
    assert_eq!(spec.device, Device::StreamListen("/tmp/a b".into()));
    assert_eq!(spec.impair.delay, Duration::from_millis(20));
    assert_eq!(spec.impair.jitter, Duration::from_micros(1500));
    assert_eq!((spec.impair.loss, spec.impair.corrupt), (0.02, 0.005));
    assert_eq!((spec.impair.rate, spec.impair.queue), (Some(10_000_000), Some(100)));
    assert_eq!((spec.impair.burst, spec.impair.mark), (Some(4), Some(7)));
    assert_eq!(spec.impair.seed, Some(u64::MAX));
    assert_eq!(spec.impair.direction, Direction::Out);
    assert_eq!((spec.mtu, spec.capture.as_deref()), (Some(65520), Some("x.pcapng")));
    assert_eq!(parse(&spec.to_string()).unwrap(), spec);
    assert!(parse("packet:eth0").unwrap().impair.is_clean());
}

#[test]
fn units() {
    let impair = |s: &str| parse(&format!("tap:t,{s}")).unwrap().impair;
    assert_eq!(impair("delay=1s").delay, Duration::from_secs(1));
    assert_eq!(impair("delay=250us").delay, Duration::from_micros(250));
    assert_eq!(impair("delay=7ns").delay, Duration::from_nanos(7));
    assert_eq!(impair("rate=512kbit").rate, Some(512_000));
    assert_eq!(impair("rate=1G").rate, Some(1_000_000_000));
    assert_eq!(impair("loss=100%").loss, 1.0);
}

#[test]
fn errors_name_what_is_accepted() {
    for (spec, part) in [
        ("", "packet:IFNAME"),
        ("eth0", "stream-listen:PATH"),
        ("wifi:eth0", "no link of kind \"wifi\""),
        ("packet:", "1 to 15 characters"),
        ("packet:eth0eth0eth0eth0", "1 to 15 characters"),
        ("tap:a/b", "1 to 15 characters"),
        ("stream:", "path of a unix socket"),
        ("tap:t,", "key=value"),
        ("tap:t,delay", "key=value"),
        ("tap:t,delay=", "20ms"),
        ("tap:t,delay=-5ms", "20ms"),
        ("tap:t,delay=5min", "20ms"),
        ("tap:t,delay=61s", "60 seconds"),
        ("tap:t,loss=101%", "0% to 100%"),
        ("tap:t,loss=nan", "0% to 100%"),
        ("tap:t,rate=10Mbps", "10Mbit"),
        ("tap:t,rate=0", "10Mbit"),
        ("tap:t,queue=0", "from 1 to"),
        ("tap:t,mtu=100", "from 576 to 65535 bytes"),
        ("tap:t,mac=01:00:00:00:00:01", "one station"),
        ("tap:t,mac=x", "six hexadecimal bytes"),
        ("tap:t,direction=up", "out (what we send), in or both"),
        ("tap:t,seed=-1", "from 0 to"),
        ("tap:t,capture=", "name of a file"),
        ("tap:t,speed=9", "delay, jitter, loss"),
    ] {
        let why = parse(spec).expect_err(spec);
        assert!(why.contains(part), "{spec}: {why}");
    }
}

#[test]
fn toml_takes_strings_and_numbers() {
    #[derive(serde::Deserialize)]
    struct File {
        link: Vec<Table>,
    }
    #[derive(serde::Deserialize)]
    struct Table {
        #[serde(default)]
        addresses: Vec<String>,
        #[serde(flatten)]
        spec: LinkSpec,
    }
    let text = "[[link]]\naddresses = ['10.0.0.2/24']\ndevice = 'packet:eth0'\n\
                delay = 20\nloss = 2.5\nqueue = 50\nrate = '10Mbit'\n";
    let file: File = toml::from_str(text).unwrap();
    assert_eq!(file.link[0].addresses.len(), 1);
    let expected = "packet:eth0,delay=20ms,loss=2.5%,queue=50,rate=10Mbit";
    assert_eq!(file.link[0].spec, parse(expected).unwrap());

    for (text, part) in [
        ("[[link]]\ndelay = 1\n", "needs device"),
        ("[[link]]\ndevice = 'tap:t'\nspeed = 1\n", "no key \"speed\""),
        ("[[link]]\ndevice = 'tap:t'\ndelay = true\n", "string or a number"),
        ("[[link]]\ndevice = 'tap:t'\nloss = 300\n", "0% to 100%"),
    ] {
        let why = toml::from_str::<File>(text).err().expect(text).to_string();
        assert!(why.contains(part), "{text}: {why}");
    }
}
