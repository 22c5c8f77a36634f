//! Errors with a way out: one sentence what happened, one what to do.
use std::fmt;

/// An error and what to do about it.
#[derive(Debug)]
pub struct Advice {
    what: String,
    next: String,
    code: Option<u8>,
}

/// An error that says what to do next; the tool ends with its usual status.
pub fn advice(what: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
    Advice { what: what.into(), next: next.into(), code: None }.into()
}

/// The same with another exit status.
pub fn advice_code(code: u8, what: impl Into<String>, next: impl Into<String>) -> anyhow::Error {
    Advice { what: what.into(), next: next.into(), code: Some(code) }.into()
}

/// The status the tool ends with after this error; `usual` if it has no opinion.
pub fn exit_code(error: &anyhow::Error, usual: u8) -> u8 {
    error.downcast_ref::<Advice>().and_then(|a| a.code).unwrap_or(usual)
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  next: {}", self.what, self.next)
    }
}

impl std::error::Error for Advice {}
