//! The laboratory: real stacks in a simulated network, under a virtual clock, and pictures of what
//! they do.
//!
//! | folder | what |
//! |---|---|
//! | [`draw`] | ladders and charts, as SVG, PNG and text |
//! | [`sim`] | hosts, routers, links with faults, programs, and the record of a run |
//! | [`experiments`] | what can be shown, with its parameters and what to see |
//! | [`goodput`] | a table of goodput under trouble, so that a change is seen |
//! | [`live`] | the same pictures from captured frames and samples of a real connection |
//! | [`trace`] | from the record of a run to pictures |
//!
//! Everything is a pure function of parameters and a seed: nothing here reads a clock, a file or
//! entropy. Whoever calls (the tool, a test) prints and writes.
pub mod draw;
pub mod experiments;
pub mod goodput;
pub mod live;
pub mod sim;
pub mod trace;
