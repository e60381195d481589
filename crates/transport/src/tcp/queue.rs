//! Frames that wait to be written: bounded in bytes, taken in order, many at a time.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::SendError;

/// Most frames of one vectored write.
const SLICES_MAX: usize = 64;

/// What waits.
#[derive(Debug)]
pub(super) struct OutQueue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    bytes_max: usize,
}

impl OutQueue {
    pub(super) fn new(bytes_max: usize) -> OutQueue {
        OutQueue { frames: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes `frame` if it fits, or if nothing waits: then it may be of any size.
    pub(super) fn push(&mut self, frame: Bytes) -> Result<(), SendError> {
        if !self.is_empty() && self.bytes + frame.len() > self.bytes_max {
            return Err(SendError::Full { queued_bytes: self.bytes, queue_bytes_max: self.bytes_max });
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        Ok(())
    }

    /// Offers what waits to `write`, which says how many bytes it took.
    pub(super) fn write_with<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = self.frames.len().min(SLICES_MAX);
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame);
        }
        let written = write(&slices[..count])?;
        self.advance(written);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.frames.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_queue_refuses_and_an_empty_one_takes_any_frame() {
        let mut queue = OutQueue::new(10);
        assert_eq!(queue.push(Bytes::from(vec![0; 50])), Ok(()));
        let full = SendError::Full { queued_bytes: 50, queue_bytes_max: 10 };
        assert_eq!(queue.push(Bytes::from_static(b"x")), Err(full));
        queue.clear();
        assert_eq!(queue.push(Bytes::from_static(b"0123456789")), Ok(()));
        assert_eq!((queue.push(Bytes::new()), queue.bytes()), (Ok(()), 10));
    }

    proptest! {
        #[test]
        fn every_byte_leaves_once_and_in_order(
            frames in vec(vec(any::<u8>(), 1..40), 0..200),
            takes in vec(1usize..100, 1..20),
        ) {
            let mut queue = OutQueue::new(usize::MAX);
            for frame in &frames {
                queue.push(Bytes::from(frame.clone())).unwrap();
            }
            let mut written = Vec::new();
            for take in takes.iter().cycle() {
                if queue.is_empty() {
                    break;
                }
                let taken: Result<(), Infallible> = queue.write_with(|slices| {
                    let offered: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
                    let n = offered.len().min(*take);
                    written.extend_from_slice(&offered[..n]);
                    Ok(n)
                });
                taken.unwrap();
            }
            prop_assert_eq!(written, frames.concat());
            prop_assert_eq!(queue.bytes(), 0);
        }
    }
}
