//! A cluster of the node's own machines in one thread: four nodes of one or two shards, on virtual time, joined by
//! links that delay, lose, double and reorder what is sent. Every message is encoded and decoded.

mod answering;
mod disk;
mod expiring;
mod faults;
mod handoff;
mod harness;
mod linearizable;
mod lives;
mod network;
mod slow;
mod traced;
mod writes;
