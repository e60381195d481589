//! The simulator of Quorate: a whole cluster in one thread on a virtual clock, from one seed.
//!
//! It runs the production `node`, `store`, `wal` and `wire` code; what it replaces is the world around them.

#![forbid(unsafe_code)]
