//! Reads.
use crate::plan::Plan;
use crate::request::{ClientRead, Liveness, ReadReply};
use crate::slab::Slot;
use crate::turn::Turn;
use crate::write::Fate;
use quorate_types::NodeId;
#[derive(Debug)]
pub(crate) struct Reads;
impl Reads {
    pub(crate) fn new() -> Self {
        Reads
    }
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn start(&mut self, _: &mut Turn, _: &dyn Liveness, _: ClientRead, _: &Plan) {}
    pub(crate) fn on_reply(&mut self, _: &mut Turn, _: &dyn Liveness, _: ReadReply) {}
    pub(crate) fn on_repair_fate(&mut self, _: &mut Turn, _: NodeId, _: Slot, _: Fate) {}
    pub(crate) fn on_peer_down(&mut self, _: &mut Turn, _: &dyn Liveness, _: NodeId) {}
    pub(crate) fn on_timer(&mut self, _: &mut Turn, _: &dyn Liveness, _: Slot) {}
}
