//! The order of commands on one key: a read behind a write waits for it and sees it; what touches other keys, and
//! reads beside reads, go on.
//!
//! Invariants:
//! - of one token, either one write is under way or any number of reads;
//! - what is held goes in the order in which it came, and nothing overtakes what is held on its token;
//! - two keys of one token (a 64-bit hash) wait for each other: that costs time and nothing else.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::effects::Ask;

/// How a request touches its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    Write,
}

#[derive(Debug)]
struct Busy {
    token: u64,
    readers: u32,
    writing: bool,
    held: u32,
}

impl Busy {
    fn takes(&self, mode: Mode) -> bool {
        match mode {
            Mode::Read => !self.writing,
            Mode::Write => !self.writing && self.readers == 0,
        }
    }

    fn begin(&mut self, mode: Mode) {
        match mode {
            Mode::Read => self.readers += 1,
            Mode::Write => self.writing = true,
        }
    }

    fn end(&mut self, mode: Mode) {
        match mode {
            Mode::Read => self.readers -= 1,
            Mode::Write => self.writing = false,
        }
    }
}

#[derive(Debug)]
struct Held {
    token: u64,
    mode: Mode,
    ask: Ask,
}

/// The keys of one connection's requests that are under way.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder {
    busy: HashTable<Busy>,
    held: VecDeque<Held>,
}

impl KeyOrder {
    /// Gives `ask` back if it may go now; else it is kept until [`KeyOrder::release`] gives it out.
    pub(crate) fn admit(&mut self, token: u64, mode: Mode, ask: Ask) -> Option<Ask> {
        let Some(busy) = self.busy.find_mut(token, |busy| busy.token == token) else {
            let mut busy = Busy { token, readers: 0, writing: false, held: 0 };
            busy.begin(mode);
            self.busy.insert_unique(token, busy, |other| other.token);
            return Some(ask);
        };
        if busy.held == 0 && busy.takes(mode) {
            busy.begin(mode);
            return Some(ask);
        }
        busy.held += 1;
        self.held.push_back(Held { token, mode, ask });
        None
    }

    /// A request that was let go has ended; appends to `asks` what may go now.
    pub(crate) fn release(&mut self, token: u64, mode: Mode, asks: &mut Vec<Ask>) {
        let Ok(mut entry) = self.busy.find_entry(token, |busy| busy.token == token) else { return };
        let busy = entry.get_mut();
        busy.end(mode);
        while busy.held > 0 {
            let next = self.held.iter().position(|held| held.token == token);
            let Some(at) = next.filter(|&at| busy.takes(self.held[at].mode)) else { break };
            if let Some(held) = self.held.remove(at) {
                busy.begin(held.mode);
                busy.held -= 1;
                asks.push(held.ask);
            }
        }
        if busy.readers == 0 && !busy.writing {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_wire::RequestBody;

    use super::*;

    fn ask(number: u64) -> Ask {
        Ask { number, want_receipt: false, body: RequestBody::Ring }
    }

    fn released(order: &mut KeyOrder, token: u64, mode: Mode) -> Vec<u64> {
        let mut asks = Vec::new();
        order.release(token, mode, &mut asks);
        asks.into_iter().map(|ask| ask.number).collect()
    }

    #[test]
    fn a_read_behind_a_write_waits_for_it_and_other_keys_go_on() {
        let mut order = KeyOrder::default();
        assert!(order.admit(1, Mode::Write, ask(1)).is_some());
        assert!(order.admit(1, Mode::Read, ask(2)).is_none());
        assert!(order.admit(2, Mode::Write, ask(3)).is_some());
        assert_eq!(released(&mut order, 1, Mode::Write), [2]);
        assert_eq!(released(&mut order, 1, Mode::Read), []);
        assert_eq!(released(&mut order, 2, Mode::Write), []);
        assert!(order.busy.is_empty() && order.held.is_empty());
    }

    #[test]
    fn reads_go_together_and_nothing_overtakes_a_write_that_waits() {
        let mut order = KeyOrder::default();
        assert!(order.admit(1, Mode::Read, ask(1)).is_some());
        assert!(order.admit(1, Mode::Read, ask(2)).is_some());
        assert!(order.admit(1, Mode::Write, ask(3)).is_none());
        assert!(order.admit(1, Mode::Read, ask(4)).is_none(), "it would overtake the write");
        assert!(order.admit(1, Mode::Read, ask(5)).is_none());
        assert_eq!(released(&mut order, 1, Mode::Read), []);
        assert_eq!(released(&mut order, 1, Mode::Read), [3]);
        assert_eq!(released(&mut order, 1, Mode::Write), [4, 5]);
    }
}
