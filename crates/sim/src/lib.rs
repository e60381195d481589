//! The simulator of Quorate: a whole cluster in one thread on a virtual clock, from one seed.
//!
//! It runs the production `node`, `store`, `wal` and `wire` code; what it replaces is the world around them: the network
//! (the memory transport's, with its faults), the disks (the log's simulated one), the clocks, and who dies when.
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
//! # Guaranteed
//! - The same plan gives the same [`kernel::Trace::hash`], in one process and across processes, in debug and release.
//! - A run asks nothing of the world: no clock, no source of chance, no file, no socket, no thread.
//! - Taking a step out of a plan changes no other step, and no stream of chance but those that the step itself used.
//!
//! # Not guaranteed
//! - That a bug is found: what the plans never do, they can't show.
//! - The same hash from one release to the next: any change to the code under test may change what happens.

#![forbid(unsafe_code)]

pub mod clocks;
pub mod cluster;
pub mod cuts;
pub mod kernel;
pub mod plan;
pub mod random;
pub mod run;
pub mod shrink;
