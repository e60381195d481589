//! Bodies into a frame's buffer, with no stop in between.

use bytes::{BufMut, BytesMut};
use postcard::ser_flavors::Flavor;
use quorate_types::Trace;
use serde::Serialize;

use crate::{Hello, HelloReply, Kind, Message, PeerMessage, Request, Response, Traced};

/// What can be pushed into a frame.
pub trait Encode: sealed::Body {}

impl<T: sealed::Body> Encode for T {}

/// Where a body goes: the frame's buffer up to a limit.
pub struct Room<'a> {
    buffer: &'a mut BytesMut,
    bytes_max: usize,
}

impl<'a> Room<'a> {
    pub(crate) fn new(buffer: &'a mut BytesMut, bytes_max: usize) -> Room<'a> {
        Room { buffer, bytes_max }
    }

    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> postcard::Result<()> {
        let storage = Room { buffer: &mut *self.buffer, bytes_max: self.bytes_max };
        postcard::serialize_with_flavor(value, storage)
    }
}

impl Flavor for Room<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        if self.buffer.len() + data.len() > self.bytes_max {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        if self.buffer.len() == self.bytes_max {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.buffer.put_u8(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

pub(crate) mod sealed {
    use super::{Kind, Room};

    /// A message that knows its kind and writes its body.
    pub trait Body {
        fn body_kind(&self) -> Kind;
        fn body(&self, room: &mut Room<'_>) -> postcard::Result<()>;
    }
}

macro_rules! whole {
    ($($message:ident),*) => {$(
        impl sealed::Body for $message {
            fn body_kind(&self) -> Kind {
                Kind::$message
            }

            fn body(&self, room: &mut Room<'_>) -> postcard::Result<()> {
                room.put(self)
            }
        }
    )*};
}

whole!(Hello, HelloReply, Request, Response);

impl sealed::Body for PeerMessage {
    fn body_kind(&self) -> Kind {
        self.kind()
    }

    fn body(&self, room: &mut Room<'_>) -> postcard::Result<()> {
        match self {
            PeerMessage::Ping { number, wall_ms } | PeerMessage::Pong { number, wall_ms } => {
                room.put(&(number, wall_ms))
            }
            PeerMessage::Writes(batch) => room.put(batch),
            PeerMessage::Acks(acks) => room.put(acks),
            PeerMessage::Read { id, ring_hash, keyspace, key, full, time_left_ms } => {
                room.put(&(id, ring_hash, keyspace, key, full, time_left_ms))
            }
            PeerMessage::ReadReply { id, result } => room.put(&(id, result)),
            PeerMessage::ReadPage {
                id,
                ring_hash,
                keyspace,
                partition,
                start,
                limit,
                bytes_max,
                time_left_ms,
            } => room.put(&(id, ring_hash, keyspace, partition, start, limit, bytes_max, time_left_ms)),
            PeerMessage::PageReply { id, result } => room.put(&(id, result)),
            PeerMessage::Traced(traced) => traced_body(traced, room),
        }
    }
}

/// The traces, then the question with its type and version; it ends where the message ends.
fn traced_body(traced: &Traced, room: &mut Room<'_>) -> postcard::Result<()> {
    let Traced { traces, question } = traced;
    room.put(&(traces.len() as u64))?;
    for (index, Trace { id, parent, flags }) in traces {
        room.put(&(index, id.bytes(), parent.bytes(), flags))?;
    }
    let kind = question.kind();
    room.put(&(kind as u8, kind.version()))?;
    sealed::Body::body(question, room)
}

impl sealed::Body for Message {
    fn body_kind(&self) -> Kind {
        self.kind()
    }

    fn body(&self, room: &mut Room<'_>) -> postcard::Result<()> {
        match self {
            Message::Hello(message) => message.body(room),
            Message::HelloReply(message) => message.body(room),
            Message::Peer(message) => message.body(room),
            Message::Request(message) => message.body(room),
            Message::Response(message) => message.body(room),
        }
    }
}
