//! Commands out of bytes: arrays of bulk strings, and lines for people.
//!
//! ```text
//! *2\r\n$3\r\nGET\r\n$1\r\nk\r\n      an array of bulk strings
//! GET "a key"\r\n                     an inline command
//! ```
//!
//! Invariants:
//! - flat: an array of bulk strings holds nothing else, so there is no nesting and no recursion;
//! - nothing is allocated per argument, nothing before a length was checked against its limit, and nothing for what
//!   a length claims and does not bring;
//! - a command that is incomplete is gone on with where it broke off: the work is linear in the bytes, however they
//!   were cut;
//! - what does not parse ends the connection: nobody knows where the next command begins.
//!
//! Source: the RESP specification (redis.io/docs/reference/protocol-spec); limits before authentication are those
//! that Redis took after CVE-2021-32675.

mod inline;

use bytes::Bytes;
use thiserror::Error;

use crate::limits::{Limits, Who};

pub(crate) use inline::InlineCommand;

/// Longest line of a count or a length: a sign and 19 digits, generously.
const NUMBER_BYTES_MAX: usize = 32;

/// Bytes that are no command. Nothing of them was executed; the connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The number of arguments is too large.
    #[error("invalid multibulk length: a command has at most {max} arguments (resp.arguments_max)")]
    ArgumentCount {
        /// The limit.
        max: u32,
    },
    /// Too many arguments for somebody who has not said the password.
    #[error("unauthenticated multibulk length: at most {max} arguments before AUTH")]
    StrangerArgumentCount {
        /// The limit.
        max: u32,
    },
    /// Where the number of arguments should be is something else.
    #[error("invalid multibulk length: it is no number that there could be")]
    NotACount,
    /// Where the length of an argument should be is something else.
    #[error("invalid bulk length: it is no number of bytes")]
    NotALength,
    /// The length of an argument is too large.
    #[error("invalid bulk length: an argument has at most {max} bytes (value_bytes_max and some)")]
    ArgumentBytes {
        /// The limit.
        max: u32,
    },
    /// Too large an argument for somebody who has not said the password.
    #[error("unauthenticated bulk length: an argument has at most {max} bytes before AUTH")]
    StrangerArgumentBytes {
        /// The limit.
        max: u32,
    },
    /// All arguments together are too large.
    #[error("a command has at most {max} bytes (resp.command_bytes_max)")]
    CommandBytes {
        /// The limit.
        max: u32,
    },
    /// Something else where an argument's length should begin.
    #[error("expected '$', got '{}'", found.escape_ascii())]
    NotABulk {
        /// What was there.
        found: u8,
    },
    /// A line of a number that does not end.
    #[error("too big {what} count string")]
    NumberTooLong {
        /// `mbulk` or `bulk`.
        what: &'static str,
    },
    /// An argument's bytes are not followed by an end of line.
    #[error("an argument is longer than its length says")]
    Unterminated,
    /// A line that does not end.
    #[error("too big inline request: a line has at most {max} bytes")]
    LineTooLong {
        /// The limit.
        max: u32,
    },
    /// A line whose quotes don't match.
    #[error("unbalanced quotes in request")]
    Quotes,
}

/// Where an argument lies, relative to the command's first byte.
pub(crate) type Span = (u32, u32);

/// What came of looking on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A command of this many bytes; its arguments are in [`Parser::spans`].
    Command { bytes: usize },
    /// A command that was written as a line of this many bytes.
    Inline { command: InlineCommand, bytes: usize },
    /// This many bytes say nothing: an empty line or array.
    Nothing { bytes: usize },
    /// The command is not complete before there are this many bytes of it.
    Incomplete { wanted: usize },
}

/// One command's way through the parser; see the module.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    spans: Vec<Span>,
    /// Arguments still to come; 0: the command has not begun.
    left: u32,
    /// The length of the argument that `at` stands at, once it is known.
    length: Option<u32>,
    at: usize,
}

/// The arguments of a command, name first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a> {
    frame: &'a Bytes,
    base: usize,
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(crate) fn new(frame: &'a Bytes, base: usize, spans: &'a [Span]) -> Args<'a> {
        Args { frame, base, spans }
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The first `len` of them.
    pub(crate) fn upto(&self, len: usize) -> Args<'a> {
        Args { spans: &self.spans[..len.min(self.spans.len())], ..*self }
    }

    /// Where all but those at `positions` lie, for [`Args::with`].
    pub(crate) fn spans_but(&self, positions: &[usize]) -> Vec<Span> {
        let spans = self.spans.iter().enumerate();
        spans.filter(|(at, _)| !positions.contains(at)).map(|(_, span)| *span).collect()
    }

    /// Those at `spans` instead.
    pub(crate) fn with<'b>(&self, spans: &'b [Span]) -> Args<'b>
    where
        'a: 'b,
    {
        Args { spans, ..*self }
    }

    /// Argument `at`, borrowed; there must be one.
    pub(crate) fn at(&self, at: usize) -> &'a [u8] {
        let (from, to) = self.spans[at];
        &self.frame[self.base + from as usize..self.base + to as usize]
    }

    /// Argument `at`, shared: the frame lives as long as it does.
    pub(crate) fn bytes(&self, at: usize) -> Bytes {
        let (from, to) = self.spans[at];
        self.frame.slice(self.base + from as usize..self.base + to as usize)
    }

    /// Argument `at` as text, with what is no UTF-8 replaced.
    pub(crate) fn text(&self, at: usize) -> String {
        String::from_utf8_lossy(self.at(at)).into_owned()
    }

    /// Whether argument `at` is `word`, in any case.
    pub(crate) fn is(&self, at: usize, word: &str) -> bool {
        self.at(at).eq_ignore_ascii_case(word.as_bytes())
    }

    /// Argument `at` as a number, written as Redis wants it: no sign but a minus, no leading zero.
    pub(crate) fn integer(&self, at: usize) -> Option<i64> {
        integer(self.at(at))
    }
}

impl Parser {
    /// Where the arguments of the last [`Step::Command`] lie.
    ///
    /// Out of the parser, so that they may be looked at while the parser's owner changes.
    pub(crate) fn take_spans(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.spans)
    }

    /// Gives the memory of [`Parser::take_spans`] back; that of an unusually long command goes.
    pub(crate) fn reuse(&mut self, spans: Vec<Span>) {
        if spans.capacity() <= 64 {
            self.spans = spans;
        }
    }

    /// Goes on with the command that begins at `input[0]`; more of it than the last time, from the same byte on.
    pub(crate) fn step(&mut self, input: &[u8], limits: &Limits, who: Who) -> Result<Step, ProtocolError> {
        if self.left == 0 {
            self.spans.clear();
            self.at = 0;
            match input.first() {
                None => return Ok(Step::Incomplete { wanted: 1 }),
                Some(b'*') => {}
                Some(_) => return inline::line(input, limits, who),
            }
            let Some((count, end)) = number_line(input, 1, "mbulk")? else {
                return Ok(more_than(input));
            };
            match count {
                Some(..=0) => return Ok(Step::Nothing { bytes: end }),
                Some(count) if count <= i64::from(limits.arguments_max) => self.left = count as u32,
                Some(_) => return Err(too_many(limits.arguments_max, who)),
                None => return Err(ProtocolError::NotACount),
            }
            self.at = end;
        }
        self.arguments(input, limits, who)
    }

    fn arguments(&mut self, input: &[u8], limits: &Limits, who: Who) -> Result<Step, ProtocolError> {
        while self.left > 0 {
            let length = match self.length {
                Some(length) => length,
                None => match self.next_length(input, limits, who)? {
                    Some(length) => length,
                    None => return Ok(more_than(input)),
                },
            };
            let end = self.at + length as usize;
            if input.len() < end + 2 {
                self.length = Some(length);
                return Ok(Step::Incomplete { wanted: end + 2 });
            }
            if &input[end..end + 2] != b"\r\n" {
                return Err(ProtocolError::Unterminated);
            }
            self.spans.push((self.at as u32, end as u32));
            (self.at, self.length) = (end + 2, None);
            self.left -= 1;
        }
        Ok(Step::Command { bytes: self.at })
    }

    /// The length of the next argument, whose bytes `at` then stands at.
    fn next_length(&mut self, input: &[u8], limits: &Limits, who: Who) -> Result<Option<u32>, ProtocolError> {
        match input.get(self.at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(&found) => return Err(ProtocolError::NotABulk { found }),
        }
        let Some((length, end)) = number_line(input, self.at + 1, "bulk")? else { return Ok(None) };
        let max = limits.argument_bytes_max;
        let length = match length {
            None | Some(..0) => return Err(ProtocolError::NotALength),
            Some(length) if length <= i64::from(max) => length as u32,
            _ if who == Who::Stranger => return Err(ProtocolError::StrangerArgumentBytes { max }),
            _ => return Err(ProtocolError::ArgumentBytes { max }),
        };
        if end + length as usize > limits.command_bytes_max as usize {
            return Err(ProtocolError::CommandBytes { max: limits.command_bytes_max });
        }
        self.at = end;
        Ok(Some(length))
    }
}

fn more_than(input: &[u8]) -> Step {
    Step::Incomplete { wanted: input.len() + 1 }
}

fn too_many(max: u32, who: Who) -> ProtocolError {
    match who {
        Who::Stranger => ProtocolError::StrangerArgumentCount { max },
        Who::Known => ProtocolError::ArgumentCount { max },
    }
}

/// The number in the line that begins at `from` (`None` if it is none), and where the next line begins; `None` if the
/// line has not ended yet.
fn number_line(
    input: &[u8],
    from: usize,
    what: &'static str,
) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    let line = &input[from.min(input.len())..];
    let line = &line[..line.len().min(NUMBER_BYTES_MAX)];
    match line.iter().position(|byte| *byte == b'\r') {
        Some(end) if line.get(end + 1) == Some(&b'\n') => Ok(Some((integer(&line[..end]), from + end + 2))),
        Some(end) if line.len() > end + 1 => Ok(Some((None, from + end + 2))),
        None if line.len() == NUMBER_BYTES_MAX => Err(ProtocolError::NumberTooLong { what }),
        _ => Ok(None),
    }
}

/// `text` as a number, written as Redis wants it.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        digits => (digits, false),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: i64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        let digit = i64::from(digit - b'0');
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(digit)? } else { value.checked_add(digit)? };
    }
    Some(value)
}

#[cfg(test)]
mod tests;
