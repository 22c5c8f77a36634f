//! The life of an engine: it starts, its loop turns, it ends.
//!
//! | file | what |
//! |---|---|
//! | `start` | doors, links and the stack at the beginning |
//! | `run` | the loop. Begin here |
//! | `stop` | what is delivered and what is reset at the end |
//! | `embed` | an engine as a thread of a program |
pub mod embed;
mod run;
mod start;
mod stop;
