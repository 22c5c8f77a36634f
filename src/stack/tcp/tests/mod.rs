//! Tests of the whole of TCP.
