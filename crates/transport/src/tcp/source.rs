//! The receiving half of a TCP connection.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_wire::FrameReader;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::TcpOptions;
use super::link::{Link, LinkSink};
use crate::{Connection, Detached, FrameSink, FrameSource, TransportError};

/// What the first read asks for, bytes; doubled while reads fill it.
const READ_BYTES_MIN: usize = 16 << 10;
/// What a read asks for at most, unless a frame is larger.
const READ_BYTES_MAX: usize = 256 << 10;

/// A connection over `stream`, on the runtime of the calling task.
pub(super) fn connection(stream: TcpStream, peer_addr: String, options: TcpOptions) -> Connection {
    let incoming = Incoming {
        reader: FrameReader::from_handshake(options.frame_bytes_max),
        read_bytes: READ_BYTES_MIN,
        greeted: false,
    };
    over_link(Link::new(stream, options), incoming, peer_addr)
}

fn over_link(link: Arc<Link>, incoming: Incoming, peer_addr: String) -> Connection {
    let sink = FrameSink(Arc::new(LinkSink(Arc::clone(&link))));
    let source = LinkSource { link, incoming, peer_addr: peer_addr.clone(), closes: true };
    Connection { source: Box::new(source), sink, peer_addr }
}

/// The frames of a link.
struct LinkSource {
    link: Arc<Link>,
    incoming: Incoming,
    peer_addr: String,
    /// Whether dropping it closes the link: not when it moves to another thread.
    closes: bool,
}

impl Drop for LinkSource {
    fn drop(&mut self) {
        if self.closes {
            self.link.close();
        }
    }
}

#[async_trait]
impl FrameSource for LinkSource {
    async fn recv(&mut self, out: &mut Vec<Bytes>) -> Result<(), TransportError> {
        loop {
            if let Some(end) = self.link.end() {
                return Err(end);
            }
            if self.incoming.take_frames(out)? {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.link.over() => {}
                ready = self.link.stream.readable() => {
                    ready.map_err(lost)?;
                    self.incoming.read_from(&self.link.stream)?;
                }
            }
        }
    }

    fn detach(mut self: Box<Self>, sink: FrameSink) -> Result<Detached, TransportError> {
        drop(sink);
        self.closes = false;
        let (link, options) = (Arc::clone(&self.link), self.link.options);
        let incoming = std::mem::take(&mut self.incoming);
        let peer_addr = std::mem::take(&mut self.peer_addr);
        drop(self);
        let stream = Arc::into_inner(link).and_then(Link::into_idle_stream).ok_or(TransportError::InUse)?;
        let stream = stream.into_std().map_err(lost)?;
        Ok(Detached::new(move || {
            let stream = TcpStream::from_std(stream).map_err(lost)?;
            Ok(over_link(Link::new(stream, options), incoming, peer_addr))
        }))
    }
}

/// What has been read and not yet handed out.
struct Incoming {
    reader: FrameReader,
    read_bytes: usize,
    greeted: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        Incoming { reader: FrameReader::new(0), read_bytes: READ_BYTES_MIN, greeted: false }
    }
}

impl Incoming {
    /// Hands out the complete frames, the handshake alone; whether there was one.
    fn take_frames(&mut self, out: &mut Vec<Bytes>) -> Result<bool, TransportError> {
        let before = out.len();
        while let Some(frame) = self.reader.next_frame()? {
            out.push(frame);
            if !std::mem::replace(&mut self.greeted, true) {
                break;
            }
        }
        Ok(out.len() > before)
    }

    /// One read of what the socket has.
    fn read_from(&mut self, stream: &TcpStream) -> Result<(), TransportError> {
        self.make_room();
        let buffer = self.reader.buffer();
        let room = buffer.capacity() - buffer.len();
        let mut read = None;
        let tried = stream.try_io(Interest::READABLE, || {
            let bytes = stream.try_read_buf(buffer)?;
            read = Some(bytes);
            // A short read has emptied the socket: saying so saves the read that would only find that out.
            if bytes > 0 && bytes < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (read, tried) {
            (Some(0), _) => Err(self.end_of_stream()),
            (Some(bytes), _) => {
                if bytes == room {
                    self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
                }
                Ok(())
            }
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Err(lost(error)),
            (None, _) => Ok(()),
        }
    }

    /// Room for what is likely to come: a frame's announced size counts only as far as that much has arrived of it.
    fn make_room(&mut self) {
        let (missing, pending) = (self.reader.missing_bytes(), self.reader.pending_bytes());
        let wanted = missing.min(pending).max(self.read_bytes);
        let buffer = self.reader.buffer();
        let room = buffer.capacity() - buffer.len();
        if room < wanted / 4 {
            buffer.reserve(wanted);
        }
    }

    /// In order, or in the middle of a frame.
    fn end_of_stream(&self) -> TransportError {
        match self.reader.pending_bytes() {
            0 => TransportError::Closed,
            _ => lost(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn lost(source: io::Error) -> TransportError {
    TransportError::Lost { source }
}
