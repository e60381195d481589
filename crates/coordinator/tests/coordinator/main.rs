//! The coordinator seen from outside: what it is told, and every effect that follows.
//!
//! `desk` plays one coordinator by hand, message by message; `laws` runs several against replicas that hold
//! records, in any order that proptest finds.

mod desk;
mod explain;
mod laws;
mod limits;
mod linearizable;
mod pages;
mod reads;
mod repair;
mod slow;
mod world;
mod writes;
