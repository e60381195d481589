//! The body of one message, field by field.
//!
//! Invariants:
//! - writes, reads, requests, and the record of a reply copy no key and no value: they are slices of the frame;
//! - the batch's `Vec` is the only allocation of a batch, never larger than what follows it can fill.

use bytes::Bytes;
use quorate_types::{Expiry, KeyspaceId, PageStart, PartitionId, ReadOutcome, Receipt, Record, Version};
use serde::Deserialize;
use serde_bytes::Bytes as Slice;

use crate::{
    Acks, BatchRange, FullIf, Kind, LinkEpoch, Message, PageOutcome, PageResult, PeerMessage, ReadResult,
    ReplicaWrite, Request, RequestBody, Response, ResponseBody, WireError, WriteBatch,
};

/// The fewest bytes of a write in a batch: keyspace, key of one byte, version, no value, no expiry, purpose, time.
const WRITE_BYTES_MIN: usize = 9;

/// How `ReadResult::Record(Some(_))` begins: the variants' numbers.
const RECORD_SOME: [u8; 2] = [0, 1];
/// How `ResponseBody::Read(ReadOutcome::Found { .. })` begins: the variants' numbers.
const READ_FOUND: [u8; 2] = [1, 0];

/// What is left of one message's body.
pub(super) struct Body<'a> {
    pub(super) kind: Kind,
    pub(super) frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    /// The body `rest` of a message of `kind` in `frame`.
    pub(super) fn new(kind: Kind, frame: &'a Bytes, rest: &'a [u8]) -> Body<'a> {
        Body { kind, frame, rest }
    }

    pub(super) fn message(mut self) -> Result<Message, WireError> {
        let message = match self.kind {
            Kind::Hello => Message::Hello(self.take()?),
            Kind::HelloReply => Message::HelloReply(self.take()?),
            Kind::Request => Message::Request(self.request()?),
            Kind::Response => Message::Response(self.response()?),
            _ => Message::Peer(self.peer_message()?),
        };
        match self.rest.len() {
            0 => Ok(message),
            bytes => Err(WireError::TrailingBytes { kind: self.kind, bytes: bytes as u64 }),
        }
    }

    pub(super) fn peer_message(&mut self) -> Result<PeerMessage, WireError> {
        match self.kind {
            Kind::Ping => self.take().map(|(number, wall_ms)| PeerMessage::Ping { number, wall_ms }),
            Kind::Pong => self.take().map(|(number, wall_ms)| PeerMessage::Pong { number, wall_ms }),
            Kind::Writes => self.writes().map(PeerMessage::Writes),
            Kind::Acks => self.acks().map(PeerMessage::Acks),
            Kind::Read => self.read(),
            Kind::ReadReply => self.read_reply(),
            Kind::ReadPage => self.read_page(),
            Kind::PageReply => self.page_reply(),
            Kind::Traced => self.traced(),
            kind @ (Kind::Hello | Kind::HelloReply | Kind::Request | Kind::Response) => {
                Err(WireError::Unexpected { kind, expected: "a message between nodes" })
            }
        }
    }

    #[inline]
    pub(super) fn take<T: Deserialize<'a>>(&mut self) -> Result<T, WireError> {
        let (value, rest) = postcard::take_from_bytes(self.rest)
            .map_err(|source| WireError::Body { kind: self.kind, source })?;
        self.rest = rest;
        Ok(value)
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether the body goes on with `prefix`, which is then taken.
    fn skip(&mut self, prefix: [u8; 2]) -> bool {
        let rest = self.rest.strip_prefix(&prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn writes(&mut self) -> Result<WriteBatch, WireError> {
        let (epoch, batch, ring_hash, count): (LinkEpoch, u64, u64, usize) = self.take()?;
        self.check_range(BatchRange { first: batch, last: batch })?;
        let mut writes = Vec::with_capacity(count.min(self.rest.len() / WRITE_BYTES_MIN));
        for _ in 0..count {
            writes.push(self.write()?);
        }
        Ok(WriteBatch { epoch, batch, ring_hash, writes })
    }

    #[inline]
    fn write(&mut self) -> Result<ReplicaWrite, WireError> {
        let write: ReplicaWrite<&'a Slice> = self.take()?;
        Ok(ReplicaWrite {
            keyspace: write.keyspace,
            key: self.key(write.key)?,
            version: write.version,
            value: write.value.map(|value| self.value(value)).transpose()?,
            expiry: write.expiry,
            purpose: write.purpose,
            time_left_ms: write.time_left_ms,
        })
    }

    fn acks(&mut self) -> Result<Acks, WireError> {
        let acks: Acks = self.take()?;
        let partial = acks.partial.iter().map(|p| BatchRange { first: p.batch, last: p.batch });
        acks.ranges.iter().copied().chain(partial).try_for_each(|range| self.check_range(range))?;
        Ok(acks)
    }

    fn read(&mut self) -> Result<PeerMessage, WireError> {
        let (id, ring_hash, keyspace): (u64, u64, KeyspaceId) = self.take()?;
        let (key, full, time_left_ms): (&'a Slice, FullIf, u32) = self.take()?;
        Ok(PeerMessage::Read { id, ring_hash, keyspace, key: self.key(key)?, full, time_left_ms })
    }

    fn read_reply(&mut self) -> Result<PeerMessage, WireError> {
        let id = self.take()?;
        let result =
            if self.skip(RECORD_SOME) { ReadResult::Record(Some(self.record()?)) } else { self.take()? };
        Ok(PeerMessage::ReadReply { id, result })
    }

    fn read_page(&mut self) -> Result<PeerMessage, WireError> {
        let (id, ring_hash, keyspace, partition): (u64, u64, KeyspaceId, PartitionId) = self.take()?;
        let (start, limit, bytes_max, time_left_ms): (PageStart<&'a Slice>, u32, u32, u32) = self.take()?;
        let start = self.start(start)?;
        let partition = self.partition(partition)?;
        Ok(PeerMessage::ReadPage {
            id,
            ring_hash,
            keyspace,
            partition,
            start,
            limit,
            bytes_max,
            time_left_ms,
        })
    }

    fn page_reply(&mut self) -> Result<PeerMessage, WireError> {
        let (id, result): (u64, PageResult) = self.take()?;
        if let PageResult::Page { entries, .. } = &result {
            self.check_entries(entries)?;
        }
        Ok(PeerMessage::PageReply { id, result })
    }

    fn request(&mut self) -> Result<Request, WireError> {
        let Request { number, time_left_ms, want_receipt, body }: Request<&'a Slice> = self.take()?;
        Ok(Request { number, time_left_ms, want_receipt, body: self.request_body(&body)? })
    }

    fn request_body(&self, body: &RequestBody<&'a Slice>) -> Result<RequestBody, WireError> {
        Ok(match *body {
            RequestBody::Get { keyspace, key, level } => {
                RequestBody::Get { keyspace, key: self.key(key)?, level }
            }
            RequestBody::Put { keyspace, key, value, level, expiry, version } => {
                let (key, value) = (self.key(key)?, self.value(value)?);
                RequestBody::Put { keyspace, key, value, level, expiry, version }
            }
            RequestBody::Delete { keyspace, key, level, version } => {
                RequestBody::Delete { keyspace, key: self.key(key)?, level, version }
            }
            RequestBody::Page { keyspace, partition, start, limit, level } => {
                let (partition, start) = (self.partition(partition)?, self.start(start)?);
                RequestBody::Page { keyspace, partition, start, limit, level }
            }
            RequestBody::Explain { keyspace, key } => RequestBody::Explain { keyspace, key: self.key(key)? },
            RequestBody::Expire { keyspace, key, expiry, read, write, version } => {
                RequestBody::Expire { keyspace, key: self.key(key)?, expiry, read, write, version }
            }
            RequestBody::Status => RequestBody::Status,
            RequestBody::Ring => RequestBody::Ring,
        })
    }

    fn response(&mut self) -> Result<Response, WireError> {
        let number = self.take()?;
        let body = if self.skip(READ_FOUND) {
            ResponseBody::Read(ReadOutcome::Found { record: self.record()? })
        } else {
            self.take()?
        };
        if let ResponseBody::Page(PageOutcome::Page { entries, .. }) = &body {
            self.check_entries(entries)?;
        }
        let receipt: Option<Box<Receipt>> = self.take()?;
        Ok(Response { number, body, receipt })
    }

    /// A record whose value is a slice of the frame.
    fn record(&mut self) -> Result<Record, WireError> {
        let (version, value, expiry): (Version, Option<&'a Slice>, Expiry) = self.take()?;
        let value = value.map(|value| self.value(value)).transpose()?;
        Ok(Record { version, value, expiry })
    }
}
