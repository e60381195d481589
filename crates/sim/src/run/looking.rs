//! Tells whoever looks on.

use super::Run;
use crate::observe::Sight;

impl Run<'_> {
    /// Nanoseconds since the cluster came up.
    pub(super) fn at_ns(&self) -> u64 {
        self.cluster.now().mono.0.saturating_sub(self.begin.0)
    }

    pub(super) fn show(&mut self, sight: Sight<'_>) {
        let at_ns = self.at_ns();
        if let Some(observer) = &mut self.observer {
            observer.see(at_ns, sight);
        }
    }

    /// Everything since this was last asked, in the order of time.
    pub(super) fn show_what_happened(&mut self) {
        let Some(observer) = &mut self.observer else { return };
        let (begin, since) = (self.begin.0, |at: u64, begin: u64| at.saturating_sub(begin));
        let (happenings, messages) = self.cluster.take_sights();
        for happening in &happenings {
            observer.see(since(happening.at.0, begin), Sight::Happening(happening));
        }
        for message in &messages {
            observer.see(since(message.at.0, begin), Sight::Message(message));
        }
        for event in &self.recorder.take_events() {
            observer.see(event.at_ns(), Sight::Event(event));
        }
    }
}
