//! One thread's hand on a log: appends in every way there is, and says so before and after.

use std::sync::Arc;

use quorate_wal::{Durability, Error, Lead, Lsn, Wal};

use crate::name::Name;
use crate::report::Report;

/// Where reports go.
pub type Voice = Arc<dyn Fn(Report) + Send + Sync>;

/// A writer.
pub struct Hand {
    pub wal: Wal,
    pub seed: u64,
    pub life: u64,
    pub writer: u32,
    /// Records taken so far.
    pub counter: u64,
    /// What the log's policy promises.
    pub policy: Durability,
    pub voice: Voice,
}

impl Hand {
    /// Appends one record and waits until it is as safe as `durability` says.
    pub fn append(&mut self, durability: Durability) -> Result<(), Error> {
        let (kind, payload) = self.announce(1).remove(0);
        // In two parts, as callers with a header do.
        let (head, body) = payload.split_at(payload.len() / 3);
        let append = self.wal.append_with(durability, kind, &[head, body])?;
        self.counter += 1;
        let lsn = append.wait()?;
        self.acknowledge(lsn, durability);
        Ok(())
    }

    /// Appends `count` records that are one.
    pub fn append_batch(&mut self, count: u16) -> Result<(), Error> {
        let first = self.counter + 1;
        (self.voice)(Report::Trying { writer: self.writer, last: self.counter + u64::from(count) });
        let records: Vec<_> = (0..count)
            .map(|place| Name {
                counter: first + u64::from(place),
                place,
                of: count,
                ..Name::single(self.life, self.writer, first)
            })
            .map(|name| name.record(self.seed))
            .collect();
        let parts: Vec<_> = records.iter().map(|(kind, payload)| (*kind, [&payload[..]])).collect();
        let append = self.wal.append_batch(parts.iter().map(|(kind, parts)| (*kind, &parts[..])))?;
        self.counter += u64::from(count);
        let last = append.wait()?;
        self.acknowledge(last, self.policy);
        Ok(())
    }

    /// Leaves `count` records to the flusher thread, and waits for the durable mark.
    pub fn append_and_watch(&mut self, count: u64) -> Result<(), Error> {
        let mut last = Lsn::ZERO;
        for (kind, payload) in self.announce(count) {
            last = self.wal.append_with(Durability::Written, kind, &[&payload])?.lsn();
            self.counter += 1;
        }
        let mark = self.wal.subscribe();
        self.wal.request_sync();
        mark.wait_reached(last)?;
        self.acknowledge(last, Durability::Durable);
        Ok(())
    }

    /// Stages `count` records under one lock, and leads or is carried.
    pub fn stage(&mut self, count: u64) -> Result<(), Error> {
        let records = self.announce(count);
        let mut last = Lsn::ZERO;
        let mut stager = self.wal.stager();
        for (kind, payload) in &records {
            last = stager.stage(*kind, &[payload])?;
            self.counter += 1;
        }
        drop(stager);
        if self.wal.try_lead()? == Lead::HandedOver {
            self.wal.commit_to(last)?;
        }
        // Others may have staged between: only the last one's LSN is sure.
        self.acknowledge(last, self.policy);
        Ok(())
    }

    /// Says that the next `count` records are about to be appended, and makes them.
    pub fn announce(&self, count: u64) -> Vec<(u8, Vec<u8>)> {
        let last = self.counter + count;
        (self.voice)(Report::Trying { writer: self.writer, last });
        (self.counter + 1..=last)
            .map(|counter| Name::single(self.life, self.writer, counter).record(self.seed))
            .collect()
    }

    /// Says that the last record taken is safe: then so are those before it.
    pub fn acknowledge(&self, lsn: Lsn, safety: Durability) {
        let (writer, counter) = (self.writer, self.counter);
        (self.voice)(Report::Acked { writer, counter, lsn: lsn.get(), safety });
    }
}
