//! What a node says about itself in numbers: one table, from which `/metrics`, docs/metrics.md, the alert rules and the
//! dashboard are made.

pub(crate) mod latency;
pub(crate) mod requests;
