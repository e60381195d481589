//! What bounds the memory that the answers to one client take.
//!
//! How large an answer is, nobody knows before it is there. So at most `reads_max` requests whose answers may be large
//! are under way at one time: eight of a newcomer, one more with every small answer, and after a large one only as many
//! as would come to `output_pause_bytes` if all of them were so. And none is begun while as many bytes of answers wait,
//! for their turn or for the client.
//!
//! Invariants:
//! - a client has at most `output_pause_bytes`, `reads_max` values and one reply of `output_bytes_max` here;
//! - a command whose answers are many, or large by nature, is the last one begun until all of it is under way or there;
//! - somebody with small values and at most `reads_max` reads in a pipeline notices nothing of this.

use crate::Limits;

/// Reads of a newcomer that may be under way: nobody knows yet how large its values are.
const READS_FIRST: usize = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    under_way: usize,
    /// What may be under way; follows the sizes of answers.
    window: usize,
    /// Bytes of answers that wait for their turn.
    held: usize,
    /// Commands that are to be the last ones for now.
    last: usize,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Room {
        Room { under_way: 0, window: READS_FIRST.min(limits.reads_max), held: 0, last: 0 }
    }

    /// Whether another read may be begun.
    pub(crate) fn takes_a_read(&self) -> bool {
        self.under_way < self.window
    }

    /// Whether another command may be begun, whatever it is, as far as it is not for bytes that wait.
    pub(crate) fn takes_a_command(&self) -> bool {
        self.last == 0 && self.takes_a_read()
    }

    pub(crate) fn read_begun(&mut self) {
        self.under_way += 1;
    }

    /// The answer to a read has come, with a value of `bytes`, and is kept.
    pub(crate) fn read_answered(&mut self, bytes: usize, limits: &Limits) {
        self.under_way -= 1;
        self.held += bytes;
        if bytes.saturating_mul(limits.reads_max) <= limits.output_pause_bytes {
            self.window = (self.window + 1).min(limits.reads_max);
        } else {
            self.window = self.window.min((limits.output_pause_bytes / bytes).max(1));
        }
    }

    /// Bytes of answers that wait for their turn.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn hold(&mut self, bytes: usize) {
        self.held += bytes;
    }

    pub(crate) fn let_go(&mut self, bytes: usize) {
        self.held -= bytes;
    }

    /// A command was begun that is the last one for now.
    pub(crate) fn last_begun(&mut self) {
        self.last += 1;
    }

    /// It is not any more.
    pub(crate) fn last_done(&mut self) {
        self.last -= 1;
    }

    pub(crate) fn has_last(&self) -> bool {
        self.last > 0
    }
}
