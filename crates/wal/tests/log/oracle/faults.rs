//! What goes wrong, and how the log is opened again.

use std::path::Path;

use quorate_wal::inspect::{self, SegmentState};
use quorate_wal::{Error, Lsn, Machine, RecoveryMode};

use super::world::World;
use crate::{DIR, segment};

impl World {
    pub fn fault(&mut self, which: u64) {
        match which {
            93 => self.disk.cut_power_after(1 + self.chance.below(12)),
            94 => self.disk.fail_sync_after(1 + self.chance.below(3)),
            95 => match self.chance.below(3) {
                0 => self.disk.fail_dir_sync_after(1),
                _ => self.disk.fail_write_after(1 + self.chance.below(3)),
            },
            96 => self.crash(),
            97 => self.fill_disk(),
            98 => self.kill(),
            _ => self.close(),
        }
    }

    /// There is room for less than a segment, or (every other time) for as much as one wants.
    fn fill_disk(&mut self) {
        let room = self.disk.used_bytes() + self.chance.below(4096);
        let full = self.chance.one_in(2);
        self.disk.set_capacity(full.then_some(room));
    }

    pub fn note_cut(&mut self, what: &'static str) {
        if self.disk.is_dark() {
            self.seen.note(what);
        }
    }

    pub fn restart(&mut self) {
        if self.chance.one_in(2) { self.crash() } else { self.kill() }
    }

    pub fn crash(&mut self) {
        self.note_marks();
        self.log = None;
        self.known.written = self.known.acked;
        self.disk.cut_power();
        self.seen.note("the power went");
        if self.chance.one_in(6) {
            self.copy_frames();
        }
    }

    pub fn kill(&mut self) {
        if self.disk.is_dark() {
            return self.crash();
        }
        self.note_marks();
        self.log = None;
        self.disk.kill();
        self.seen.note("the process died");
    }

    /// Behind the end of the log lie copies of frames from elsewhere in it: a cloned extent, a controller gone astray.
    /// Nobody vouched for what lies there; it is torn, if anything.
    fn copy_frames(&mut self) {
        let files = inspect::segments(&*self.io, Path::new(DIR)).unwrap_or_default();
        let begun: Vec<u64> = files
            .iter()
            .filter(|file| matches!(file.state, SegmentState::Begun(_)))
            .map(|file| file.index)
            .collect();
        let Some(newest) = begun.last() else { return };
        let from = begun[self.chance.below(begun.len() as u64) as usize];
        let Some(mut bytes) = self.disk.contents(segment(from)) else { return };
        let (starts, ends) = (self.frames(from), self.frames(*newest));
        let from = starts[self.chance.below(starts.len() as u64) as usize];
        let end = ends[ends.len() - 1];
        bytes.drain(..from);
        bytes.truncate(self.chance.below(400) as usize);
        let Some(mut contents) = self.disk.contents(segment(*newest)) else { return };
        let room = contents.len().saturating_sub(end).min(bytes.len());
        contents[end..end + room].copy_from_slice(&bytes[..room]);
        self.disk.set_contents(segment(*newest), contents);
        self.seen.note("frames were copied behind the end");
    }

    /// Where the frames of a segment begin, and where the last one ends.
    fn frames(&self, index: u64) -> Vec<usize> {
        let mut places = Vec::new();
        let Ok(mut frames) = inspect::frames(&*self.io, Path::new(DIR), index) else { return vec![128] };
        while let Ok(Some(frame)) = frames.next_frame() {
            places.push(frame.offset as usize);
        }
        places.push(frames.offset() as usize);
        places
    }

    pub fn open(&mut self) {
        match self.chance.below(24) {
            0..4 => self.disk.cut_power_after(1 + self.chance.below(15)),
            4 => self.disk.fail_sync_after(1 + self.chance.below(4)),
            5 => self.disk.fail_write_after(1 + self.chance.below(4)),
            6 => self.disk.fail_dir_sync_after(1 + self.chance.below(3)),
            7 if self.chance.one_in(2) && self.known.ending_at.is_none() => self.end_by_hand(),
            _ => {}
        }
        let mode = self
            .known
            .ending_at
            .map_or(RecoveryMode::Strict, |last| RecoveryMode::TruncateAt(Lsn::new(last)));
        match Machine::open(&self.options.clone().recovery(mode), &self.io) {
            Ok(opened) => {
                self.check(&opened);
                self.log = Some(opened);
            }
            Err(Error::CutInside { before, .. }) => self.known.ending_at = Some(before.get()),
            Err(Error::Io { source, .. }) => self.interrupted(source.kind()),
            Err(error) => panic!("{error} ({mode:?})\n{:#?}", self.disk.paths()),
        }
    }

    fn interrupted(&mut self, kind: std::io::ErrorKind) {
        if kind == std::io::ErrorKind::StorageFull {
            // Somebody makes room.
            self.disk.set_capacity(None);
            self.seen.note("recovery met a full disk");
        } else if !self.disk.is_dark() {
            self.seen.note("recovery met a failed sync or write");
        }
        self.note_cut(match self.known.ending_at {
            Some(_) => "the power went inside a cut by hand",
            None => "the power went inside recovery",
        });
        self.restart();
    }

    /// Somebody ends the log after a record, for good: the oracle takes back what it knows.
    fn end_by_hand(&mut self) {
        let oldest = inspect::verify(&*self.io, Path::new(DIR)).ok().flatten().map(|v| v.oldest_lsn.get());
        let Some(least) = oldest.map(|oldest| oldest - 1).filter(|least| *least <= self.known.acked) else {
            return;
        };
        self.known.ending_at = Some(least + self.chance.below(self.known.acked - least + 1));
    }
}
