//! Commands of several requests: begun as far as there is room, and gathered.

use quorate_wire::{RequestBody, ResponseBody};

use super::Connection;
use crate::effects::{Ask, Effects};
use crate::part::Part;
use crate::pending::{Entry, Many, Together, Work, number};

impl Connection {
    /// Begins a command of many requests.
    pub(super) fn begin_many(
        &mut self,
        together: Together,
        parts: Vec<Part>,
        asks: Vec<RequestBody>,
        effects: &mut Effects,
    ) {
        self.push(Work::Many(Box::new(Many::new(together, parts, asks))));
        self.begin_rest(effects);
    }

    /// Goes on with the command that is to be the last one for now, if it is one of many requests.
    pub(super) fn begin_rest(&mut self, effects: &mut Effects) {
        let want_receipt = self.session.receipts;
        let Some(place) = self.pending.next_place().checked_sub(1) else { return };
        let Some(Entry { work: Work::Many(many), .. }) = self.pending.at(place) else { return };
        if many.is_begun() {
            return;
        }
        while let Some((at, body)) = many.next(&self.room) {
            let part = &many.parts[at];
            if part.reads() {
                self.room.read_begun();
            }
            let ask = Ask { number: number(place, at), want_receipt, body };
            effects.asks.extend(self.order.admit(part.token, part.mode, ask));
        }
        if many.is_begun() {
            self.room.last_done();
        }
    }

    pub(super) fn on_part(&mut self, place: u64, at: usize, body: ResponseBody, effects: &mut Effects) {
        let limits = &self.settings.limits;
        let Some(Entry { work: Work::Many(many), .. }) = self.pending.at(place) else { return };
        let Some(part) = many.parts.get_mut(at) else { return };
        let (token, mode) = (part.token, part.mode);
        if let Some(body) = part.take(body) {
            return self.ask(number(place, at), body, effects);
        }
        if part.reads() {
            self.room.read_answered(part.value_bytes(), limits);
        }
        self.order.release(token, mode, &mut effects.asks);
        let begun = many.is_begun();
        self.room.let_go(many.answered(at, limits.output_bytes_max));
        if !begun && many.is_begun() {
            self.room.last_done();
        }
    }
}
