//! `quorate-wal` beside other write-ahead logs, under the same load on the same file system.
//!
//! Two binaries: `damage` does one thing to a log's file and opens it again; `speed` takes every contender in turn,
//! round by round. Both print only what they observed. README.md has the commands and the rules of fairness.
//!
//! Not a library for others: it is one so that both binaries and the tests share the adapters.

pub mod contender;
pub mod contenders;
pub mod damage;
pub mod speed;
