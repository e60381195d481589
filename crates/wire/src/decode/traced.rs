//! A question with its traces.

use quorate_types::{SpanId, Trace, TraceId};

use super::body::Body;
use crate::{Kind, PeerMessage, Traced, WireError};

/// Index, trace, span, flags.
const TRACE_BYTES_MIN: usize = 26;

impl Body<'_> {
    pub(super) fn traced(&mut self) -> Result<PeerMessage, WireError> {
        let traces = self.traces()?;
        let question = self.question()?;
        let asked = match &question {
            PeerMessage::Writes(batch) => batch.writes.len() as u64,
            _ => 1,
        };
        let rising = traces.is_sorted_by(|(before, _), (after, _)| before < after);
        match traces.last() {
            Some((last, _)) if rising && u64::from(*last) < asked => {
                Ok(PeerMessage::Traced(Box::new(Traced { traces, question })))
            }
            _ => Err(WireError::TracesMisplaced { kind: Kind::Traced, asked }),
        }
    }

    fn traces(&mut self) -> Result<Vec<(u32, Trace)>, WireError> {
        let count: usize = self.take()?;
        let mut traces = Vec::with_capacity(count.min(self.left() / TRACE_BYTES_MIN));
        for _ in 0..count {
            let (index, id, parent, flags): (u32, [u8; 16], [u8; 8], u8) = self.take()?;
            let (Some(id), Some(parent)) = (TraceId::new(id), SpanId::new(parent)) else {
                return Err(WireError::TraceOfZeros { kind: self.kind, index });
            };
            traces.push((index, Trace { id, parent, flags }));
        }
        Ok(traces)
    }

    /// The question itself, which is not traced once more.
    fn question(&mut self) -> Result<PeerMessage, WireError> {
        let (byte, version): (u8, u8) = self.take()?;
        let kind = super::known_kind(byte, version)?;
        if !kind.may_be_traced() {
            return Err(WireError::Unexpected { kind, expected: "a question that may be traced" });
        }
        self.kind = kind;
        self.peer_message()
    }
}
