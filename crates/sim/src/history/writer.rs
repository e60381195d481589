//! Writes a history line by line.

use std::io::{self, Write};

use super::reader::FirstLine;
use super::{Event, Header};

/// Writes events as they come; what is buffered is `W`'s matter.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(mut to: W, header: &Header) -> io::Result<Writer<W>> {
        serde_json::to_writer(&mut to, &FirstLine { history: header })?;
        to.write_all(b"\n")?;
        Ok(Writer { to })
    }

    /// Writes one event.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, event)?;
        self.to.write_all(b"\n")
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// What it wrote to.
    pub fn into_inner(self) -> W {
        self.to
    }
}
