//! Commands written as a line, for people with `nc`, and for load generators.
//!
//! Arguments stand between blanks; `"…"` takes escapes (`\n`, `\xff`, `\"`), `'…'` takes `\'` only.

use bytes::Bytes;

use super::{ProtocolError, Span, Step};
use crate::limits::{Limits, Who};

/// The arguments of a line, unescaped into a buffer of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InlineCommand {
    pub(crate) frame: Bytes,
    pub(crate) spans: Vec<Span>,
}

/// The command in the line at the front of `input`.
pub(super) fn line(input: &[u8], limits: &Limits, who: Who) -> Result<Step, ProtocolError> {
    let max = limits.inline_bytes_max;
    let looked_at = &input[..input.len().min(max as usize)];
    let Some(end) = looked_at.iter().position(|byte| *byte == b'\n') else {
        return if looked_at.len() == max as usize {
            Err(ProtocolError::LineTooLong { max })
        } else {
            Ok(Step::Incomplete { wanted: input.len() + 1 })
        };
    };
    let text = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    let command = split(text)?;
    if command.spans.len() > limits.arguments_max as usize {
        return Err(super::too_many(limits.arguments_max, who));
    }
    let bytes = end + 1;
    if command.spans.is_empty() { Ok(Step::Nothing { bytes }) } else { Ok(Step::Inline { command, bytes }) }
}

fn split(line: &[u8]) -> Result<InlineCommand, ProtocolError> {
    let (mut buffer, mut spans, mut rest) = (Vec::with_capacity(line.len()), Vec::new(), line);
    loop {
        while let [byte, after @ ..] = rest
            && is_blank(*byte)
        {
            rest = after;
        }
        if rest.is_empty() {
            return Ok(InlineCommand { frame: buffer.into(), spans });
        }
        let from = buffer.len();
        rest = argument(rest, &mut buffer)?;
        spans.push((from as u32, buffer.len() as u32));
    }
}

/// Unescapes one argument into `out`; what follows it.
fn argument<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match rest {
            [] => return Ok(rest),
            [byte, ..] if is_blank(*byte) => return Ok(rest),
            [quote @ (b'"' | b'\''), after @ ..] => {
                rest = quoted(after, *quote, out)?;
                return match rest {
                    [byte, ..] if !is_blank(*byte) => Err(ProtocolError::Quotes),
                    _ => Ok(rest),
                };
            }
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn quoted<'a>(mut rest: &'a [u8], quote: u8, out: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        rest = match rest {
            [] => return Err(ProtocolError::Quotes),
            [byte, after @ ..] if *byte == quote => return Ok(after),
            [b'\\', b'x', high, low, after @ ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] if quote == b'"' => {
                out.push(unescaped(*escaped));
                after
            }
            [b'\\', b'\'', after @ ..] if quote == b'\'' => {
                out.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                out.push(*byte);
                after
            }
        };
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | 0)
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
