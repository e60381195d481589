//! Any bytes on a connection: no panic, and what is pending never grows by itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_wire::{FrameReader, decode};

fuzz_target!(|stream: &[u8]| {
    let mut reader = FrameReader::from_handshake(1 << 16);
    for chunk in stream.chunks(7) {
        reader.buffer().extend_from_slice(chunk);
        assert!(reader.missing_bytes() <= 1 << 16);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => decode(frame).for_each(drop),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
