//! Hostile bytes cost what they weigh: memory is counted while they are decoded.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_wire::{Kind, decode, frame_of};

use crate::frames::{framed, message};
use crate::samples;

/// The largest decoded element in relation to its smallest encoding, with the doubling of a growing `Vec`.
const BYTES_PER_INPUT_BYTE: usize = 256;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to `System` unchanged; the counters are thread-local cells that never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().saturating_add(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The most bytes that were allocated at once, above those before, while decoding `messages` in a sound frame.
fn peak_of_decoding(messages: &[u8]) -> usize {
    let frame = framed(messages);
    let before = LIVE.get();
    PEAK.set(before);
    decode(frame).for_each(drop);
    PEAK.get() - before
}

fn allowed(input: &[u8]) -> usize {
    input.len() * BYTES_PER_INPUT_BYTE
}

fn kinds() -> impl Strategy<Value = Kind> {
    any::<u8>().prop_filter_map("no such kind", Kind::of_byte)
}

#[test]
fn a_count_of_four_billion_elements_in_a_short_message_allocates_nothing_of_the_kind() {
    let count = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let epoch_batch_ring = [1, 1, 1, 1];
    let cases = [
        (Kind::Writes, [&epoch_batch_ring[..], &count].concat()),
        (Kind::Acks, [&[1, 1][..], &count].concat()),
        (Kind::PageReply, [&[1, 0][..], &count].concat()),
        (Kind::Traced, count.to_vec()),
        (Kind::Response, [&[1, 2, 0][..], &count].concat()),
        (Kind::Request, [&[1, 1, 0, 0, 1][..], &count].concat()),
    ];
    for (kind, body) in cases {
        let input = message(kind, &body);
        let peak = peak_of_decoding(&input);
        assert!(peak <= allowed(&input), "{kind}: {peak} bytes for {}", input.len());
    }
}

proptest! {
    #[test]
    fn any_body_costs_at_most_its_weight(kind in kinds(), body in vec(any::<u8>(), 0..2000)) {
        let input = message(kind, &body);
        prop_assert!(peak_of_decoding(&input) <= allowed(&input));
    }

    #[test]
    fn any_damaged_message_costs_at_most_its_weight(
        pick in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let samples = samples::all();
        let mut input = frame_of(&samples[pick.index(samples.len())].1).unwrap()[9..].to_vec();
        for (at, byte) in damage {
            let at = at.index(input.len());
            input[at] = byte;
        }
        prop_assert!(peak_of_decoding(&input) <= allowed(&input));
    }
}
