//! Records that say who they are.
//!
//! Invariant: a record's kind and bytes follow from its [`Name`] and the run's seed, every byte of them. So a record
//! that was altered anywhere, its name included, is not the one that its name makes.

use std::fmt;

use quorate_wal::testkit::SplitMix;

/// Which record: the `counter`-th of one writer in one life of the log, `place` of `of` in its atomic batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// The opening of the log in which it was appended.
    pub life: u64,
    pub writer: u32,
    /// From 1, without gaps, in the order in which the writer appended.
    pub counter: u64,
    pub place: u16,
    pub of: u16,
}

/// Bytes of a name at the start of its record.
const HEAD_BYTES: usize = 24;
/// A batch must fit into half of the least segment.
const BATCHED_FILLER_BYTES: u64 = 100;
const FILLER_BYTES: u64 = 200;
/// One record in sixteen.
const LONG_FILLER_BYTES: u64 = 1200;

impl Name {
    /// A record by itself.
    pub fn single(life: u64, writer: u32, counter: u64) -> Self {
        Self { life, writer, counter, place: 0, of: 1 }
    }

    /// Its kind and bytes.
    pub fn record(&self, seed: u64) -> (u8, Vec<u8>) {
        let mut bytes = self.head();
        let halves = bytes.chunks_exact(8).map(|half| half.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)));
        let mixed = halves.fold(seed, |sum, half| SplitMix::new(sum ^ half).bits());
        let mut chance = SplitMix::new(mixed);
        let kind = chance.bits() as u8;
        let filler = match (self.of, chance.one_in(16)) {
            (1, true) => LONG_FILLER_BYTES,
            (1, false) => FILLER_BYTES,
            _ => BATCHED_FILLER_BYTES,
        };
        // At least the eight bytes that vouch for the head.
        for _ in 0..=chance.below(filler) / 8 {
            bytes.extend(chance.bits().to_le_bytes());
        }
        (kind, bytes)
    }

    /// Whose record this is, if it is unaltered.
    pub fn recognise(seed: u64, kind: u8, payload: &[u8]) -> Option<Self> {
        let name = Self::from_head(payload.get(..HEAD_BYTES)?)?;
        let (its_kind, its_bytes) = name.record(seed);
        (its_kind == kind && its_bytes == payload).then_some(name)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend(self.life.to_le_bytes());
        head.extend(self.counter.to_le_bytes());
        head.extend(self.writer.to_le_bytes());
        head.extend(self.place.to_le_bytes());
        head.extend(self.of.to_le_bytes());
        head
    }

    fn from_head(head: &[u8]) -> Option<Self> {
        let (life, rest) = head.split_first_chunk()?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (writer, rest) = rest.split_first_chunk()?;
        let (place, rest) = rest.split_first_chunk()?;
        let (of, _) = rest.split_first_chunk()?;
        Some(Self {
            life: u64::from_le_bytes(*life),
            writer: u32::from_le_bytes(*writer),
            counter: u64::from_le_bytes(*counter),
            place: u16::from_le_bytes(*place),
            of: u16::from_le_bytes(*of),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of writer {} in life {}", self.counter, self.writer, self.life)?;
        if self.of > 1 {
            write!(f, " ({} of {} in a batch)", self.place + 1, self.of)?;
        }
        Ok(())
    }
}
