//! The simulator of Quorate, and the checker that judges what clients saw.
//!
//! [`history`] is what was asked of a cluster and what it answered, recorded as JSON Lines from a simulated or a real
//! cluster; [`check`] judges a history against what was promised. It is not a proof: what a history does not show,
//! nobody can judge, and [`check::Verdict`] says how much it did show.
//!
//! ```
//! use quorate_sim::check::{Ruling, check};
//! use quorate_sim::history::{Limits, read};
//!
//! let lines = r#"{"history":{"version":1,"made_by":"an example","keyspaces":[{"name":"default","n":3}]}}
//! {"invoke":{"at_ns":10,"id":1,"client":1,"level":"QUORUM","ask":{"put":{"key":"a","value":"x"}}}}
//! {"complete":{"at_ns":20,"id":1,"outcome":{"written":{"version":"7.0@00000001","acked":2,"required":2}}}}
//! {"invoke":{"at_ns":30,"id":2,"client":2,"level":"QUORUM","ask":{"get":{"key":"a"}}}}
//! {"complete":{"at_ns":40,"id":2,"outcome":{"not_found":{}}}}
//! "#;
//! let history = read(lines.as_bytes(), Limits::default())?;
//! let report = check(&history);
//! assert_eq!(report.ruling(), Ruling::Violated);
//! assert!(report.text(&history).contains("freshness"));
//! # Ok::<(), quorate_sim::history::HistoryError>(())
//! ```
//!
//! # Guaranteed
//! - No false alarm: a verdict of *violated* follows from the history and the promise alone.
//! - Cost: O(n log n) in the events of a key; memory O(events), within [`history::Limits`].
//! - The same history gives the same report.
//!
//! # Not guaranteed
//! - That a violation is found: the history must show it. *Sometimes* counters say what a run has exercised.

#![forbid(unsafe_code)]

pub mod check;
pub mod history;
