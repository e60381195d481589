//! What a client has sent and was not executed yet.
//!
//! Invariant: bytes are copied only if a command was cut in two by the reads; arguments are slices of what was read.

use bytes::{Bytes, BytesMut};

use crate::limits::{Limits, Who};
use crate::parse::{InlineCommand, Parser, ProtocolError, Span, Step};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Whole commands, and from `at` on those that were not taken yet.
    chunk: Bytes,
    at: usize,
    /// The beginning of a command whose rest has not come.
    tail: BytesMut,
    /// Bytes of it before which looking at it is of no use.
    wanted: usize,
    parser: Parser,
}

/// A command, taken out of the input.
#[derive(Debug)]
pub(crate) enum Taken {
    /// An array; its arguments lie in the chunk ([`Input::lend`]) from `base` on.
    Array { base: usize },
    /// A line.
    Line(InlineCommand),
}

impl Input {
    /// More has come.
    pub(crate) fn push(&mut self, more: Bytes) {
        if self.at < self.chunk.len() {
            // What is left was not looked at yet, because too much is under way.
            self.tail.extend_from_slice(&self.chunk[self.at..]);
            (self.chunk, self.at) = (Bytes::new(), 0);
            self.wanted = 1;
        }
        if self.tail.is_empty() {
            (self.chunk, self.at) = (more, 0);
            return;
        }
        self.tail.extend_from_slice(&more);
        if self.tail.len() >= self.wanted {
            (self.chunk, self.at) = (std::mem::take(&mut self.tail).freeze(), 0);
        }
    }

    /// The next whole command.
    pub(crate) fn next(&mut self, limits: &Limits, who: Who) -> Result<Option<Taken>, ProtocolError> {
        while self.at < self.chunk.len() {
            let base = self.at;
            match self.parser.step(&self.chunk[base..], limits, who)? {
                Step::Command { bytes } => {
                    self.at += bytes;
                    return Ok(Some(Taken::Array { base }));
                }
                Step::Inline { command, bytes } => {
                    self.at += bytes;
                    return Ok(Some(Taken::Line(command)));
                }
                Step::Nothing { bytes } => self.at += bytes,
                Step::Incomplete { wanted } => {
                    self.tail.extend_from_slice(&self.chunk[base..]);
                    self.wanted = wanted;
                    (self.chunk, self.at) = (Bytes::new(), 0);
                }
            }
        }
        if self.at > 0 {
            // Nothing of it is needed any more but by arguments that have their own share of it.
            (self.chunk, self.at) = (Bytes::new(), 0);
        }
        Ok(None)
    }

    /// The bytes of the last array, and where its arguments lie; both are to be given back before the next call.
    ///
    /// Out of the input, so that they may be looked at while its owner changes, without a share of the bytes for each
    /// command.
    pub(crate) fn lend(&mut self) -> (Bytes, Vec<Span>) {
        (std::mem::take(&mut self.chunk), self.parser.take_spans())
    }

    /// Takes back what [`Input::lend`] gave.
    pub(crate) fn take_back(&mut self, (chunk, spans): (Bytes, Vec<Span>)) {
        self.chunk = chunk;
        self.parser.reuse(spans);
    }
}
