//! The hints kept for one target: a log of its own, in order of arrival.
//!
//! A hint's number is its LSN. Progress is a record of the same log (`KIND_HINTS_DELIVERED`), written when the target
//! has acknowledged a page and synced with whatever comes next: after a crash some hints are sent again, which
//! changes nothing at the target. Segments whose hints were all delivered are recycled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{NodeId, crash_point};
use quorate_wal::{Chores, Io, Lsn, Options, Recovery, Replay, SyncPolicy, TailState, Wal};

use super::pending::Pending;
use super::recent::Recent;
use super::{HintOptions, HintStatus};
use crate::error::DiskError;
use crate::hint::{Hint, HintNumber};
use crate::log::{EntryInvalid, KIND_HINT, KIND_HINTS_DELIVERED};
use crate::packed::read_u64;

/// Recycled segments kept per target.
const SPARE_SEGMENTS_MAX: usize = 1;

pub(crate) struct TargetLog {
    io: Arc<dyn Io>,
    dir: PathBuf,
    target: NodeId,
    options: HintOptions,
    /// Why not, if it stopped or could not be opened again: [`TargetLog::recover`].
    log: Result<Log, DiskError>,
    pending: Pending,
    delivered: HintNumber,
    recent: Recent,
    /// Hints taken since the last sync.
    unsynced: u64,
    buffer: Vec<u8>,
}

struct Log {
    wal: Wal,
    /// Reads what was there when the log was opened.
    recovery: Recovery,
    cursor: Option<Cursor>,
}

/// Where the last page ended, and the reader that stands there.
struct Cursor {
    at: HintNumber,
    /// The log's oldest record then: once segments were recycled, the reader may miss one, an empty one at least.
    oldest: Lsn,
    replay: Replay,
}

impl TargetLog {
    /// Opens or makes the log in `dir`, and reads it once.
    pub fn open(
        io: Arc<dyn Io>,
        dir: PathBuf,
        target: NodeId,
        options: HintOptions,
    ) -> Result<TargetLog, DiskError> {
        crate::disk::ensure_dir(&*io, &dir)?;
        let log = Log::open(&io, &dir, options)?;
        let mut found = Found::default();
        found.read(&log.recovery, &dir)?;
        let recent = Recent::above(log.last());
        let (pending, delivered) = (found.pending, found.delivered);
        let (unsynced, buffer) = (0, Vec::new());
        Ok(TargetLog { io, dir, target, options, log: Ok(log), pending, delivered, recent, unsynced, buffer })
    }

    /// Whether half a batch was cut off its end when it was opened last.
    pub fn was_torn(&self) -> bool {
        self.log.as_ref().is_ok_and(|log| matches!(log.recovery.tail(), TailState::Torn { .. }))
    }

    pub fn append(&mut self, hint: &Hint) -> Result<HintNumber, DiskError> {
        let hint_bytes = hint.encoded_len() as u64;
        let (bytes, bytes_max) = (self.pending.bytes(), self.options.bytes_per_target_max);
        if bytes + hint_bytes > bytes_max {
            return Err(DiskError::HintsFull { target: self.target, bytes, bytes_max, hint_bytes });
        }
        self.buffer.clear();
        hint.encode(&mut self.buffer);
        let lsn = self.log.as_ref().map_err(Clone::clone)?.wal.stage(KIND_HINT, &[&self.buffer])?;
        let number = HintNumber(lsn.get());
        self.pending.push(number, hint_bytes as usize, hint.created_wall_ms);
        self.recent.push(number, hint.clone());
        self.unsynced += 1;
        crash_point!("hint.staged");
        Ok(number)
    }

    /// Makes everything taken durable; `None` if nothing was to do.
    pub fn sync(&mut self) -> Result<Option<HintNumber>, DiskError> {
        // One that stopped has refused what came since.
        let Ok(Log { wal, .. }) = &self.log else { return Ok(None) };
        let last = wal.last_lsn();
        if planted(Mutant::HintsNotSynced) {
            self.unsynced = 0;
            return Ok(None);
        }
        if wal.durable_lsn() >= last {
            return Ok(None);
        }
        wal.sync_to(last)?;
        crash_point!("hint.synced");
        self.unsynced = 0;
        Ok(Some(HintNumber(last.get())))
    }

    /// Durable hints above `after` that were not delivered, in order, one at least if there is one, until they pass
    /// `bytes_max`.
    pub fn page(
        &mut self,
        after: HintNumber,
        bytes_max: usize,
    ) -> Result<Vec<(HintNumber, Hint)>, DiskError> {
        let log = self.log.as_mut().map_err(|e| e.clone())?;
        // Behind what was delivered there may be records of progress, recycled with it.
        let recycled = HintNumber(log.wal.oldest_lsn().get() - 1);
        let mut after = after.max(self.delivered).max(recycled);
        let recovered = log.recovered();
        if after < recovered {
            let page = log.page(&self.dir, after, bytes_max)?;
            if !page.is_empty() {
                return Ok(page);
            }
            after = recovered;
        }
        if after >= self.recent.floor() {
            // What is not durable may have its number taken by another hint after a failed sync.
            let durable = HintNumber(log.wal.durable_lsn().get());
            let mut page = self.recent.page(after, bytes_max);
            page.truncate(page.partition_point(|(number, _)| *number <= durable));
            return Ok(page);
        }
        self.reopen()?.page_of(after, bytes_max)
    }

    fn page_of(&mut self, after: HintNumber, bytes_max: usize) -> Result<Vec<(HintNumber, Hint)>, DiskError> {
        self.log.as_mut().map_err(|e| e.clone())?.page(&self.dir, after, bytes_max)
    }

    /// The target has everything up to `through`. If the log can't take that down, it is known until it can:
    /// [`TargetLog::recover`].
    pub fn delivered(&mut self, through: HintNumber) -> Result<(), DiskError> {
        if through <= self.delivered {
            return Ok(());
        }
        self.delivered = through;
        self.pending.delivered(through);
        self.recent.delivered(through);
        self.unsynced = self.unsynced.min(self.pending.hints());
        self.log_progress()
    }

    /// Takes down what was delivered, and gives up the segments that hold nothing else.
    fn log_progress(&self) -> Result<(), DiskError> {
        let wal = &self.log.as_ref().map_err(Clone::clone)?.wal;
        let progress = wal.stage(KIND_HINTS_DELIVERED, &[&self.delivered.0.to_le_bytes()])?;
        crash_point!("hint.progress");
        // With nothing left to deliver, the record of the progress may go as well.
        let done_with = if self.pending.is_empty() { progress } else { Lsn::new(self.delivered.0) };
        wal.checkpoint(done_with);
        Ok(())
    }

    pub fn status(&self) -> HintStatus {
        HintStatus {
            target: self.target,
            durable: self.pending.hints() - self.unsynced,
            taken: self.pending.hints(),
            bytes: self.pending.bytes(),
            oldest_wall_ms: self.pending.oldest_wall_ms(),
        }
    }

    /// Opens the log again, which stopped because of `failure`, as a restart would; what was durable is in it, and what
    /// was delivered stays so, though the disk may not know it. If the disk fails that too, what is known of it stays,
    /// and whoever comes next tries it again.
    pub fn recover(&mut self, failure: DiskError) {
        // Dropped first: it holds the lock.
        self.log = Err(failure);
        match TargetLog::open(Arc::clone(&self.io), self.dir.clone(), self.target, self.options) {
            Ok(again) => {
                let delivered = std::mem::replace(self, again).delivered;
                let last = self.log.as_ref().map_or(delivered, Log::last);
                if let Err(failure) = self.delivered(delivered.min(last)) {
                    self.log = Err(failure);
                }
            }
            Err(failure) => self.log = Err(failure),
        }
    }

    /// Whether it must be opened again before it can go on: what is read badly from a log that works stays bad.
    pub fn has_stopped(&self) -> bool {
        self.log.as_ref().map_or(true, |log| log.wal.stopped().is_some())
    }

    /// Makes everything durable and ends the log in good order.
    pub fn close(&self) -> Result<(), DiskError> {
        Ok(self.log.as_ref().map_err(Clone::clone)?.wal.close()?)
    }

    /// Opens the log again, so that what was written since can be read. Only for hints that came after it was
    /// opened and were too many to be kept in memory.
    fn reopen(&mut self) -> Result<&mut TargetLog, DiskError> {
        self.close()?;
        self.unsynced = 0;
        self.log = Log::open(&self.io, &self.dir, self.options);
        let log = self.log.as_ref().map_err(Clone::clone)?;
        self.recent = Recent::above(log.last());
        Ok(self)
    }
}

impl Log {
    fn open(io: &Arc<dyn Io>, dir: &Path, options: HintOptions) -> Result<Log, DiskError> {
        let options = Options::new(dir)
            .segment_bytes(options.segment_bytes)
            .spare_segments_max(SPARE_SEGMENTS_MAX)
            .sync(SyncPolicy::Always)
            .chores(Chores::Inline);
        let (wal, recovery) = Wal::open(&options, Arc::clone(io))?;
        Ok(Log { wal, recovery, cursor: None })
    }

    fn last(&self) -> HintNumber {
        HintNumber(self.wal.last_lsn().get())
    }

    /// The last record that was there when the log was opened.
    fn recovered(&self) -> HintNumber {
        HintNumber(self.recovery.last_lsn().get())
    }

    fn page(
        &mut self,
        dir: &Path,
        after: HintNumber,
        bytes_max: usize,
    ) -> Result<Vec<(HintNumber, Hint)>, DiskError> {
        let oldest = self.wal.oldest_lsn();
        let mut replay = match self.cursor.take() {
            Some(cursor) if cursor.at == after && cursor.oldest == oldest => cursor.replay,
            _ => self.recovery.replay(Lsn::new(after.0 + 1))?,
        };
        let (mut page, mut bytes, mut at) = (Vec::new(), 0, after);
        while bytes < bytes_max || page.is_empty() {
            let Some(record) = replay.next_record()? else { break };
            at = HintNumber(record.lsn.get());
            if record.kind != KIND_HINT {
                continue;
            }
            bytes += record.payload.len();
            page.push((at, Hint::decode(record.payload).map_err(entry_error(dir, record.lsn))?));
        }
        self.cursor = Some(Cursor { at, oldest, replay });
        Ok(page)
    }
}

/// What a log holds.
#[derive(Default)]
struct Found {
    pending: Pending,
    delivered: HintNumber,
}

impl Found {
    fn read(&mut self, recovery: &Recovery, dir: &Path) -> Result<(), DiskError> {
        let mut records = recovery.replay(recovery.oldest_lsn())?;
        while let Some(record) = records.next_record()? {
            self.take(record.kind, record.lsn, record.payload).map_err(entry_error(dir, record.lsn))?;
        }
        self.pending.delivered(self.delivered);
        Ok(())
    }

    fn take(&mut self, kind: u8, lsn: Lsn, payload: &[u8]) -> Result<(), EntryInvalid> {
        match kind {
            KIND_HINT => {
                let created_wall_ms = Hint::decode(payload)?.created_wall_ms;
                self.pending.push(HintNumber(lsn.get()), payload.len(), created_wall_ms);
            }
            KIND_HINTS_DELIVERED if payload.len() == 8 => {
                self.delivered = self.delivered.max(HintNumber(read_u64(payload)));
            }
            KIND_HINTS_DELIVERED => return Err(EntryInvalid::TooShort),
            kind => return Err(EntryInvalid::UnknownKind { kind }),
        }
        Ok(())
    }
}

fn entry_error(dir: &Path, lsn: Lsn) -> impl FnOnce(EntryInvalid) -> DiskError {
    let dir = dir.to_path_buf();
    move |source| DiskError::Entry { dir, lsn, source }
}
