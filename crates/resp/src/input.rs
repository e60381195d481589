//! What a client has sent and was not executed yet.
//!
//! Invariants:
//! - bytes are copied only if a command was cut in two by the reads; arguments are slices of what was read;
//! - it is known since when a command is not whole, and how much of it is here.

use bytes::{Bytes, BytesMut};
use quorate_types::Mono;

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
    /// Since when that command is not whole, if there is one.
    begun: Option<Mono>,
    parser: Parser,
}

/// Bytes of half a command from which on it is worth more to keep the buffer that it came in than to copy it.
const KEPT_BYTES: usize = 16 << 10;

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

    /// Whether something of it was not looked at yet.
    pub(crate) fn waits(&self) -> bool {
        self.at < self.chunk.len()
    }

    /// Everything whole was taken at `now`: what is left, if anything, is half a command.
    pub(crate) fn rests(&mut self, now: Mono) {
        if !self.tail.is_empty() {
            self.begun.get_or_insert(now);
        }
    }

    /// Half a command does not get older while its rest can't come.
    pub(crate) fn excuse(&mut self, now: Mono) {
        if let Some(begun) = &mut self.begun {
            *begun = now;
        }
    }

    /// Since when a command is not whole.
    pub(crate) fn begun(&self) -> Option<Mono> {
        self.begun
    }

    /// Bytes of a command that is not whole.
    pub(crate) fn half_bytes(&self) -> usize {
        self.begun.map_or(0, |_| self.tail.len())
    }

    /// The next whole command.
    pub(crate) fn next(&mut self, limits: &Limits, who: Who) -> Result<Option<Taken>, ProtocolError> {
        while self.at < self.chunk.len() {
            let base = self.at;
            match self.parser.step(&self.chunk[base..], limits, who)? {
                Step::Command { bytes } => {
                    (self.at, self.begun) = (base + bytes, None);
                    return Ok(Some(Taken::Array { base }));
                }
                Step::Inline { command, bytes } => {
                    (self.at, self.begun) = (base + bytes, None);
                    return Ok(Some(Taken::Line(command)));
                }
                Step::Nothing { bytes } => self.at += bytes,
                Step::Incomplete { wanted } => {
                    let chunk = std::mem::take(&mut self.chunk);
                    self.tail = half(chunk, base);
                    (self.wanted, self.at) = (wanted, 0);
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

/// `chunk` from `base` on, to be added to; a large one is not copied, unless something else has a share of it.
fn half(chunk: Bytes, base: usize) -> BytesMut {
    if base > 0 || chunk.len() < KEPT_BYTES {
        return BytesMut::from(&chunk[base..]);
    }
    chunk.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}
