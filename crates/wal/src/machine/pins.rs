//! Pins: what a slow reader, a backup or a queue still needs, whatever the checkpoint says.
//!
//! Invariant: no segment with a record at or above the least pin retires. Pins live in memory: take them again after
//! opening the log, before its first checkpoint.

use super::Machine;
use crate::mutants::{Mutant, planted};
use crate::{Error, Lsn};

/// Who holds back what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinStats {
    /// The owner's name, as it gave it.
    pub name: String,
    /// The records from here on stay.
    pub lsn: Lsn,
}

impl Machine {
    /// Keeps the records from `lsn` on until [`Machine::unpin`]; returns the pin's number.
    ///
    /// # Errors
    /// [`Error::Recycled`]: some of them are gone already. Nothing is pinned.
    pub fn pin(&mut self, name: &str, lsn: Lsn) -> Result<u64, Error> {
        let (from, oldest) = (lsn.max(Lsn::new(1)), self.oldest_lsn());
        if from < oldest {
            return Err(Error::Recycled { from, oldest });
        }
        self.pins_made += 1;
        self.pins.insert(self.pins_made, PinStats { name: name.to_owned(), lsn: from });
        Ok(self.pins_made)
    }

    /// The pin's owner is done with everything below `lsn`. A pin never goes back.
    pub fn move_pin(&mut self, pin: u64, lsn: Lsn) {
        if let Some(held) = self.pins.get_mut(&pin) {
            held.lsn = held.lsn.max(lsn);
        }
    }

    /// The pin's owner needs nothing any more.
    pub fn unpin(&mut self, pin: u64) {
        self.pins.remove(&pin);
    }

    /// Who holds back what, oldest pin first.
    pub fn pins(&self) -> impl Iterator<Item = &PinStats> {
        self.pins.values()
    }

    /// Up to here segments may retire: the checkpoint, or less if somebody holds it back.
    pub(super) fn retirable(&self) -> Lsn {
        if planted(Mutant::CheckpointIgnoresPins) {
            return self.cut;
        }
        self.pins().map(|pin| pin.lsn.prev()).fold(self.cut, Lsn::min)
    }
}
