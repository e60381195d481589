//! Arbitrary bytes as decisions. Behind their end everything is zero, so that any bytes are an input.

/// The bytes not yet used.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    /// Two bytes, little-endian.
    pub fn short(&mut self) -> usize {
        usize::from(self.byte()) | usize::from(self.byte()) << 8
    }

    /// A number that tends to the ends: one byte, unless that says that eight follow.
    pub fn number(&mut self) -> u64 {
        self.near(0)
    }

    /// A number that tends to `known`, and to the ends.
    pub fn near(&mut self, known: u64) -> u64 {
        match self.byte() {
            byte @ 0..=63 => u64::from(byte),
            byte @ 64..=191 => known.wrapping_add(u64::from(byte)).wrapping_sub(128),
            192 => u64::MAX,
            193 => u64::MAX - 1,
            194 => i64::MAX as u64,
            195 => u64::from(u32::MAX),
            196 => 1 << 24,
            197 => 4096,
            198 => known.reverse_bits(),
            _ => self.bytes(8).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        }
    }
}
