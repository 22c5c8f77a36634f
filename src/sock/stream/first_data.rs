//! The data of a call that also connects (`MSG_FASTOPEN`, `TCP_FASTOPEN_CONNECT`).

/// Data that may go with the SYN.
pub struct FirstData<'a> {
    /// What there is, at most [`crate::protocol::connect::ConnectRequest::DATA_MAX`] bytes.
    pub data: &'a [u8],
    /// Bytes of all that the program writes.
    pub total: usize,
    /// How much of it the connect request took.
    pub carried: usize,
    /// The call waits for the handshake.
    pub waits: bool,
}
