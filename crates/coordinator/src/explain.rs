//! Explain.
use crate::request::{ClientExplain, Liveness, ReadReply};
use crate::slab::Slot;
use crate::turn::Turn;
use quorate_types::NodeId;
#[derive(Debug)]
pub(crate) struct Explains;
impl Explains {
    pub(crate) fn new() -> Self {
        Explains
    }
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn start(&mut self, _: &mut Turn, _: &dyn Liveness, _: ClientExplain) {}
    pub(crate) fn on_reply(&mut self, _: &mut Turn, _: ReadReply) {}
    pub(crate) fn on_peer_down(&mut self, _: &mut Turn, _: NodeId) {}
    pub(crate) fn on_timer(&mut self, _: &mut Turn, _: Slot) {}
}
