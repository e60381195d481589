//! Commands that were read and are not replied to yet, in the order in which they came.
//!
//! Invariant: replies leave in that order, each in the version of the protocol that held when its command was read.
//!
//! A request's number is the command's place in the connection's life and the request's place in the command, so that
//! an answer finds both without a search.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_wire::RequestBody;

use crate::Proto;
use crate::cluster::ClusterView;
use crate::info::Sections;
use crate::part::Part;
use crate::room::Room;
use crate::scan::Scan;

/// Requests that one command may consist of: more arguments than a command may have.
const PART_BITS: u32 = 20;
/// Requests of one command that are under way at one time.
const PARTS_UNDER_WAY: usize = 256;
/// Room for commands that an idle connection keeps.
const IDLE_ROOM: usize = 16;

/// The number of request `part` of command `place`.
pub(crate) fn number(place: u64, part: usize) -> u64 {
    place << PART_BITS | part as u64
}

/// Command and part of a request's number.
pub(crate) fn place_and_part(number: u64) -> (u64, usize) {
    (number >> PART_BITS, (number & ((1 << PART_BITS) - 1)) as usize)
}

/// One command.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) proto: Proto,
    /// It is not replied to.
    pub(crate) muted: bool,
    pub(crate) work: Work,
}

/// What a command waits for.
#[derive(Debug)]
pub(crate) enum Work {
    /// Nothing: this is its reply.
    Ready(Bytes),
    /// One request.
    One(Part),
    /// Several.
    Many(Box<Many>),
    /// Pages of partitions.
    Scan(Box<Scan>),
    /// How the node is.
    Status(StatusReply, Option<Box<quorate_wire::ResponseBody>>),
    /// The driver's answer, and how it is replied.
    Told(Telling, Option<Bytes>),
    /// Those before it.
    Before(Before),
}

/// How the driver's answer is replied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// As it is.
    AsIs,
    /// The old form of `CLIENT KILL`: the one that was named was there, or it is an error.
    TheOne,
    /// As a view of the cluster.
    Cluster(ClusterView),
}

/// What is replied from a node's status.
#[derive(Clone, Debug)]
pub(crate) enum StatusReply {
    Info(Sections),
    DbSize,
}

/// What is replied from what came before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    /// How many replicas have the last write.
    Acked,
    /// The last receipt.
    Receipt,
}

/// How the answers of several requests become one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Together {
    /// A list of values.
    Values,
    /// A count.
    Count,
    /// `OK`.
    Written,
}

/// A command on several keys.
#[derive(Debug)]
pub(crate) struct Many {
    pub(crate) together: Together,
    pub(crate) parts: Vec<Part>,
    pub(crate) unanswered: usize,
    /// Bytes of the values that were answered and are kept.
    value_bytes: usize,
    /// Its values are more than a reply may have: none is kept.
    too_large: bool,
    /// The first requests of the parts that were not begun.
    rest: std::vec::IntoIter<RequestBody>,
}

impl Many {
    pub(crate) fn new(together: Together, parts: Vec<Part>, asks: Vec<RequestBody>) -> Many {
        let unanswered = parts.len();
        Many { together, parts, unanswered, value_bytes: 0, too_large: false, rest: asks.into_iter() }
    }

    /// The next part to begin, while few enough are under way, and if it reads, while there is `room` for it.
    pub(crate) fn next(&mut self, room: &Room) -> Option<(usize, RequestBody)> {
        let begun = self.parts.len() - self.rest.len();
        let under_way = begun - (self.parts.len() - self.unanswered);
        let next = self.parts.get(begun)?;
        if under_way >= PARTS_UNDER_WAY || (next.reads() && !room.takes_a_read()) {
            return None;
        }
        self.rest.next().map(|body| (begun, body))
    }

    /// Whether all parts were begun, or will never be.
    pub(crate) fn is_begun(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    /// Part `at` was answered. If all values together are more than `value_bytes_max`, none is kept and no further part
    /// is begun. The bytes that were let go.
    pub(crate) fn answered(&mut self, at: usize, value_bytes_max: usize) -> usize {
        self.unanswered -= 1;
        self.value_bytes += self.parts[at].value_bytes();
        if self.value_bytes <= value_bytes_max && !self.too_large {
            return 0;
        }
        self.too_large = true;
        self.unanswered -= self.rest.len();
        self.rest = Vec::new().into_iter();
        self.parts.iter_mut().for_each(Part::let_value_go);
        std::mem::take(&mut self.value_bytes)
    }

    /// Whether its values are more than a reply may have.
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large
    }
}

impl Work {
    /// Bytes that it keeps for its reply.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Work::Ready(reply) | Work::Told(_, Some(reply)) => reply.len(),
            Work::One(part) if part.reads() => part.value_bytes(),
            Work::Many(many) => many.value_bytes,
            Work::Scan(scan) => scan.found_bytes(),
            Work::One(_) | Work::Status(..) | Work::Told(_, None) | Work::Before(_) => 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Work::Ready(_) | Work::Before(_) => true,
            Work::One(part) => part.is_done(),
            Work::Many(many) => many.unanswered == 0,
            Work::Scan(scan) => scan.is_done(),
            Work::Status(_, answer) => answer.is_some(),
            Work::Told(_, answer) => answer.is_some(),
        }
    }
}

/// The commands of a connection, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entries: VecDeque<Entry>,
    /// The place of the oldest.
    first: u64,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place that the next command gets.
    pub(crate) fn next_place(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(crate) fn at(&mut self, place: u64) -> Option<&mut Entry> {
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(at)
    }

    /// The oldest command, if all that it waited for is there.
    pub(crate) fn oldest_done(&self) -> Option<&Entry> {
        self.entries.front().filter(|entry| entry.work.is_done())
    }

    /// Lets the oldest command go.
    pub(crate) fn pop(&mut self) {
        self.first += u64::from(self.entries.pop_front().is_some());
        if self.entries.is_empty() && self.entries.capacity() > 4 * IDLE_ROOM {
            self.entries.shrink_to(IDLE_ROOM);
        }
    }
}
