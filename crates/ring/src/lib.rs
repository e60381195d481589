//! Where data lives: tokens, partitions, vnodes and preference lists.
//!
//! A key's token is its seeded xxh3 hash; the top twelve bits of it name one of 4,096 partitions. Vnodes sit on the
//! partitions' boundaries: a partition is owned by the node of the first vnode clockwise, and copied to the next
//! distinct nodes, each zone once before any zone twice. A [`Ring`] is an immutable snapshot of all that: made from
//! the members once, shared behind an `Arc`, asked on every request.
//!
//! It is not the membership (who is alive, who may join) and moves no data: it says what would have to move.
//!
//! ```
//! use quorate_ring::{Member, Ring};
//! use quorate_types::{KeyspaceId, NodeId};
//!
//! let keyspace = KeyspaceId::of_name("default");
//! let members = ["n1", "n2", "n3", "n4"].map(|name| Member::new(NodeId::of_name(name), 1.0, None));
//! let ring = Ring::build(7, &members, &[(keyspace, 3)])?;
//!
//! let partition = ring.token(b"hello").partition();
//! let replicas = ring.replicas(partition, ring.n(keyspace).unwrap_or(1));
//! assert_eq!(replicas.len(), 3);
//!
//! // A fifth node takes its share over, and nothing moves between the other four.
//! let n5 = NodeId::of_name("n5");
//! let grown = ring.join(Member::new(n5, 1.0, None))?;
//! assert!(quorate_ring::movement(&ring, &grown, 3).iter().all(|step| step.to == n5));
//! # Ok::<(), quorate_ring::RingError>(())
//! ```
//!
//! # Placement
//! Every boundary carries a vnode, shared out in proportion to capacity (no node more than every third, as `n` = 3
//! copies need distinct nodes; zones likewise), so arranged that neighbours differ. Then a vnode carries exactly
//! `n` partitions, and an even count of vnodes is an even load of copies. A joining node takes boundaries over from
//! the others, those of a leaving one are dealt out to the rest; either way each changed partition changes one
//! replica. All arithmetic that decides is on integers.
//!
//! # Guaranteed
//! - The same members give the same ring, on every machine and in any order; [`Ring::hash`] tells two rings apart.
//! - Replicas of a partition are distinct; none shares a zone with another while some zone holds none.
//! - [`Ring::replicas`] is a table lookup: no allocation, no search.
//!
//! # Aimed at, measured by `examples/balance.rs` and held by tests
//! - For n = 3 and up to 100 nodes of capacities 1 to 4, no node carries more than 1.05 of its fair share, which is
//!   its part of the capacity, except where distinct nodes and zones make that impossible ([`Ring::ownership`]).
//! - A join or leave moves at most 1.1 times the copies that any fair placement would have to move (a join that makes
//!   its zone carry a copy of every partition may move more: 1.12 at six nodes in five zones).
//!
//! # Not guaranteed
//! - That the owners of single keys are even: a hot key is hot on its replicas.
//! - Balance to 1.05 for other `n`, nor for a node whose share is below about twenty partitions.
//!
//! Sources: Dynamo (SOSP 2007) §4.2–4.3 and §6.2, "strategy 3"; riak_core's claim (`target_n_val`); Balinski and
//! Young, Fair Representation (1982), for the divisor method.

#![forbid(unsafe_code)]

mod error;
mod member;
mod movement;
mod ownership;
mod placement;
mod preference;
mod ring;
mod share;

pub use error::RingError;
pub use member::{MEMBERS_MAX, Member};
pub use movement::{Move, movement};
pub use ownership::Ownership;
pub use ring::Ring;
