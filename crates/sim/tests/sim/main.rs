//! Whole clusters in one thread, each from a seed.

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod chaos;
#[cfg(feature = "mutants")]
mod convicted;
mod determinism;
mod linearizable;
mod points;
mod scenarios;
mod shipped;
#[cfg(target_os = "linux")]
mod tripwire;
