//! What a node says about itself in numbers: one table, from which `/metrics`, docs/metrics.md, the alert rules and the
//! dashboard are made.
//!
//! ```text
//! shards: counters, peers, store, requests ─┐
//! driver: counters, log, connections ───────┼─► Scene ─► a row's samples ─► OpenMetrics text
//! /proc ────────────────────────────────────┘              ▲
//!                                                          └── table: name, kind, unit, labels, help, source
//! ```

#[cfg(test)]
mod alerts;
mod exposition;
pub(crate) mod latency;
#[cfg(test)]
mod pages;
pub(crate) mod process;
pub(crate) mod requests;
mod rows;
mod scene;
mod table;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use exposition::exposition;
pub(crate) use rows::LIMITS;
pub(crate) use scene::Scene;
