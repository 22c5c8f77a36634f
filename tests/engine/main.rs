//! The engine over a memory link: the programs are unix sockets that this test holds itself, the
//! other host is a second stack that it drives. No privileges needed.
mod begin;
mod bytes;
mod control;
mod datagrams;
mod ends;
mod order;
mod rig;
