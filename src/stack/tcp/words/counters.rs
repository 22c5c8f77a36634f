//! Counts of what happened, above all of every reason to drop a segment.

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Count { $($(#[$doc])* $name,)* }
        const NAMES: &[&str] = &[$($text,)*];
        const LEN: usize = NAMES.len();
    };
}

counts! {
    SegmentsIn = "segments_in",
    SegmentsOut = "segments_out",
    Malformed = "drop_malformed",
    /// Sources that no connection can have.
    Martian = "drop_martian",
    NoConnection = "drop_no_connection",
    TableFull = "drop_table_full",
    SynQueueFull = "drop_syn_queue_full",
    AcceptQueueFull = "drop_accept_queue_full",
    Deferred = "drop_deferred_ack",
    HalfOpenExpired = "half_open_timed_out",
    CookiesSent = "syn_cookies_sent",
    CookiesGood = "syn_cookies_received",
    CookiesBad = "drop_bad_syn_cookie",
    FastOpened = "fast_open_accepted",
    FastOpenBadCookie = "fast_open_bad_cookie",
    FastOpenFull = "fast_open_queue_full",
    FastOpenData = "fast_open_syns_with_data",
    FastOpenRefused = "fast_open_data_not_taken",
    TooManyOrphans = "reset_too_many_orphans",
    TooManyTimeWaits = "time_waits_cut_short",
    ListenNotSyn = "drop_listen_not_syn",
    SynSentBadAck = "drop_syn_sent_bad_ack",
    SynSentBadEcho = "drop_syn_sent_bad_echo",
    SynSentNothing = "drop_syn_sent_without_syn",
    SynSentReset = "drop_syn_sent_stray_reset",
    Paws = "drop_paws",
    OutOfWindow = "drop_out_of_window",
    ResetOutOfWindow = "drop_reset_out_of_window",
    ResetChallenged = "drop_reset_challenged",
    SynChallenged = "drop_syn_challenged",
    NoAck = "drop_without_ack",
    BadAck = "drop_bad_ack",
    TimeWait = "drop_time_wait",
    DataAfterRelease = "drop_data_after_release",
    OutOfOrderFull = "drop_out_of_order_full",
    DataNotExpected = "drop_data_not_expected",
    Ended = "drop_connection_ended",
    RepliesFull = "drop_replies_full",
    ResetsIn = "resets_in",
    ResetsOut = "resets_out",
    ChallengesOut = "challenge_acks_out",
    Opened = "opened",
    Retransmits = "retransmitted_segments",
    Timeouts = "retransmission_timeouts",
    FastRecoveries = "fast_recoveries",
    TailProbes = "tail_loss_probes",
    LostAgain = "lost_retransmissions",
    SpuriousTimeouts = "spurious_timeouts",
    DuplicatesReported = "dsacks_in",
    TimedOut = "timed_out",
    IcmpOutOfWindow = "drop_icmp_out_of_window",
}

/// All counts of one [`Tcp`](super::Tcp).
#[derive(Debug)]
pub(crate) struct Counters([u64; LEN]);

impl Default for Counters {
    fn default() -> Self {
        Counters([0; LEN])
    }
}

impl Counters {
    pub fn add(&mut self, count: Count) {
        self.0[count as usize] += 1;
    }

    pub fn all(&self) -> Vec<(&'static str, u64)> {
        NAMES.iter().copied().zip(self.0).collect()
    }
}
