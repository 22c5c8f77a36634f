//! The `[tcp]` table of a net's file.
use super::config::{Ecn, MtuProbing, SynCookies, TcpDefaults};
use super::units::{Size, Time};
use super::wrong::{Checked, Wrong};
use crate::base::congestion;
use serde::Deserialize;
use toml::Spanned;

/// Segments that `initial_window` accepts at most.
const INITIAL_WINDOW_MAX: u32 = 1_000;
/// Bits that `fast_open` accepts.
const FAST_OPEN_BITS: u32 = 0x607;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTcp {
    send_buffer: Option<Size>,
    receive_buffer: Option<Size>,
    syn_retries: Option<Spanned<u8>>,
    retries: Option<Spanned<u8>>,
    rto_min: Option<Time>,
    rto_max: Option<Spanned<Time>>,
    time_wait: Option<Time>,
    fin_wait2: Option<Time>,
    window_scaling: Option<bool>,
    timestamps: Option<bool>,
    sack: Option<bool>,
    congestion: Option<Spanned<String>>,
    pacing: Option<bool>,
    mtu_probing: Option<Spanned<String>>,
    ecn: Option<Spanned<String>>,
    synack_retries: Option<Spanned<u8>>,
    syn_cookies: Option<Spanned<String>>,
    abort_on_overflow: Option<bool>,
    fast_open: Option<Spanned<u32>>,
    max_orphans: Option<u32>,
    max_time_wait: Option<u32>,
    initial_window: Option<Spanned<u32>>,
    initial_ssthresh: Option<Size>,
}

impl RawTcp {
    /// Everything in it is checked.
    pub(super) fn check(self) -> Checked<TcpDefaults> {
        check(self)
    }
}

fn check(raw: RawTcp) -> Checked<TcpDefaults> {
    for count in [&raw.syn_retries, &raw.retries, &raw.synack_retries].into_iter().flatten() {
        if !(1..=30).contains(count.as_ref()) {
            return Err(Wrong(count.span(), "a number of repetitions from 1 to 30".into()));
        }
    }
    if let (Some(min), Some(max)) = (&raw.rto_min, &raw.rto_max)
        && max.as_ref().0 < min.0
    {
        return Err(Wrong(max.span(), "rto_max is less than rto_min".into()));
    }
    if let Some(name) = &raw.congestion
        && congestion::find(name.as_ref()).is_none()
    {
        let accepted = congestion::NAMES.join(", ");
        let why =
            format!("there is no congestion control {:?}; there is {accepted}", name.as_ref());
        return Err(Wrong(name.span(), why));
    }
    if let Some(window) = &raw.initial_window
        && !(1..=INITIAL_WINDOW_MAX).contains(window.as_ref())
    {
        let why = format!("a number of segments from 1 to {INITIAL_WINDOW_MAX}");
        return Err(Wrong(window.span(), why));
    }
    if let Some(bits) = &raw.fast_open
        && bits.as_ref() & !FAST_OPEN_BITS != 0
    {
        let why = "the sum of 1 (clients), 2 (servers), 4 and 0x200 (without a cookie), 0x400 \
                   (every listener)";
        return Err(Wrong(bits.span(), why.into()));
    }
    let time = |t: Option<Time>| t.map(|t| t.0);
    let bytes = |size: Size| u32::try_from(size.0).unwrap_or(u32::MAX);
    Ok(TcpDefaults {
        send_buffer: raw.send_buffer.map(|s| s.0),
        receive_buffer: raw.receive_buffer.map(|s| s.0),
        syn_retries: raw.syn_retries.map(Spanned::into_inner),
        retries: raw.retries.map(Spanned::into_inner),
        rto_min: time(raw.rto_min),
        rto_max: time(raw.rto_max.map(Spanned::into_inner)),
        time_wait: time(raw.time_wait),
        fin_wait2: time(raw.fin_wait2),
        window_scaling: raw.window_scaling,
        timestamps: raw.timestamps,
        sack: raw.sack,
        congestion: raw.congestion.map(Spanned::into_inner),
        pacing: raw.pacing,
        ecn: raw.ecn.map(ecn).transpose()?,
        mtu_probing: raw.mtu_probing.map(mtu_probing).transpose()?,
        synack_retries: raw.synack_retries.map(Spanned::into_inner),
        syn_cookies: raw.syn_cookies.map(cookies).transpose()?,
        abort_on_overflow: raw.abort_on_overflow,
        fast_open: raw.fast_open.map(Spanned::into_inner),
        max_orphans: raw.max_orphans,
        max_time_wait: raw.max_time_wait,
        initial_window: raw.initial_window.map(Spanned::into_inner),
        initial_ssthresh: raw.initial_ssthresh.map(bytes),
    })
}

fn mtu_probing(text: Spanned<String>) -> Checked<MtuProbing> {
    match text.as_ref().as_str() {
        "off" => Ok(MtuProbing::Off),
        "black-hole" => Ok(MtuProbing::BlackHole),
        "always" => Ok(MtuProbing::Always),
        other => {
            let why =
                format!("mtu_probing is \"off\", \"black-hole\" or \"always\", not {other:?}");
            Err(Wrong(text.span(), why))
        }
    }
}

fn ecn(text: Spanned<String>) -> Checked<Ecn> {
    match text.as_ref().as_str() {
        "off" => Ok(Ecn::Off),
        "accept" => Ok(Ecn::Accept),
        "on" => Ok(Ecn::On),
        other => {
            let why = format!("ecn is \"off\", \"accept\" or \"on\", not {other:?}");
            Err(Wrong(text.span(), why))
        }
    }
}

fn cookies(text: Spanned<String>) -> Checked<SynCookies> {
    match text.as_ref().as_str() {
        "off" => Ok(SynCookies::Off),
        "auto" => Ok(SynCookies::Auto),
        "always" => Ok(SynCookies::Always),
        other => {
            let why = format!("syn_cookies is \"auto\", \"always\" or \"off\", not {other:?}");
            Err(Wrong(text.span(), why))
        }
    }
}
