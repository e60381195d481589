//! The task that reads one Redis client's socket into its shard's inbox.
//!
//! Invariants:
//! - while the machine has no use for more, nothing is read, and TCP slows the client down;
//! - an idle connection holds no buffer: one is made when there is something to read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use quorate_node::LinkLoss;
use quorate_resp::Connection;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;

use crate::connections::ConnectionId;
use crate::shard::inbox::Inbox;
use crate::shard::item::Item;

/// Bytes of a read: from the least, doubled while reads fill it, up to the most.
const READ_BYTES_MIN: usize = 1 << 10;
const READ_BYTES_MAX: usize = 128 << 10;

/// Whether more bytes are of use.
#[derive(Debug)]
pub(super) struct ReadGate {
    open: AtomicBool,
    opened: Notify,
}

impl ReadGate {
    pub(super) fn new() -> ReadGate {
        ReadGate { open: AtomicBool::new(true), opened: Notify::new() }
    }

    /// Lets the reader go on, or not, as `machine` has use for more.
    pub(super) fn follow(&self, machine: &Connection) {
        let open = machine.wants_bytes();
        if self.open.load(Ordering::Relaxed) != open && !self.open.swap(open, Ordering::Relaxed) && open {
            self.opened.notify_one();
        }
    }

    async fn open(&self) {
        while !self.open.load(Ordering::Relaxed) {
            self.opened.notified().await;
        }
    }
}

/// See the module.
pub(super) struct Reader {
    pub(super) id: ConnectionId,
    pub(super) inbox: Arc<Inbox>,
    pub(super) gate: Arc<ReadGate>,
}

impl Reader {
    /// Until the connection ends. `kept` lives as long.
    pub(super) async fn run<T>(self, mut half: OwnedReadHalf, kept: T) {
        let why = match self.read(&mut half).await {
            Ok(()) => LinkLoss::Closed,
            Err(_) => LinkLoss::Reset,
        };
        self.inbox.push(Item::Closed { connection: self.id, why });
        drop(kept);
    }

    async fn read(&self, half: &mut OwnedReadHalf) -> io::Result<()> {
        let mut wanted = READ_BYTES_MIN;
        let mut filled = false;
        loop {
            self.gate.open().await;
            half.readable().await?;
            let mut buffer = BytesMut::with_capacity(wanted);
            let read = half.read_buf(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            let follows_filled = std::mem::replace(&mut filled, read == buffer.capacity());
            wanted = if filled {
                (wanted * 2).min(READ_BYTES_MAX)
            } else if read < wanted / 4 && !follows_filled {
                // What a filled buffer left over says nothing about what the client sends at once.
                (wanted / 2).max(READ_BYTES_MIN)
            } else {
                wanted
            };
            let item = Item::RespBytes { connection: self.id, bytes: buffer.freeze() };
            self.inbox.push_frames(item, read).await;
        }
    }
}
