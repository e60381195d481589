//! Outcomes as errors of RESP. The codes are an interface: clients retry some of them by themselves (`TRYAGAIN`,
//! `NOREPLICAS`, `LOADING`…), so those are used only where nothing was sent; what may have been applied has a code
//! that nobody retries.
//!
//! | code | what became of the data |
//! |---|---|
//! | `NOREPLICAS` | too few replicas are alive: nothing was sent |
//! | `TRYAGAIN` | overloaded, shutting down, or too late before it began: nothing was sent |
//! | `WRITETIMEOUT` | fewer replicas than the level needs have acknowledged: the write may survive |
//! | `READTIMEOUT` | fewer replicas than the level needs have answered |
//! | `MISCONF` | the node's log failed: it takes no writes |
//! | `ERR` | it will never be applied as it is |

use quorate_types::{ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{PageOutcome, ResponseBody};

/// The error that `body` is, if it is one.
pub(crate) fn error(body: &ResponseBody) -> Option<String> {
    match body {
        ResponseBody::Write(outcome) => write_error(outcome),
        ResponseBody::Read(outcome) => read_error(outcome),
        ResponseBody::Page(outcome) => page_error(outcome),
        ResponseBody::Refused(refusal) => Some(refused(refusal)),
        ResponseBody::Explain(_) | ResponseBody::Status(_) | ResponseBody::Ring(_) => None,
    }
}

/// Whether `error` says that nothing was sent.
pub(crate) fn is_unsent(error: &str) -> bool {
    !error.starts_with("WRITETIMEOUT")
}

fn write_error(outcome: &WriteOutcome) -> Option<String> {
    match outcome {
        WriteOutcome::Written { .. } => None,
        WriteOutcome::Unavailable { required, alive } => Some(unavailable("write", *required, *alive)),
        WriteOutcome::Indeterminate { acked, required, version, expires_at_ms } => {
            let expires = expires_at_ms.map_or_else(String::new, |at| format!(" expires_at_ms={at}"));
            let (version, remedy) = match version {
                None => ("unknown".to_owned(), "read the key before you write it again"),
                Some(version) => (
                    version.to_string(),
                    "read the key before you write it again, or repeat a SET or DEL as KV.PUT or KV.DEL with this VERSION",
                ),
            };
            Some(format!(
                "WRITETIMEOUT acks={acked} needed={required} version={version}{expires}: too few replicas acknowledged in \
                 time; the write may survive: {remedy}"
            ))
        }
        WriteOutcome::Rejected { reason } => Some(refused(reason)),
    }
}

fn read_error(outcome: &ReadOutcome) -> Option<String> {
    match outcome {
        ReadOutcome::Found { .. } | ReadOutcome::Deleted { .. } | ReadOutcome::NotFound { .. } => None,
        ReadOutcome::Unavailable { required, alive } => Some(unavailable("read", *required, *alive)),
        ReadOutcome::TimedOut { answered, required } => Some(read_timeout(*answered, *required)),
        ReadOutcome::Rejected { reason } => Some(refused(reason)),
    }
}

fn page_error(outcome: &PageOutcome) -> Option<String> {
    match outcome {
        PageOutcome::Page { .. } => None,
        PageOutcome::Unavailable { required, alive } => Some(unavailable("scan", *required, *alive)),
        PageOutcome::TimedOut { answered, required } => Some(read_timeout(*answered, *required)),
        PageOutcome::Rejected { reason } => Some(refused(reason)),
    }
}

fn unavailable(what: &str, required: u8, alive: u8) -> String {
    format!("NOREPLICAS the {what} needs {required} replicas and {alive} are alive: nothing was sent")
}

fn read_timeout(answered: u8, required: u8) -> String {
    format!("READTIMEOUT answers={answered} needed={required}: too few replicas answered in time")
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Overloaded { .. }
        | Refusal::DeadlinePassed
        | Refusal::ShuttingDown
        | Refusal::Unreachable => {
            format!("TRYAGAIN {refusal}: nothing was sent")
        }
        Refusal::LogFailed => format!("MISCONF {refusal}"),
        Refusal::ValueTooLarge { bytes_max, .. } => {
            format!("ERR value is too large (limit {bytes_max}): {refusal}")
        }
        other => format!("ERR {other}: nothing was changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_may_survive_has_a_code_that_no_client_retries_and_one_that_was_not_sent_has_one() {
        let unknown =
            WriteOutcome::Indeterminate { acked: 1, required: 2, version: None, expires_at_ms: None };
        let text = error(&ResponseBody::Write(unknown)).unwrap();
        assert!(text.starts_with("WRITETIMEOUT acks=1 needed=2 version=unknown"), "{text}");
        assert!(!is_unsent(&text));
        let unsent = WriteOutcome::Unavailable { required: 2, alive: 1 };
        let text = error(&ResponseBody::Write(unsent)).unwrap();
        assert!(text.starts_with("NOREPLICAS") && is_unsent(&text), "{text}");
        let full = Refusal::Overloaded { limit: "requests_max".to_owned() };
        let text = error(&ResponseBody::Refused(full)).unwrap();
        assert_eq!(text, "TRYAGAIN overloaded: requests_max is exhausted: nothing was sent");
        let failed = ResponseBody::Write(WriteOutcome::Rejected { reason: Refusal::LogFailed });
        assert!(error(&failed).unwrap().starts_with("MISCONF "));
    }
}
