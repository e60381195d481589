//! `open-wal`: a log of one writer. Many writers share it by a mutex, or by a queue before a thread that owns it, which
//! is how its book wants it.

use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use open_wal::{Lsn, TailState, Wal, WalConfig, WalError};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// `open-wal` under a mutex.
pub struct OpenWal;
/// `open-wal` in a thread, behind a queue.
pub struct OpenWalQueue;

fn open(dir: &Path, scale: Scale) -> Result<(Wal, TailState), WalError> {
    let config = match scale {
        Scale::Small => WalConfig { segment_size: 1 << 20, max_record_size: 64 << 10 },
        Scale::Usual | Scale::Keep(_) => WalConfig::default(),
    };
    Wal::open(dir, config).map(|(wal, report)| (wal, report.tail_state))
}

fn replay(dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending> {
    let (wal, tail) = open(dir, scale)?;
    let mut sink = filling(sink);
    let mut reader = wal.reader_from(Lsn(0))?;
    while let Some(record) = reader.next() {
        let (lsn, payload) = record?;
        sink.record(lsn.0, payload);
    }
    Ok(Ending { torn: tail != TailState::Clean, mark: wal.durable_lsn().0 })
}

impl Contender for OpenWal {
    fn name(&self) -> &'static str {
        "open-wal (mutex)"
    }

    fn settings(&self) -> &'static str {
        "defaults (128 MiB segments); `append` + `commit` under a mutex; buffered: `append`, then one `commit`"
    }

    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>> {
        Ok(Box::new(Locked(Mutex::new(open(dir, scale)?.0))))
    }

    fn replay(&self, dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending> {
        replay(dir, scale, sink)
    }
}

impl Contender for OpenWalQueue {
    fn name(&self) -> &'static str {
        "open-wal (queue)"
    }

    fn settings(&self) -> &'static str {
        "as before, owned by a thread: `append` what is queued, one `commit`, answer"
    }

    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>> {
        let wal = open(dir, scale)?.0;
        let (requests, queue) = channel();
        let owner = std::thread::Builder::new().spawn(move || serve(wal, &queue))?;
        Ok(Box::new(Queued { requests: Some(requests), owner: Some(owner) }))
    }

    fn replay(&self, dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending> {
        replay(dir, scale, sink)
    }
}

struct Locked(Mutex<Wal>);

impl Locked {
    fn wal(&self) -> std::sync::MutexGuard<'_, Wal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Locked {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        let mut wal = self.wal();
        wal.append(payload)?;
        wal.commit()?;
        Ok(())
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        let mut wal = self.wal();
        for number in numbers {
            wal.append(payload.stamp(number))?;
        }
        wal.commit()?;
        Ok(())
    }

    fn trim(&self) -> Result<()> {
        let mut wal = self.wal();
        let durable = wal.durable_lsn();
        Ok(wal.checkpoint(durable)?)
    }
}

type Answer = Result<(), String>;

enum Request {
    Append(Vec<u8>, SyncSender<Answer>),
    Trim,
}

/// The thread that owns the log.
fn serve(mut wal: Wal, queue: &Receiver<Request>) {
    let mut waiting = Vec::new();
    while let Ok(first) = queue.recv() {
        let mut outcome = Ok(());
        for request in std::iter::once(first).chain(queue.try_iter()) {
            let done = match request {
                Request::Append(payload, answer) => {
                    waiting.push(answer);
                    wal.append(&payload).map(drop)
                }
                Request::Trim => wal.checkpoint(wal.durable_lsn()),
            };
            outcome = outcome.and(done);
        }
        let outcome = outcome.and_then(|()| wal.commit().map(drop)).map_err(|error| error.to_string());
        for answer in waiting.drain(..) {
            // A writer that went away wants no answer.
            drop(answer.send(outcome.clone()));
        }
    }
}

struct Queued {
    requests: Option<Sender<Request>>,
    owner: Option<JoinHandle<()>>,
}

impl Queued {
    fn send(&self, request: Request) -> Result<()> {
        let requests = self.requests.as_ref().context("the log was dropped")?;
        requests.send(request).map_err(|_| anyhow!("the log's thread ended"))
    }
}

thread_local! {
    /// Where this writer gets its answers.
    static ANSWERS: (SyncSender<Answer>, Receiver<Answer>) = sync_channel(1);
}

impl Log for Queued {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        ANSWERS.with(|(answer, answers)| {
            self.send(Request::Append(payload.to_vec(), answer.clone()))?;
            answers.recv()?.map_err(|error| anyhow!(error))
        })
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        let (answer, answers) = sync_channel((numbers.end - numbers.start) as usize);
        for number in numbers {
            self.send(Request::Append(payload.stamp(number).to_vec(), answer.clone()))?;
        }
        drop(answer);
        answers.iter().try_for_each(|answer| answer.map_err(|error| anyhow!(error)))
    }

    fn trim(&self) -> Result<()> {
        self.send(Request::Trim)
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(owner) = self.owner.take() {
            drop(owner.join());
        }
    }
}
