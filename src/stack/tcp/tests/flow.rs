//! Flow control: windows offered and taken, buffers that grow, probes.
use super::script::*;
use crate::base::time::Duration;
use crate::stack::tcp::*;
use crate::wire::tcp::Options;

fn limited(bytes: usize) -> Script {
    Script::with(TcpConfig { receive_buffer: bytes, ..plain_config() }).open()
}

/// RFC 9293 3.8.6.2.2: a window that closed opens in steps of a segment, or half the buffer, and
/// what comes into a closed one is answered (3.10.7.4), its ACK counted.
#[test]
fn the_window_closes_and_opens_in_useful_steps() {
    let mut s = limited(4000);
    let mut seq = 1;
    for left in [3000, 2000, 1000, 0] {
        s.put(A, seq, 1, &[0; 1000]);
        seq += 1000;
        let (_, got) = s.until_sent();
        assert_eq!(got.header.window, left);
    }
    // A probe of one byte is not taken, and answered; its ACK counts.
    s.send(7);
    s.expect(P.with(A), 1, seq, 7);
    s.put(A, seq, 8, b"x");
    assert_eq!(s.expect(A, 8, seq, 0).header.window, 0);
    assert!(s.status().all_acknowledged);
    let id = s.id();
    s.tcp.consume(s.now, id, 999);
    s.expect_nothing();
    s.tcp.consume(s.now, id, 1);
    assert_eq!(s.expect(A, 8, seq, 0).header.window, 1000);
    s.tcp.consume(s.now, id, 3000);
    assert_eq!(s.expect(A, 8, seq, 0).header.window, 4000);
}

/// RFC 9293 3.8.6.2.2: while much of the window is left, the reader's progress is not worth a
/// segment of its own (Linux: when it has become twice as large).
#[test]
fn an_open_window_is_not_announced_again() {
    let mut s = limited(10_000);
    for i in 0..4 {
        s.put(A, 1 + 1000 * i, 1, &[0; 1000]);
        s.until_sent();
    }
    s.read();
    s.expect_nothing();
    for i in 4..10 {
        s.put(A, 1 + 1000 * i, 1, &[0; 1000]);
        s.until_sent();
    }
    // 4,000 bytes are left of 10,000.
    let id = s.id();
    s.tcp.consume(s.now, id, 3000);
    s.expect_nothing();
    s.tcp.consume(s.now, id, 3000);
    assert_eq!(s.expect(A, 1, 10_001, 0).header.window, 10_000);
}

/// RFC 9293 3.8.6 (SHLD-14): a smaller buffer does not take back what was offered.
#[test]
fn the_window_never_shrinks() {
    let mut s = Script::established();
    s.options(|o| o.receive_buffer = 2000);
    let mut edge = 0;
    let mut seq = 1;
    for _ in 0..65 {
        s.put(A, seq, 1, &[0; 1000]);
        seq += 1000;
        while let Some(got) = s.get() {
            let now = got.header.ack.wrapping_sub(THEIRS) + u32::from(got.header.window);
            assert!(now >= edge, "{now} after {edge}");
            edge = now;
        }
    }
    // All of the first window was taken.
    s.pass_ms(1);
    assert_eq!(s.read().len(), 65_000);
    let (_, got) = s.until_sent();
    assert_eq!(got.header.window, 2000);
}

/// RFC 9293 3.10.7.4: what is beyond the window is cut off, the FIN behind it too.
#[test]
fn data_beyond_the_window_is_cut_off() {
    let mut s = limited(2500);
    // A first window is of whole segments.
    s.put(F.with(A), 1, 1, &[7; 3000]);
    s.expect(A, 1, 2001, 0);
    assert_eq!(s.read(), [7; 2000]);
    s.expect_state(State::Established);
}

/// `TCP_WINDOW_CLAMP` (RFC 9293 3.8.6.2.2): no larger window is offered from then on.
#[test]
fn a_clamp_bounds_the_window() {
    let mut s = Script::established();
    s.options(|o| o.window_clamp = 5000);
    let mut window = 0;
    for i in 0..100 {
        s.put(A, 1 + 1000 * i, 1, &[0; 1000]);
        s.read();
        while let Some(got) = s.get() {
            window = got.header.window;
        }
    }
    assert_eq!(window, 5000);
}

/// Delivers what the window and a sender in slow start allow in each of `rounds` round trips; the
/// last window.
fn download(s: &mut Script, rounds: u32, stamps: bool) -> u32 {
    let (mut seq, mut edge, mut cwnd) = (1u32, 60_000u32, 10u32);
    let mut window = 0;
    for round in 0..rounds {
        // What left us in the round trip before.
        let echo = s.last_stamp;
        for _ in 0..cwnd {
            if seq + 1000 > edge {
                break;
            }
            let timestamps = stamps.then_some((1000 + round, echo));
            s.put_with(A, seq, 1, &[0; 1000], Options { timestamps, ..Options::default() });
            seq += 1000;
            s.read();
            while let Some(got) = s.get() {
                window = u32::from(got.header.window) << 7;
                let now = got.header.ack.wrapping_sub(THEIRS) + window;
                assert!(now + 128 > edge || round == 0, "the right edge went back");
                edge = edge.max(now);
            }
        }
        cwnd = cwnd.saturating_mul(2).min(100_000);
        s.pass_ms(20);
        while s.get().is_some() {}
    }
    window
}

fn scaled() -> Options {
    Options { mss: Some(1000), window_shift: Some(2), ..Options::default() }
}

/// RFC 7323 2, RFC 9293 3.8.6.2.2: the buffer follows twice what the program reads in a round trip,
/// up to the net's largest (Linux `tcp_rcv_space_adjust`); with timestamps or without.
#[test]
fn the_offered_window_grows_while_the_program_keeps_up() {
    let mut s = Script::with(TcpConfig { timestamps: false, ..TcpConfig::default() });
    let largest = TcpConfig::default().receive_buffer as u32;
    s = s.open_with(scaled());
    assert!(download(&mut s, 12, false) > largest - 2000);
    let mut s = Script::with(TcpConfig::default());
    s.stamp = Some(1);
    s.path.mtu = 1052;
    let mut s = s.open_with(Options { timestamps: Some((1, 0)), ..scaled() });
    assert!(download(&mut s, 12, true) > largest - 2000);
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert!((15_000..=25_000).contains(&info.rcv_rtt_us), "{}", info.rcv_rtt_us);
}

/// RFC 9293 3.8.6.2.2: a sender that sends little makes no buffer grow, however long it goes on.
#[test]
fn a_slow_sender_makes_no_buffer_grow() {
    let mut s = Script::with(TcpConfig::default());
    s.stamp = Some(1);
    let mut s = s.open_with(Options { timestamps: Some((1, 0)), ..scaled() });
    for i in 0..2000 {
        s.stamp = Some(2 + 5 * i);
        s.put(A, 1 + 500 * i, 1, &[0; 500]);
        s.read();
        s.pass_ms(5);
        while s.get().is_some() {}
    }
    assert!(s.tcp.info(s.now, s.id()).unwrap().rcv_ssthresh <= 65_536);
}

/// `SO_RCVBUF` (RFC 9293 3.8.6.2.2): the window stays as large as was asked for.
#[test]
fn a_buffer_that_was_set_does_not_grow() {
    let mut s = Script::with(TcpConfig { timestamps: false, ..TcpConfig::default() });
    s = s.open_with(scaled());
    s.options(|o| o.receive_buffer = 100_000);
    assert_eq!(download(&mut s, 12, false), 100_000 >> 7 << 7);
}

/// RFC 7323 2.3: a buffer of 1 GiB is offered with a shift of 14, and no more than that.
#[test]
fn a_window_of_a_gibibyte() {
    let config = TcpConfig { receive_buffer: 1 << 31, ..TcpConfig::default() };
    let mut s = Script::with(TcpConfig { timestamps: false, ..config });
    let syn = s.connect(TcpOptions { receive_buffer: 1 << 31, ..TcpOptions::default() });
    assert_eq!(syn.header.options.window_shift, Some(14));
    s.put_with(S.with(A), 0, 1, &[], scaled());
    let ack = s.expect(A, 1, 1, 0);
    assert_eq!(u32::from(ack.header.window) << 14, 0xffff << 14);
}

/// `SO_SNDBUF`, and without it a send buffer that follows cwnd (RFC 9293 3.9.1.2).
#[test]
fn the_send_buffer_follows_cwnd_unless_it_was_set() {
    let mut s = Script::established();
    assert_eq!(s.status().writable, 65_536);
    s.options(|o| o.send_buffer = 10_000);
    assert_eq!(s.send(100_000), 10_000);
    let mut s = Script::established();
    let (mut sent, mut acked) = (0, 1);
    for _ in 0..10 {
        sent += s.send(1 << 20);
        while let Some(got) = s.get() {
            acked += got.payload.len() as u32;
        }
        s.put(A, 1, acked, &[]);
        s.pass_ms(10);
    }
    assert!(sent > 500_000, "{sent}");
    assert!(s.status().writable + s.tcp.info(s.now, s.id()).unwrap().send_queue as usize > 65_536);
}

/// `TCP_NOTSENT_LOWAT` (tcp(7); RFC 9293 3.9.1.2): room is shown for what can soon leave, no more.
#[test]
fn only_so_much_is_taken_that_has_not_been_sent() {
    let mut s = Script::established();
    s.options(|o| o.notsent_lowat = 3000);
    assert_eq!(s.send(100_000), 3000);
    for i in 0..3 {
        s.expect(if i == 2 { P.with(A) } else { A }, 1 + 1000 * i, 1, 1000);
    }
    assert_eq!(s.send(100_000), 3000);
    while s.tcp.poll_event().is_some() {}
    s.get().unwrap();
    // That there is room again is told.
    assert!(s.tcp.poll_event().is_some());
    assert_eq!(s.status().writable, 1000);
}

/// RFC 9293 3.8.6.1 (MUST-35, MUST-36), RFC 1122 4.2.2.17: probes go on for ever, at growing
/// distances, as long as they are answered.
#[test]
fn a_closed_window_is_probed_for_ever() {
    let mut s = Script::established();
    s.window = 0;
    s.put(A, 1, 1, &[]);
    s.send(10);
    let (mut longest, mut probes) = (0, 0);
    while s.now.as_millis() < 1_000_000 + 24 * 3600 * 1000 {
        let (ms, _) = s.until_sent();
        (longest, probes) = (longest.max(ms), probes + 1);
        s.put(A, 1, 1, &[]);
    }
    assert_eq!(longest, 120_000);
    assert!((700..900).contains(&probes), "{probes} in a day");
    s.expect_state(State::Established);
    s.window = 1000;
    s.put(A, 1, 1, &[]);
    s.expect(P.with(A), 1, 1, 10);
}

/// RFC 5482 3.1, `TCP_USER_TIMEOUT`: it bounds that, although the probes are answered.
#[test]
fn a_user_timeout_ends_probing() {
    let mut s = Script::established();
    s.options(|o| o.user_timeout = Duration::from_secs(30));
    s.window = 0;
    s.put(A, 1, 1, &[]);
    s.send(10);
    let start = s.now;
    while s.status().error.is_none() {
        s.pass_ms(100);
        while let Some(got) = s.get() {
            assert!(!got.header.flags.has(R));
            s.put(A, 1, 1, &[]);
        }
    }
    assert_eq!(s.status().error, Some(crate::base::NetError::TimedOut));
    let seconds = s.now.since(start).as_secs();
    assert!((30..=31).contains(&seconds), "{seconds}");
}

/// RFC 4898 3.4 (`TCP_INFO`): what sending waited for, and when what last came and went.
#[test]
fn info_tells_what_was_waited_for() {
    let mut s = Script::established();
    s.pass_ms(1000);
    s.window = 1000;
    s.put(A, 1, 1, &[]);
    s.send(2000);
    s.expect(A, 1, 1, 1000);
    s.expect_nothing();
    s.pass_ms(30);
    s.put(A, 1, 1001, &[]);
    s.expect(P.with(A), 1001, 1, 1000);
    s.pass_ms(20);
    s.put(P.with(A), 1, 2001, b"answer");
    while s.get().is_some() {}
    s.pass_ms(5);
    let info = s.tcp.info(s.now, s.id()).unwrap();
    assert_eq!((info.busy_us, info.rwnd_limited_us, info.sndbuf_limited_us), (50_000, 30_000, 0));
    let lasts = (info.last_data_sent_ms, info.last_data_recv_ms, info.last_ack_recv_ms);
    assert_eq!(lasts, (25, 5, 5));
    assert_eq!((info.notsent_bytes, info.send_queue, info.receive_queue), (0, 0, 6));
    s.window = 0;
    s.put(A, 7, 2001, &[]);
    s.send(500);
    assert_eq!(s.tcp.info(s.now, s.id()).unwrap().notsent_bytes, 500);
}

/// `TCP_MAXSEG` (RFC 9293 3.7.1): it decides about the SYN and what is sent; later it is of no
/// effect.
#[test]
fn a_segment_size_that_was_asked_for() {
    let mut s = Script::plain();
    let syn = s.connect(TcpOptions { max_segment: 600, ..TcpOptions::default() });
    assert_eq!(syn.header.options.mss, Some(600));
    s.put_with(S.with(A), 0, 1, &[], Options { mss: Some(1000), ..Options::default() });
    s.expect(A, 1, 1, 0);
    s.send(1000);
    s.expect(A, 1, 1, 600);
    s.options(|o| o.max_segment = 200);
    s.put(A, 1, 601, &[]);
    s.send(200);
    s.expect(P.with(A), 601, 1, 600);
}

/// RFC 7323 2.3, as Linux `tcp_select_initial_window`: the shift that is offered lets the largest
/// buffer of the net be used, or the one that the program has set, or its clamp.
#[test]
fn the_window_scale_follows_the_receive_buffer() {
    let config = || TcpConfig { receive_buffer: 15_728_640, ..TcpConfig::default() };
    for (receive_buffer, window_clamp, shift) in [
        (0, 0, 8),
        (20_000, 0, 0),
        (65_535, 0, 0),
        (65_536, 0, 1),
        (1 << 20, 0, 5),
        (0, 30_000, 0),
        (1 << 20, 200_000, 2),
    ] {
        let options = TcpOptions { receive_buffer, window_clamp, ..TcpOptions::default() };
        let mut s = Script::with(config());
        let syn = s.connect(options.clone());
        assert_eq!(syn.header.options.window_shift, Some(shift), "{receive_buffer}");
        // The same in a SYN-ACK, by the options of the listener; and it is what counts later.
        let mut s = Script::with(config());
        s.tcp.listen(s.local, false, 1).unwrap();
        s.tcp.set_listener_options(s.local, false, options);
        let offer = Options { mss: Some(1000), window_shift: Some(7), ..Options::default() };
        s.put_with(S, 0, 0, &[], offer);
        let answer = s.get().expect("a SYN-ACK").header;
        assert_eq!(answer.options.window_shift, Some(shift), "{receive_buffer}");
        s.ours = answer.seq;
        s.put(P.with(A), 1, 1, &[0; 1000]);
        let ack = s.get().expect("an ACK").header;
        let space = match receive_buffer {
            0 => 65_536,
            asked => asked,
        };
        let space = if window_clamp > 0 { space.min(window_clamp) } else { space };
        let window = u32::from(ack.window) << shift;
        assert!(window <= space && window + 2_500 >= space.min(65_535), "{window} of {space}");
    }
}
