//! Looking on while a run goes on.

use quorate_types::Mono;

use crate::history;
use crate::kernel::Happening;
use crate::plan::Fault;

/// Somebody who looks on. It changes nothing: a run that is looked at has the same trace as one that is not.
pub trait Observer {
    /// Something happened, `at` so many nanoseconds after the cluster came up.
    fn see(&mut self, at_ns: u64, sight: Sight<'_>);
}

/// What can be seen.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// A sentence of the plan.
    Say(&'a str),
    /// A fault begins.
    Fault(&'a Fault),
    /// A fault of this name, of these nodes, is over.
    Over(&'static str, &'a [usize]),
    /// Directed ways are cut, or healed once as often as they were cut.
    Ways {
        /// Which, from one node to another.
        ways: &'a [(usize, usize)],
        /// They are cut.
        cut: bool,
    },
    /// Nothing fails from here on, and every fault that lasted is over.
    Peace,
    /// What the checker will see: requests, answers, nodes, copies.
    Event(&'a history::Event),
    /// A message between two nodes.
    Message(&'a Passing),
    /// What went into the trace.
    Happening(&'a Happening),
    /// What was waited for holds.
    Met(&'a crate::plan::Wanted),
    /// Something is wrong.
    Wrong(&'a str),
}

/// A message between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passing {
    /// When.
    pub at: Mono,
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
    /// What kind of message.
    pub kind: quorate_wire::Kind,
    /// Bytes of its frame.
    pub bytes: usize,
    /// It has arrived; else it was sent.
    pub arrived: bool,
}
