//! The oracle: what may be there, and what must.

use quorate_wal::{Error, Opened, Recovery};

use super::world::{Known, World};

impl Known {
    /// The least pin.
    pub fn pinned(&self) -> u64 {
        self.pins.iter().map(|(_, lsn)| *lsn).min().unwrap_or(u64::MAX)
    }

    /// Where the log now ends; nothing behind is known any more.
    fn end_at(&mut self, last: u64) {
        self.appended.truncate(last as usize);
        self.atomic.retain(|batch| *batch.end() <= last);
        (self.acked, self.written) = (last, last);
        self.cut = self.cut.min(last);
        self.pins.clear();
    }
}

impl World {
    pub fn note_marks(&mut self) {
        let Some(log) = &self.log else { return };
        let marks = log.machine.marks();
        assert!(marks.durable <= marks.written && marks.written <= marks.staged, "{marks:?}");
        assert!(marks.durable.get() >= self.known.acked, "the durable mark fell: {marks:?}");
        assert!(log.machine.oldest_lsn().get() <= self.known.pinned(), "a pinned record was given back");
        self.known.acked = marks.durable.get();
        self.known.written = marks.written.get();
    }

    pub fn check(&mut self, opened: &Opened) {
        let recovery = &opened.recovery;
        let known = &mut self.known;
        let last = recovery.last_lsn().get();
        if let Some(ended) = known.ending_at.take() {
            assert_eq!(last, ended, "the log was cut elsewhere");
            known.end_at(ended);
            self.seen.note("the log was cut by hand");
        }
        let known = &mut self.known;
        assert!(last >= known.acked, "lost: durable up to {}, recovered up to {last}", known.acked);
        assert!(last >= known.written, "lost: written up to {}, recovered up to {last}", known.written);
        assert!(last <= known.appended.len() as u64, "phantoms up to {last}");
        assert!(recovery.oldest_lsn().get() <= known.pinned().min(known.cut + 1), "recycled too much");
        let split = known.atomic.iter().find(|batch| batch.contains(&last) && *batch.end() != last);
        assert_eq!(split, None, "an atomic batch was split at {last}");
        let lost = known.appended.len() as u64 - last;
        let (survived, copied) = (last - known.acked, recovery.copied_records());
        if !self.replays(recovery) {
            return;
        }
        self.seen.add("unacknowledged records were lost", lost);
        self.seen.add("unacknowledged records survived", survived);
        self.seen.add("recovery copied records", copied);
        self.known.end_at(last);
    }

    /// Whether everything was read and is as it was appended; `false` if the power went meanwhile.
    fn replays(&self, recovery: &Recovery) -> bool {
        let mut expected = recovery.oldest_lsn().get();
        let mut replay = recovery.replay(recovery.oldest_lsn()).expect("the oldest is there");
        loop {
            let record = match replay.next_record() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                // The power may go while reading.
                Err(Error::Io { .. }) if self.disk.is_dark() => return false,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(record.lsn.get(), expected);
            let (kind, payload) = &self.known.appended[expected as usize - 1];
            assert_eq!((record.kind, record.payload), (*kind, &payload[..]), "LSN {expected}");
            expected += 1;
        }
        assert_eq!(expected, recovery.last_lsn().get() + 1);
        true
    }
}
