//! The simulator of Quorate: a whole cluster in one thread on a virtual clock, from one seed.
//!
//! It runs the production `node`, `store`, `wal` and `wire` code; what it replaces is the world around them.

#![forbid(unsafe_code)]

pub mod clocks;
pub mod cluster;
pub mod cuts;
pub mod kernel;
pub mod plan;
pub mod random;
pub mod run;
pub mod shrink;
