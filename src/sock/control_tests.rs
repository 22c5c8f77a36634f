//! What goes over the control channel survives the round trip, and nonsense is refused.
use super::*;
use crate::sock::name::{NetId, Role};

fn tuple() -> FourTuple {
    FourTuple { local: "10.0.0.2:80".parse().unwrap(), remote: "10.0.0.9:5".parse().unwrap() }
}

#[test]
fn requests_survive_the_round_trip() {
    let six =
        FourTuple { local: "[::1]:1".parse().unwrap(), remote: "[fd00::1]:2".parse().unwrap() };
    let option = WireOption { kind: OptionKind::KeepIdleMs, value: 60_000 };
    let name = Name { net: NetId(7), role: Role::Alarm };
    for request in [
        Request::Listen {
            local: six.local,
            dual: true,
            backlog: Some(511),
            options: vec![option; 2],
            keys: FastOpenKeys::from_bytes(&[9; 32]),
        },
        Request::Listen {
            local: six.local,
            dual: false,
            backlog: None,
            options: Vec::new(),
            keys: None,
        },
        Request::FastOpenRoom(six, vec![WireOption { kind: OptionKind::MaxSegment, value: 1000 }]),
        Request::EndReason(tuple()),
        Request::SetOption(six, option),
        Request::Info(tuple()),
        Request::CongestionInfo(tuple()),
        Request::Late(six, 70_000, true),
        Request::GetOption(six, OptionKind::QuickAck),
        Request::UdpProxy(Transport::Echo, tuple()),
        Request::Wants(name, wants::ERRORS),
        Request::ErrorQueue(name),
        Request::PathMtu(six.local.ip()),
        Request::UdpError(six),
        Request::Membership(
            true,
            Membership { inode: 7, index: 2, local: six.local.ip(), group: six.remote.ip() },
        ),
        Request::Snapshot,
        Request::Brief,
        Request::Capture,
        Request::Stop,
    ] {
        assert_eq!(Request::decode(&request.encode()), Some(request));
    }
    let (options, data) = (vec![option; 3], b"hello".to_vec());
    let connect = ConnectRequest { length: 53_000, tuple: six, options, data };
    let bytes = connect.encode();
    assert_eq!(bytes.len(), 53_000);
    assert_eq!(ConnectRequest::decode(&bytes[..ConnectRequest::HEADER_MAX]), Some(connect));
}

proptest::proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
        let _ = ConnectRequest::decode(&bytes);
    }
}
