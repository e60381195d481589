//! Edits of a log's files, as rot, a hostile hand, or a bug in the log itself could make them: with checksums that are
//! right again afterwards, if the input says so. The format is that of `docs/formats.md`, written down a second time.

use std::path::PathBuf;

use super::input::Input;
use super::original::Files;
use super::scene::path;

/// Edits of one input.
pub const EDITS_MAX: usize = 32;
/// Bytes that an edit adds to a file.
const GROWTH_MAX: usize = 8192;

const HEADER_BYTES: usize = 128;
const FRAME_HEADER_BYTES: usize = 32;

/// Where the fields of a segment header lie, and how long they are.
const HEADER_FIELDS: [(usize, usize); 12] = [
    (8, 4),
    (12, 4),
    (16, 8),
    (32, 8),
    (40, 8),
    (48, 8),
    (56, 8),
    (64, 8),
    (72, 8),
    (80, 8),
    (88, 4),
    (92, 4),
];
/// The same of a frame, and of its first record.
const FRAME_FIELDS: [(usize, usize); 8] =
    [(0, 4), (4, 4), (8, 8), (16, 8), (24, 3), (27, 1), (28, 4), (32, 4)];

pub const EDITS: [fn(&mut Files, &mut Input<'_>); 10] =
    [overwrite, header_field, frame_field, resize, erase, remove, copy, repeat_frame, seal, swap];

/// Makes one edit.
pub fn edit(files: &mut Files, input: &mut Input<'_>) {
    EDITS[usize::from(input.byte()) % EDITS.len()](files, input);
}

/// One of the files.
fn pick<'a>(files: &'a mut Files, input: &mut Input<'_>) -> &'a mut Vec<u8> {
    let which = usize::from(input.byte()) % files.len();
    files.values_mut().nth(which).expect("one of them")
}

fn picked_path(files: &Files, input: &mut Input<'_>) -> PathBuf {
    let which = usize::from(input.byte()) % files.len();
    files.keys().nth(which).expect("one of them").clone()
}

fn overwrite(files: &mut Files, input: &mut Input<'_>) {
    let (file, at, count) = (pick(files, input), input.short(), usize::from(input.byte()));
    let bytes = input.bytes(count);
    if let Some(place) = file.get_mut(at..).filter(|place| place.len() >= bytes.len()) {
        place[..bytes.len()].copy_from_slice(bytes);
    }
}

fn header_field(files: &mut Files, input: &mut Input<'_>) {
    let (file, which) = (pick(files, input), usize::from(input.byte()));
    if file.len() >= HEADER_BYTES {
        change(file, HEADER_FIELDS[which % HEADER_FIELDS.len()], input);
        seal_header(file);
    }
}

fn frame_field(files: &mut Files, input: &mut Input<'_>) {
    let (file, nth, which) = (pick(files, input), usize::from(input.byte()), usize::from(input.byte()));
    let frames = frames(file);
    let Some(&(at, _)) = frames.get(nth % frames.len().max(1)) else { return };
    let (field, bytes) = FRAME_FIELDS[which % FRAME_FIELDS.len()];
    if at + field + bytes <= file.len() {
        change(file, (at + field, bytes), input);
    }
    if which >= FRAME_FIELDS.len() {
        seal_frame(file, at);
    }
}

/// Puts something else, but likely near, where a number of `bytes` bytes lies.
fn change(file: &mut [u8], (at, bytes): (usize, usize), input: &mut Input<'_>) {
    let mut number = [0; 8];
    number[..bytes].copy_from_slice(&file[at..at + bytes]);
    let other = input.near(u64::from_le_bytes(number)).to_le_bytes();
    file[at..at + bytes].copy_from_slice(&other[..bytes]);
}

fn resize(files: &mut Files, input: &mut Input<'_>) {
    let (file, bytes) = (pick(files, input), input.short());
    file.resize(bytes.min(file.len() + GROWTH_MAX), 0);
}

fn erase(files: &mut Files, input: &mut Input<'_>) {
    let (file, at, count) = (pick(files, input), input.short(), input.short());
    let from = at.min(file.len());
    let to = (from + count).min(file.len());
    file[from..to].fill(0);
}

fn remove(files: &mut Files, input: &mut Input<'_>) {
    let gone = picked_path(files, input);
    files.remove(&gone);
}

fn copy(files: &mut Files, input: &mut Input<'_>) {
    let bytes = files[&picked_path(files, input)].clone();
    files.insert(path(input), bytes);
}

fn swap(files: &mut Files, input: &mut Input<'_>) {
    let (one, other) = (picked_path(files, input), picked_path(files, input));
    let bytes = files[&one].clone();
    let others = files.insert(other, bytes).unwrap_or_default();
    files.insert(one, others);
}

/// A frame again, behind another, of another file perhaps; sealed for its new place.
fn repeat_frame(files: &mut Files, input: &mut Input<'_>) {
    let from = pick(files, input);
    let taken = frames(from);
    let Some(&(at, bytes)) = taken.get(usize::from(input.byte()) % taken.len().max(1)) else { return };
    let frame = from[at..at + bytes].to_vec();
    let to = pick(files, input);
    let behind = frames(to);
    let (at, bytes) =
        behind.get(usize::from(input.byte()) % behind.len().max(1)).copied().unwrap_or((128, 0));
    let at = at + bytes;
    if let Some(place) = to.get_mut(at..at + frame.len()) {
        place.copy_from_slice(&frame);
        seal_frame(to, at);
    }
}

fn seal(files: &mut Files, input: &mut Input<'_>) {
    let file = pick(files, input);
    seal_file(file, input.byte());
}

/// Puts checksums right: the header's (bit 0), the frames' (bit 1). Bit 2: what they are bound to as well.
pub fn seal_file(file: &mut [u8], how: u8) {
    if file.len() < HEADER_BYTES {
        return;
    }
    if how & 4 != 0 {
        file[..12].copy_from_slice(b"QRMWAL\r\n\x01\0\0\0");
        file[12..16].fill(0);
        file[92..96].copy_from_slice(&[how >> 7, 0, 0, 0]);
    }
    if how & 1 != 0 {
        seal_header(file);
    }
    if how & 2 != 0 {
        for (at, _) in frames(file) {
            if how & 4 != 0 {
                file.copy_within(40..44, at + 28);
            }
            seal_frame(file, at);
        }
    }
}

fn seal_header(file: &mut [u8]) {
    let crc = crc32fast::hash(&file[..124]);
    file[124..128].copy_from_slice(&crc.to_le_bytes());
}

fn seal_frame(file: &mut [u8], at: usize) {
    let Some(bytes) = frame_bytes(file, at) else { return };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file[16..44]);
    crc.update(&(at as u64).to_le_bytes());
    crc.update(&file[at + 4..at + bytes]);
    let crc = crc.finalize();
    file[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Where frames lie, by what they say of their length: (offset, bytes).
fn frames(file: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while let Some(bytes) = frame_bytes(file, at) {
        found.push((at, bytes));
        at += bytes;
    }
    found
}

/// Bytes of the frame at `at`; `None` if it ends behind the file, or if there is only zero.
fn frame_bytes(file: &[u8], at: usize) -> Option<usize> {
    let head = file.get(at..at + FRAME_HEADER_BYTES)?;
    let payload = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let bytes = FRAME_HEADER_BYTES + payload.next_multiple_of(8);
    (head.iter().any(|byte| *byte != 0) && at + bytes <= file.len()).then_some(bytes)
}
