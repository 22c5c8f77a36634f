//! Arbitrary segments in every state: no panic, no broken invariant (`settle` asserts them).
use super::script::*;
use crate::base::NetError;
use crate::stack::tcp::*;
use crate::wire::tcp::{Flags, Options};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Segment { flags: u8, seq: i32, ack: i32, len: u16, window: u16, sack: (i32, i32), stamp: u32 },
    Raw(Vec<u8>),
    Send(u16),
    Read,
    Close,
    Release,
    Pass(u32),
    Icmp(u32, u16),
    Poll,
}

fn near() -> impl Strategy<Value = i32> {
    prop_oneof![-3i32..5, -2000i32..3000, any::<i32>()]
}

fn act() -> impl Strategy<Value = Act> {
    let segment =
        (any::<u8>(), near(), near(), 0u16..2000, any::<u16>(), (near(), near()), 0u32..9)
            .prop_map(|(flags, seq, ack, len, window, sack, stamp)| Act::Segment {
                flags: if stamp & 1 == 0 { flags } else { 0x10 },
                seq,
                ack,
                len,
                window,
                sack,
                stamp,
            });
    prop_oneof![
        8 => segment,
        1 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Act::Raw),
        2 => (0u16..5000).prop_map(Act::Send),
        1 => Just(Act::Read),
        1 => Just(Act::Close),
        1 => Just(Act::Release),
        2 => (0u32..3_000_000).prop_map(Act::Pass),
        1 => (any::<u32>(), any::<u16>()).prop_map(|(seq, mtu)| Act::Icmp(seq, mtu)),
        3 => Just(Act::Poll),
    ]
}

fn run(passive: bool, acts: Vec<Act>) {
    let mut s = Script::with(TcpConfig::default());
    s.tcp.listen(s.local, false, 5).unwrap();
    if !passive {
        s.connect(TcpOptions::default());
    }
    let (mut their, mut our) = (0u32, 0u32);
    for act in acts {
        let id = s.tcp.connections().next().map(|c| c.0);
        match act {
            Act::Segment { flags, seq, ack, len, window, sack, stamp } => {
                let mut o = Options { mss: Some(700), window_shift: Some(2), ..Options::default() };
                o.sack_permitted = true;
                o.timestamps = (stamp > 2).then_some((stamp, 0));
                o.push_sack(
                    s.ours.wrapping_add(our).wrapping_add(sack.0 as u32),
                    s.ours.wrapping_add(our).wrapping_add(sack.1 as u32),
                );
                s.window = window;
                let (seq, ack) = (their.wrapping_add(seq as u32), our.wrapping_add(ack as u32));
                s.put_with(Flags(flags), seq, ack, &vec![0; usize::from(len)], o);
            }
            Act::Raw(bytes) => {
                let meta = SegmentMeta {
                    local: s.local.ip(),
                    remote: s.remote.ip(),
                    tos: 0,
                    path: s.path,
                };
                s.tcp.segment_arrives(s.now, &meta, &bytes);
            }
            Act::Send(n) => {
                let data = vec![1; usize::from(n)];
                let _ = id.map(|id| s.tcp.send(s.now, id, &data));
            }
            Act::Read => {
                let _ = id.map(|id| s.tcp.receive(s.now, id, &mut [0; 900]));
            }
            Act::Close => {
                id.into_iter().for_each(|id| s.tcp.close(s.now, id));
            }
            Act::Release => {
                id.into_iter().for_each(|id| s.tcp.release(s.now, id));
            }
            Act::Pass(micros) => s.pass(core::time::Duration::from_micros(micros.into())),
            Act::Icmp(seq, mtu) => {
                let error = if mtu % 2 == 0 {
                    IcmpError::TooBig(mtu)
                } else {
                    IcmpError::Unreachable(NetError::HostUnreachable)
                };
                s.tcp.icmp_arrives(s.now, s.tuple(), s.ours.wrapping_add(seq % 3000), error);
            }
            Act::Poll => {}
        }
        let mut budget = 500;
        while let Some(got) = s.get() {
            if got.header.flags.has(S) {
                s.ours = got.header.seq;
            }
            our = got.header.seq.wrapping_sub(s.ours).wrapping_add(got.payload.len() as u32);
            if got.header.flags.has(A) {
                their = got.header.ack.wrapping_sub(THEIRS);
            }
            budget -= 1;
            assert!(budget > 0, "sends without end");
        }
        while s.tcp.poll_event().is_some() {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn anything_may_arrive(passive: bool, acts in proptest::collection::vec(act(), 1..60)) {
        run(passive, acts);
    }
}
