//! The traces that a coordinator passes on, beside the question that they belong to.
//!
//! They are a message of their own kind around the question, and not fields in it: a question that no trace belongs to
//! has the bytes that it always had, and a peer of [an older protocol](crate::PROTOCOL_TRACED) is sent just that.
//!
//! Invariants:
//! - the question is a `Writes`, a `Read` or a `ReadPage`;
//! - there is at least one trace; their indexes rise, and lie within the writes of the question (a read is 0).

use quorate_types::Trace;

use crate::{Kind, PeerMessage};

/// A question, and the traces of those requests in it that belong to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Of which write of the batch, by its index. Of a read: 0.
    pub traces: Vec<(u32, Trace)>,
    /// The question.
    pub question: PeerMessage,
}

impl Traced {
    /// `question` with `traces`; just the question, if there are none.
    pub fn message(traces: Vec<(u32, Trace)>, question: PeerMessage) -> PeerMessage {
        if traces.is_empty() {
            return question;
        }
        PeerMessage::Traced(Box::new(Traced { traces, question }))
    }
}

impl Kind {
    /// Whether it is a question that may be traced.
    pub(crate) fn may_be_traced(self) -> bool {
        matches!(self, Kind::Writes | Kind::Read | Kind::ReadPage)
    }
}
