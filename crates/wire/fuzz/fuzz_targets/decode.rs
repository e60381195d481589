//! Any messages in a sound frame: no panic, and what decodes encodes to something that decodes to the same.

#![no_main]

use bytes::{BufMut, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use quorate_wire::{decode, frame_of};

fn framed(messages: &[u8]) -> Bytes {
    let covered = [&[1], messages].concat();
    let mut frame = BytesMut::new();
    frame.put_u32_le(covered.len() as u32);
    frame.put_u32_le(crc32fast::hash(&covered));
    frame.put_slice(&covered);
    frame.freeze()
}

fuzz_target!(|messages: &[u8]| {
    for message in decode(framed(messages)).flatten() {
        let again: Vec<_> = decode(frame_of(&message).expect("it came in a frame")).collect();
        assert_eq!(again, [Ok(message)]);
    }
});
