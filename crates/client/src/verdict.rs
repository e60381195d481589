//! What an outcome allows: the answer, another try, and which one. Pure.
//!
//! The rule behind all of it: a write is sent again only if nothing of it was sent, or with the version that it has
//! already. A second, newer stamp would overwrite what others wrote on top of the first.

use quorate_types::{ReadOutcome, Refusal, Version, WriteOutcome};
use quorate_wire::{PageOutcome, ResponseBody};

use crate::error::Fate;
use crate::pipeline::{Lost, Silence};

/// Whether a request may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads, or is a write that carries its version: the second time changes nothing.
    Repeatable,
    /// It is a write without a version: the second time would be a second write.
    Once,
}

/// What to do about an outcome.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is the answer.
    Answer,
    /// Another try is safe.
    Again(Again, Fate),
    /// It is the end: no try is safe, or none would help.
    End(Fate),
}

/// How to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// As it was, at once, at another node: this one has gone.
    Elsewhere,
    /// As it was, at another node that may see more replicas; once.
    SecondOpinion,
    /// As it was, after a pause.
    AfterPause,
    /// With this version and expiry, after a pause.
    SameVersion {
        /// What it was stamped with.
        version: Version,
        /// The expiry that was computed then.
        expires_at_ms: Option<u64>,
    },
}

/// What the answer `body` allows.
pub(crate) fn of_answer(body: &ResponseBody) -> Verdict {
    match body {
        ResponseBody::Write(outcome) => of_write(outcome),
        ResponseBody::Read(outcome) => of_read(outcome),
        ResponseBody::Page(outcome) => of_page(outcome),
        ResponseBody::Refused(refusal) => of_refusal(refusal),
        ResponseBody::Explain(_) | ResponseBody::Status(_) | ResponseBody::Ring(_) => Verdict::Answer,
    }
}

fn of_write(outcome: &WriteOutcome) -> Verdict {
    match *outcome {
        WriteOutcome::Written { .. } => Verdict::Answer,
        WriteOutcome::Unavailable { required, alive } => unavailable(required, alive),
        WriteOutcome::Indeterminate { acked, required, version, expires_at_ms } => {
            let fate = Fate::Partial { answered: acked, required };
            match version {
                Some(version) => Verdict::Again(Again::SameVersion { version, expires_at_ms }, fate),
                None => Verdict::End(fate),
            }
        }
        WriteOutcome::Rejected { ref reason } => of_refusal(reason),
    }
}

fn of_read(outcome: &ReadOutcome) -> Verdict {
    match *outcome {
        ReadOutcome::Found { .. } | ReadOutcome::Deleted { .. } | ReadOutcome::NotFound { .. } => {
            Verdict::Answer
        }
        ReadOutcome::Unavailable { required, alive } => unavailable(required, alive),
        ReadOutcome::TimedOut { answered, required } => timed_out(answered, required),
        ReadOutcome::Rejected { ref reason } => of_refusal(reason),
    }
}

fn of_page(outcome: &PageOutcome) -> Verdict {
    match *outcome {
        PageOutcome::Page { .. } => Verdict::Answer,
        PageOutcome::Unavailable { required, alive } => unavailable(required, alive),
        PageOutcome::TimedOut { answered, required } => timed_out(answered, required),
        PageOutcome::Rejected { ref reason } => of_refusal(reason),
    }
}

fn unavailable(required: u8, alive: u8) -> Verdict {
    Verdict::Again(Again::SecondOpinion, Fate::Unavailable { required, alive })
}

fn timed_out(answered: u8, required: u8) -> Verdict {
    Verdict::Again(Again::AfterPause, Fate::Partial { answered, required })
}

/// A refused request was not applied anywhere; whether another node would take it depends on the reason.
fn of_refusal(refusal: &Refusal) -> Verdict {
    let fate = Fate::Refused(refusal.clone());
    match refusal {
        Refusal::Overloaded { .. } | Refusal::NewestUnknown { .. } => Verdict::Again(Again::AfterPause, fate),
        Refusal::ShuttingDown
        | Refusal::LogFailed
        | Refusal::RingMismatch { .. }
        | Refusal::NotReplica
        | Refusal::ClockSkew { .. }
        | Refusal::ClockBehind { .. }
        | Refusal::ClockAhead { .. } => Verdict::Again(Again::Elsewhere, fate),
        _ => Verdict::End(fate),
    }
}

/// What a lost request allows.
pub(crate) fn of_lost(lost: Lost, effect: Effect) -> Verdict {
    match (lost, effect) {
        (Lost::Unsent, _) => Verdict::Again(Again::Elsewhere, Fate::Unsent),
        (Lost::Unheard(silence), Effect::Repeatable) => Verdict::Again(Again::Elsewhere, unheard(silence)),
        (Lost::Unheard(silence), Effect::Once) => Verdict::End(unheard(silence)),
    }
}

fn unheard(silence: Silence) -> Fate {
    match silence {
        Silence::Ended => Fate::Lost,
        Silence::Late => Fate::Silent,
    }
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Timestamp};

    use super::*;

    fn again(verdict: &Verdict) -> Option<Again> {
        if let Verdict::Again(again, _) = verdict { Some(*again) } else { None }
    }

    #[test]
    fn an_indeterminate_write_goes_again_only_with_its_own_version() {
        let version = Version::new(Timestamp(7), NodeId(1));
        let outcome =
            |version| WriteOutcome::Indeterminate { acked: 1, required: 2, version, expires_at_ms: Some(9) };
        assert_eq!(
            again(&of_write(&outcome(Some(version)))),
            Some(Again::SameVersion { version, expires_at_ms: Some(9) })
        );
        assert!(matches!(of_write(&outcome(None)), Verdict::End(Fate::Partial { answered: 1, required: 2 })));
    }

    #[test]
    fn a_write_that_left_and_was_not_answered_is_never_sent_again_but_a_read_is() {
        for silence in [Silence::Ended, Silence::Late] {
            assert!(matches!(of_lost(Lost::Unheard(silence), Effect::Once), Verdict::End(_)));
            assert_eq!(again(&of_lost(Lost::Unheard(silence), Effect::Repeatable)), Some(Again::Elsewhere));
        }
        assert_eq!(again(&of_lost(Lost::Unsent, Effect::Once)), Some(Again::Elsewhere));
    }

    #[test]
    fn what_the_request_itself_is_wrong_about_is_final_and_what_the_node_lacks_is_not() {
        let too_large = Refusal::ValueTooLarge { bytes: 2, bytes_max: 1 };
        assert!(matches!(of_refusal(&too_large), Verdict::End(_)));
        assert!(matches!(of_refusal(&Refusal::UnknownKeyspace), Verdict::End(_)));
        let full = Refusal::Overloaded { limit: "requests_max".into() };
        assert_eq!(again(&of_refusal(&full)), Some(Again::AfterPause));
        assert_eq!(again(&of_refusal(&Refusal::ShuttingDown)), Some(Again::Elsewhere));
        let behind = Refusal::ClockBehind { newest_ms: 9, ours_ms: 1, skew_max_ms: 5 };
        assert_eq!(again(&of_refusal(&behind)), Some(Again::Elsewhere), "another clock may be right");
        let unknown = Refusal::NewestUnknown { answered: 1, required: 2 };
        let rejected = WriteOutcome::Rejected { reason: unknown };
        assert_eq!(again(&of_write(&rejected)), Some(Again::AfterPause), "nothing was written");
        let unavailable = WriteOutcome::Unavailable { required: 3, alive: 2 };
        assert_eq!(again(&of_write(&unavailable)), Some(Again::SecondOpinion));
    }
}
