//! The terminal that a picture is shown in.

/// How a picture is shown in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Whether colours may be used.
    pub colour: bool,
}
