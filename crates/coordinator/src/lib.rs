//! The read and write machines: levels, read repair, hinted handoff.

#![forbid(unsafe_code)]

mod config;
mod coordinator;
mod counters;
mod deadlines;
mod effect;
mod explain;
mod latency;
mod limits;
mod page;
mod plan;
mod read;
mod replicas;
mod request;
mod slab;
mod turn;
mod write;

pub use config::{CoordinatorConfig, HedgePolicy, KeyspacePolicy, ReadRepairPolicy};
pub use coordinator::{Coordinator, InFlight};
pub use counters::Counters;
pub use effect::{Effect, HintedWrite, PageAsk};
pub use limits::Load;
pub use request::{
    Attempt, ClientExplain, ClientPage, ClientRead, ClientWrite, Liveness, Origin, PageHandle, PageReply,
    ReadHandle, ReadReply, WriteHandle,
};
