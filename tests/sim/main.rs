//! Scenarios over whole clusters in one thread, each from a seed: see `lab`.

mod determinism;
mod lab;
mod scenarios;
