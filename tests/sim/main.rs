//! Scenarios over whole clusters in one thread, each from a seed: see `lab`.

mod chaos;
mod determinism;
mod lab;
mod linearizable;
mod scenarios;
