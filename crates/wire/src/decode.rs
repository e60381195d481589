//! Messages out of a frame: hot ones share the frame's memory, all lengths are checked.
//!
//! Invariants:
//! - no input panics; memory taken is at most the decoded size of as many elements as the input has bytes;
//! - hot messages (writes, reads, requests) copy no key and no value: they are slices of the frame.

use bytes::Bytes;
use quorate_types::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use quorate_types::{PARTITIONS, PartitionId, Record};
use serde::Deserialize;
use serde_bytes::Bytes as Slice;

use crate::frame::{FRAME_HEADER_BYTES, FRAME_VERSION, MESSAGE_HEADER_BYTES, PREFIX_BYTES};
use crate::{
    Acks, BatchRange, FullIf, Kind, LinkEpoch, Message, PageOutcome, PageResult, PeerMessage, ReadResult,
    ReplicaWrite, Request, RequestBody, Response, ResponseBody, WireError, WriteBatch,
};
use quorate_types::{KeyspaceId, ReadOutcome};

/// The fewest bytes that a write can take in a batch: keyspace, key of one byte, versions, expiry, purpose, time.
const WRITE_BYTES_MIN: usize = 11;

/// The messages of `frame`, which is a whole frame with its header.
///
/// One pass over the frame for the checksum, at the first message; no allocation but those of the messages.
pub fn decode(frame: Bytes) -> Messages {
    Messages { frame, at: 0, failed: false }
}

/// The messages of one frame, in order. After an error there are none: the rest of the frame can't be trusted.
#[derive(Debug)]
pub struct Messages {
    frame: Bytes,
    /// Where the next message begins; 0: the frame's header is not yet checked.
    at: usize,
    failed: bool,
}

impl Iterator for Messages {
    type Item = Result<Message, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let message = self.next_message();
        self.failed = message.is_err();
        message.transpose()
    }
}

impl Messages {
    fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        if self.at == 0 {
            check_header(&self.frame)?;
            self.at = FRAME_HEADER_BYTES;
        }
        if self.at == self.frame.len() {
            return Ok(None);
        }
        let rest = &self.frame[self.at..];
        let header: &[u8; MESSAGE_HEADER_BYTES] = rest
            .first_chunk()
            .ok_or(WireError::Truncated { missing: (MESSAGE_HEADER_BYTES - rest.len()) as u64 })?;
        let [kind, version, length @ ..] = *header;
        let kind = Kind::of_byte(kind).ok_or(WireError::UnknownType { found: kind })?;
        if version != kind.version() {
            return Err(WireError::UnknownVersion { kind, found: version, known: kind.version() });
        }
        let bytes = u32::from_le_bytes(length) as usize;
        let body = &rest[MESSAGE_HEADER_BYTES..];
        let body = body.get(..bytes).ok_or(WireError::Truncated { missing: (bytes - body.len()) as u64 })?;
        let message = Body { kind, frame: &self.frame, rest: body }.message()?;
        self.at += MESSAGE_HEADER_BYTES + bytes;
        Ok(Some(message))
    }
}

fn check_header(frame: &[u8]) -> Result<(), WireError> {
    let Some((&[l0, l1, l2, l3, c0, c1, c2, c3, version], _)) =
        frame.split_first_chunk::<FRAME_HEADER_BYTES>()
    else {
        return Err(WireError::Truncated { missing: (FRAME_HEADER_BYTES - frame.len()) as u64 });
    };
    let announced = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let covered = &frame[PREFIX_BYTES..];
    if announced > covered.len() {
        return Err(WireError::Truncated { missing: (announced - covered.len()) as u64 });
    }
    let (stored, computed) = (u32::from_le_bytes([c0, c1, c2, c3]), crc32fast::hash(covered));
    if stored != computed {
        return Err(WireError::Checksum { stored, computed, bytes: frame.len() as u64 });
    }
    if version != FRAME_VERSION {
        return Err(WireError::FrameVersion { found: version, known: FRAME_VERSION });
    }
    Ok(())
}

/// What is left of one message's body.
struct Body<'a> {
    kind: Kind,
    frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn message(mut self) -> Result<Message, WireError> {
        let message = match self.kind {
            Kind::Hello => Message::Hello(self.take()?),
            Kind::HelloReply => Message::HelloReply(self.take()?),
            Kind::Request => Message::Request(self.request()?),
            Kind::Response => Message::Response(self.response()?),
            Kind::Ping => {
                self.take().map(|(number, wall_ms)| Message::Peer(PeerMessage::Ping { number, wall_ms }))?
            }
            Kind::Pong => {
                self.take().map(|(number, wall_ms)| Message::Peer(PeerMessage::Pong { number, wall_ms }))?
            }
            Kind::Writes => Message::Peer(PeerMessage::Writes(self.writes()?)),
            Kind::Acks => Message::Peer(PeerMessage::Acks(self.acks()?)),
            Kind::Read => Message::Peer(self.read()?),
            Kind::ReadReply => Message::Peer(self.read_reply()?),
            Kind::ReadPage => Message::Peer(self.read_page()?),
            Kind::PageReply => Message::Peer(self.page_reply()?),
        };
        match self.rest.len() {
            0 => Ok(message),
            bytes => Err(WireError::TrailingBytes { kind: self.kind, bytes: bytes as u64 }),
        }
    }

    fn take<T: Deserialize<'a>>(&mut self) -> Result<T, WireError> {
        let (value, rest) = postcard::take_from_bytes(self.rest)
            .map_err(|source| WireError::Body { kind: self.kind, source })?;
        self.rest = rest;
        Ok(value)
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
        acks.ranges.iter().try_for_each(|range| self.check_range(*range))?;
        acks.partial
            .iter()
            .try_for_each(|p| self.check_range(BatchRange { first: p.batch, last: p.batch }))?;
        Ok(acks)
    }

    fn read(&mut self) -> Result<PeerMessage, WireError> {
        let (id, ring_hash, keyspace, key, full, time_left_ms): (
            u64,
            u64,
            KeyspaceId,
            &'a Slice,
            FullIf,
            u32,
        ) = self.take()?;
        Ok(PeerMessage::Read { id, ring_hash, keyspace, key: self.key(key)?, full, time_left_ms })
    }

    fn read_reply(&mut self) -> Result<PeerMessage, WireError> {
        let (id, result): (u64, ReadResult) = self.take()?;
        if let ReadResult::Record(Some(record)) = &result {
            self.check_record(record)?;
        }
        Ok(PeerMessage::ReadReply { id, result })
    }

    fn read_page(&mut self) -> Result<PeerMessage, WireError> {
        let (id, ring_hash, keyspace, partition): (u64, u64, KeyspaceId, PartitionId) = self.take()?;
        let (after, limit, bytes_max, time_left_ms): (Option<&'a Slice>, u32, u32, u32) = self.take()?;
        self.check_partition(partition)?;
        let after = after.map(|key| self.key(key)).transpose()?;
        Ok(PeerMessage::ReadPage {
            id,
            ring_hash,
            keyspace,
            partition,
            after,
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
        Ok(Request { number, time_left_ms, want_receipt, body: self.request_body(body)? })
    }

    fn request_body(&self, body: RequestBody<&'a Slice>) -> Result<RequestBody, WireError> {
        Ok(match body {
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
            RequestBody::Page { keyspace, partition, after, limit, level } => {
                self.check_partition(partition)?;
                let after = after.map(|key| self.key(key)).transpose()?;
                RequestBody::Page { keyspace, partition, after, limit, level }
            }
            RequestBody::Explain { keyspace, key } => RequestBody::Explain { keyspace, key: self.key(key)? },
            RequestBody::Status => RequestBody::Status,
            RequestBody::Ring => RequestBody::Ring,
        })
    }

    fn response(&mut self) -> Result<Response, WireError> {
        let response: Response = self.take()?;
        match &response.body {
            ResponseBody::Read(ReadOutcome::Found { record }) => self.check_record(record)?,
            ResponseBody::Page(PageOutcome::Page { entries, .. }) => self.check_entries(entries)?,
            _ => {}
        }
        Ok(response)
    }

    /// A slice of the frame, if it can be a key.
    fn key(&self, key: &'a Slice) -> Result<Bytes, WireError> {
        self.check_key(key)?;
        Ok(self.frame.slice_ref(key))
    }

    /// A slice of the frame, if it can be a value.
    fn value(&self, value: &'a Slice) -> Result<Bytes, WireError> {
        self.check_value(value)?;
        Ok(self.frame.slice_ref(value))
    }

    fn check_key(&self, key: &[u8]) -> Result<(), WireError> {
        match key.len() {
            1..=KEY_BYTES_MAX => Ok(()),
            bytes => Err(WireError::KeyLength {
                kind: self.kind,
                bytes: bytes as u64,
                bytes_max: KEY_BYTES_MAX as u64,
            }),
        }
    }

    fn check_value(&self, value: &[u8]) -> Result<(), WireError> {
        match value.len() {
            0..=VALUE_BYTES_MAX => Ok(()),
            bytes => Err(WireError::ValueLength {
                kind: self.kind,
                bytes: bytes as u64,
                bytes_max: VALUE_BYTES_MAX as u64,
            }),
        }
    }

    fn check_record(&self, record: &Record) -> Result<(), WireError> {
        record.value.as_ref().map_or(Ok(()), |value| self.check_value(value))
    }

    fn check_entries(&self, entries: &[(Bytes, Record)]) -> Result<(), WireError> {
        entries
            .iter()
            .try_for_each(|(key, record)| self.check_key(key).and_then(|()| self.check_record(record)))
    }

    fn check_range(&self, range: BatchRange) -> Result<(), WireError> {
        let BatchRange { first, last } = range;
        match first >= 1 && first <= last {
            true => Ok(()),
            false => Err(WireError::BatchNumber { kind: self.kind, first, last }),
        }
    }

    fn check_partition(&self, partition: PartitionId) -> Result<(), WireError> {
        match usize::from(partition.0) < PARTITIONS {
            true => Ok(()),
            false => Err(WireError::NoSuchPartition {
                kind: self.kind,
                partition: partition.0,
                partitions: PARTITIONS as u16,
            }),
        }
    }
}
