//! What is wrong at a place in a net's file, before it is known which line that is.
use core::ops::Range;

/// A sentence about a place in the text: bytes from its start.
pub(super) struct Wrong(pub Range<usize>, pub String);

/// A value that has been checked, or what is wrong with it.
pub(super) type Checked<T> = Result<T, Wrong>;
