//! What goes over the control channel survives the round trip, and nonsense is refused.
use super::*;
use crate::protocol::name::{NetId, Role};

fn tuple() -> FourTuple {
    FourTuple { local: "10.0.0.2:80".parse().unwrap(), remote: "10.0.0.9:5".parse().unwrap() }
}

/// Every option there is: the longest list.
fn all_options() -> OptionList {
    let kinds = (0..=255).filter_map(OptionKind::from_byte);
    kinds.map(|kind| WireOption { kind, value: 60_000 }).collect()
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
            options: all_options(),
            keys: FastOpenKeys::from_bytes(&[9; 32]),
        },
        Request::Listen {
            local: six.local,
            dual: false,
            backlog: None,
            options: OptionList::new(),
            keys: None,
        },
        Request::FastOpenRoom(six, all_options()),
        Request::EndReason(tuple()),
        Request::Abort(six),
        Request::ListenerShut(name),
        Request::SetOption(six, option),
        Request::Info(tuple()),
        Request::CongestionInfo(tuple()),
        Request::ReadAfterShutdown(six, 70_000, true),
        Request::GetOption(six, OptionKind::QuickAck),
        Request::PeerSocket(Transport::Echo, tuple()),
        Request::Interest(name, interest::ERRORS),
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
}

proptest::proptest! {
    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
        let _ = Request::decode(&bytes);
        let _ = Reply::decode(&bytes);
    }
}
