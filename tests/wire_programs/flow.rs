//! Options and questions about the flow of data: buffers, windows, queues, what `TCP_INFO` says.
use crate::common::Mode;
use crate::common::wire::Wire;
use crate::{Listener, both_ends, need, need_root};

on_both! { what_options_do_to_the_flow_of_data }

fn what_options_do_to_the_flow_of_data(mode: Mode) {
    need!("python3");
    need_root!();
    let wire = Wire::new(mode);
    for (who, v6) in [(Listener::Ours, false), (Listener::Peer, true)] {
        let said = both_ends(&wire, who, v6, "flow.py", &[]);
        assert_eq!(said.listener, said.connector);
        assert!(said.connector.ends_with("all\n"), "{}", said.connector);
    }
}
