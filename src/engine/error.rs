//! Why an engine does not start, or ends before it was told to.
use rustix::io::Errno;

/// Why an engine does not start, or ends before it was told to.
#[derive(Debug)]
pub enum EngineError {
    /// Another engine runs this net.
    AlreadyRunning(String),
    /// A net without an id: `local` needs no engine.
    NoEngineNeeded,
    /// The system refused something.
    System(&'static str, Errno),
}

impl core::fmt::Display for EngineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::AlreadyRunning(net) => write!(f, "net {net} already has an engine"),
            Self::NoEngineNeeded => f.write_str("the net \"local\" needs no engine"),
            Self::System(what, errno) => write!(f, "{what}: {errno}"),
        }
    }
}

impl core::error::Error for EngineError {}

/// An [`EngineError::System`] that says what was refused.
pub fn system(what: &'static str) -> impl Fn(Errno) -> EngineError {
    move |errno| EngineError::System(what, errno)
}
