//! The trace that a request belongs to: what one participant tells the next, so that their log lines can be put together.
//!
//! Source: Trace Context level 1 (W3C), §3.2: a participant passes trace and flags on and names its own span as parent.

use std::fmt;

/// `N` bytes that are not all zero, written as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HexId<const N: usize>([u8; N]);

/// A trace: everything that happens for one request of someone outside.
pub type TraceId = HexId<16>;
/// One participant's part in a trace.
pub type SpanId = HexId<8>;

impl<const N: usize> HexId<N> {
    /// The id of these bytes; `None` if all are zero.
    pub fn new(bytes: [u8; N]) -> Option<HexId<N>> {
        (bytes != [0; N]).then_some(HexId(bytes))
    }

    /// The id that is written as `digits`; `None` if they are not exactly as many as it has, all lower-case.
    pub fn from_hex(digits: &str) -> Option<HexId<N>> {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let mut bytes = [0; N];
        if pairs.len() != N || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        HexId::new(bytes)
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; N] {
        self.0
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl<const N: usize> fmt::Display for HexId<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for HexId<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a participant is told of the trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The span of whoever asks.
    pub parent: SpanId,
    /// Its flags; of these only [`Trace::SAMPLED`] means anything to us.
    pub flags: u8,
}

impl Trace {
    /// The asker may have recorded the trace.
    pub const SAMPLED: u8 = 1;

    /// Whether [`Trace::SAMPLED`] is set.
    pub fn is_sampled(self) -> bool {
        self.flags & Trace::SAMPLED != 0
    }

    /// What the owner of `span`, who was told this, tells whom it asks. Flags without a meaning are not passed on (§3.2.2.5).
    #[must_use]
    pub fn passed_on_by(self, span: SpanId) -> Trace {
        Trace { id: self.id, parent: span, flags: self.flags & Trace::SAMPLED }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is_one() {
        let span = SpanId::from_hex("00f067aa0ba902b7").unwrap();
        assert_eq!(
            (span.bytes(), span.to_string().as_str()),
            ([0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 2, 0xb7], "00f067aa0ba902b7")
        );
        for bad in [
            "",
            "0",
            "00f067aa0ba902b",
            "00f067aa0ba902b7a",
            "00F067AA0BA902B7",
            "00f067aa0ba902g7",
            "0000000000000000",
            "ü0f067aa0ba902b",
        ] {
            assert_eq!(SpanId::from_hex(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn who_passes_a_trace_on_is_the_parent_and_only_the_sampled_flag_goes_along() {
        let id = |byte| SpanId::new([byte; 8]).unwrap();
        let trace = Trace { id: TraceId::new([7; 16]).unwrap(), parent: id(1), flags: 0xff };
        assert_eq!(trace.passed_on_by(id(2)), Trace { parent: id(2), flags: 1, ..trace });
        assert_eq!(Trace { flags: 0xfe, ..trace }.passed_on_by(id(2)).flags, 0);
    }
}
