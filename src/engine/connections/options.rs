//! Options of wire connections as programs send them, in the stack's words.
use crate::base::congestion;
use crate::base::time::Duration;
use crate::protocol::option::{OptionKind, WireOption};
use crate::stack::tcp::TcpOptions;

/// Sets one. `LingerZero` is no option of the stack's: the session keeps it.
pub fn apply(options: &mut TcpOptions, wire: WireOption) {
    let value = wire.value;
    let byte = u8::try_from(value).unwrap_or(u8::MAX);
    let time = Duration::from_millis(u64::from(value));
    match wire.kind {
        OptionKind::NoDelay => options.nodelay = value != 0,
        OptionKind::Cork => options.cork = value != 0,
        OptionKind::KeepAlive => options.keepalive = value != 0,
        OptionKind::KeepIdleMs => options.keepidle = time,
        OptionKind::KeepIntervalMs => options.keepintvl = time,
        OptionKind::KeepCount => options.keepcnt = byte,
        OptionKind::UserTimeoutMs => options.user_timeout = time,
        OptionKind::MaxSegment => {
            options.max_segment = u16::try_from(value).unwrap_or(u16::MAX);
        }
        OptionKind::SynCount => options.syn_count = byte,
        OptionKind::Ttl => options.ttl = byte,
        OptionKind::DeferAccept => options.defer_accept = retransmissions(value),
        OptionKind::Linger2 => options.linger2 = value as i32,
        OptionKind::FastOpen => options.fast_open = value != 0,
        OptionKind::FastOpenQueue => {
            options.fast_open_queue = u16::try_from(value).unwrap_or(u16::MAX);
        }
        OptionKind::NoFastOpenCookie => options.fast_open_no_cookie = value != 0,
        OptionKind::NotSentLowat => options.notsent_lowat = value,
        OptionKind::WindowClamp => options.window_clamp = value,
        // What Linux shows is twice what may be in it.
        OptionKind::SendBuffer => options.send_buffer = value / 2,
        OptionKind::ReceiveBuffer => options.receive_buffer = value / 2,
        OptionKind::ReceiveLowat => options.receive_lowat = value.max(1),
        // Not the connection's, or acts once, or only to be asked for.
        OptionKind::LingerZero
        | OptionKind::QuickAck
        | OptionKind::Urgent
        | OptionKind::MtuDiscover
        | OptionKind::SegmentSize
        | OptionKind::PathMtu
        | OptionKind::Unacknowledged
        | OptionKind::Unsent => {}
        // RFC 3168 6.1: the ECN bits are TCP's own.
        OptionKind::Tos => options.tos = byte & !3,
        OptionKind::MaxPacingRate => {
            options.max_pacing_rate = if value == u32::MAX { u64::MAX } else { value.into() };
        }
        OptionKind::Congestion => {
            if let Some(name) = congestion::of_code(value) {
                options.congestion = name.into();
            }
        }
    }
}

/// How many timeouts of 1, 2, 4, ... 120 seconds fit into `seconds` (Linux `secs_to_retrans`).
fn retransmissions(seconds: u32) -> u8 {
    let (mut count, mut total, mut timeout) = (0u8, 0, 1);
    while total < seconds && count < u8::MAX {
        count += 1;
        total += timeout;
        timeout = (timeout * 2).min(120);
    }
    count
}
