//! The simulator of Quorate, and the checker that judges what clients saw.
//!
//! The simulator runs a whole cluster in one thread on a virtual clock, from one seed: the production `node`, `store`,
//! `wal` and `wire` code. What it replaces is the world around them: the network (the memory transport's, with its
//! faults), the disks (the log's simulated one), the clocks, and who dies when.
//!
//! ```
//! use quorate_sim::plan::{Plan, Shape};
//! use quorate_sim::run::run;
//!
//! let plan = Plan::draw(7, Shape { run_ms: 500, nodes: Some(3) });
//! let report = run(&plan);
//! assert!(report.is_well(), "{}", report.text);
//! assert_eq!(report.trace.hash(), run(&Plan::parse(&plan.to_toml())?).trace.hash());
//! # Ok::<(), quorate_sim::plan::PlanInvalid>(())
//! ```
//!
//! ```text
//!  seed ──▶ plan ──▶ run ──▶ report ──▶ (violations?) ──▶ shrink ──▶ a small plan in a file
//!                     │
//!          faults, clients, peace ──▶ cluster ──▶ kernel (time, order, trace)
//! ```
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
//! - The same plan gives the same [`kernel::Trace::hash`], in one process and across processes, in debug and release.
//! - A run asks nothing of the world: no clock, no source of chance, no file, no socket, no thread.
//! - Taking a step out of a plan changes no other step, and no stream of chance but those that the step itself used.
//! - No false alarm of the checker: a verdict of *violated* follows from the history and the promise alone. The same
//!   history gives the same report.
//! - Cost of checking: O(n log n) in the events of a key; memory O(events), within [`history::Limits`].
//!
//! # Not guaranteed
//! - That a bug is found: what the plans never do, they can't show; what a history does not show, nobody can judge.
//!   *Sometimes* counters say what a run has exercised.
//! - The same hash from one release to the next: any change to the code under test may change what happens.

#![forbid(unsafe_code)]

pub mod check;
pub mod clocks;
pub mod cluster;
pub mod cuts;
pub mod events;
pub mod history;
pub mod kernel;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod observe;
pub mod plan;
pub mod random;
pub mod run;
pub mod scenarios;
pub mod shrink;
pub mod sometimes;
pub mod sweep;
