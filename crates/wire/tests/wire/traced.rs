//! Traces: nothing on the wire where there are none, and refused where they make no sense.

use bytes::Bytes;
use quorate_wire::{Kind, Message, PeerMessage, Traced, WireError, decode, frame_of};

use crate::frames::{error_of, framed, message};
use crate::samples;

fn question(name: &str) -> PeerMessage {
    let found = samples::all().into_iter().find(|(known, _)| known == name);
    let Some((_, Message::Peer(question))) = found else { panic!("no {name}") };
    question
}

/// The body of a question with `traces`.
fn body(traces: Vec<(u32, quorate_types::Trace)>, question: PeerMessage) -> Bytes {
    frame_of(&PeerMessage::Traced(Box::new(Traced { traces, question }))).expect("it fits").slice(15..)
}

fn refused(traces: &[u32], question: PeerMessage) -> WireError {
    let traces = traces.iter().map(|index| (*index, samples::trace(1))).collect();
    error_of(framed(&message(Kind::Traced, &body(traces, question))))
}

#[test]
fn a_question_of_no_traced_request_is_the_message_that_it_always_was() {
    for name in ["writes.0", "read.0", "read_page.0"] {
        assert_eq!(Traced::message(Vec::new(), question(name)), question(name));
        let plain = frame_of(&question(name)).unwrap().len();
        let traced = Traced::message(vec![(0, samples::trace(1))], question(name));
        // Beside type and version of the question: how many, an index, the trace, the span, flags.
        assert_eq!(frame_of(&traced).unwrap().len(), plain + 2 + 1 + 1 + 16 + 8 + 1);
    }
}

#[test]
fn traces_out_of_order_twice_or_beyond_the_question_are_refused_and_so_are_none() {
    for traces in [&[][..], &[4], &[0, 0], &[1, 0], &[0, u32::MAX]] {
        let misplaced = WireError::TracesMisplaced { kind: Kind::Traced, asked: 4 };
        assert_eq!(refused(traces, question("writes.0")), misplaced, "{traces:?}");
    }
    let misplaced = WireError::TracesMisplaced { kind: Kind::Traced, asked: 1 };
    assert_eq!(refused(&[1], question("read.0")), misplaced);
}

#[test]
fn a_trace_or_a_span_of_zeros_is_refused() {
    let sound = body(vec![(0, samples::trace(1))], question("read.0"));
    for zeros in [2..18, 18..26] {
        let mut bytes = sound.to_vec();
        bytes[zeros].fill(0);
        let refused = WireError::TraceOfZeros { kind: Kind::Traced, index: 0 };
        assert_eq!(error_of(framed(&message(Kind::Traced, &bytes))), refused);
    }
}

#[test]
fn only_questions_of_a_known_version_are_traced_and_each_once() {
    let once = PeerMessage::Traced(Box::new(Traced {
        traces: vec![(0, samples::trace(1))],
        question: question("read.0"),
    }));
    for (kind, answer) in
        [(Kind::Traced, once), (Kind::Ping, question("ping.0")), (Kind::Acks, question("acks.0"))]
    {
        let unexpected = WireError::Unexpected { kind, expected: "a question that may be traced" };
        assert_eq!(refused(&[0], answer), unexpected);
    }
    let mut newer = body(vec![(0, samples::trace(1))], question("read.0")).to_vec();
    newer[28] = 2;
    let unknown = WireError::UnknownVersion { kind: Kind::Read, found: 2, known: 1 };
    assert_eq!(error_of(framed(&message(Kind::Traced, &newer))), unknown);
}

#[test]
fn a_message_cut_short_anywhere_is_refused() {
    let whole = body(vec![(1, samples::trace(1))], question("writes.0"));
    for end in 0..whole.len() {
        let cut = framed(&message(Kind::Traced, &whole[..end]));
        assert!(decode(cut).any(|message| message.is_err()), "{end} of {}", whole.len());
    }
}
