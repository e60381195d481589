//! Pages.
use crate::plan::Plan;
use crate::request::{ClientPage, Liveness, PageReply};
use crate::slab::Slot;
use crate::turn::Turn;
use quorate_types::NodeId;
#[derive(Debug)]
pub(crate) struct Pages;
impl Pages {
    pub(crate) fn new() -> Self {
        Pages
    }
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn start(&mut self, _: &mut Turn, _: &dyn Liveness, _: ClientPage, _: &Plan) {}
    pub(crate) fn on_reply(&mut self, _: &mut Turn, _: &dyn Liveness, _: PageReply) {}
    pub(crate) fn on_peer_down(&mut self, _: &mut Turn, _: &dyn Liveness, _: NodeId) {}
    pub(crate) fn on_timer(&mut self, _: &mut Turn, _: Slot) {}
}
