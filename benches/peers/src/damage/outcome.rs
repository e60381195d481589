//! What became of the records.

use std::fmt;

use super::Hit;
use crate::contender::Ending;

/// A record as it was acknowledged, or as it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the log says about it.
    pub id: u64,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// What a log handed over, and how that ended.
pub struct Seen {
    /// In order.
    pub records: Vec<Record>,
    /// With an error's text, if it ended with one.
    pub result: Result<Ending, String>,
}

/// What damage led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An error, when opening or in the course of replay.
    Stop {
        /// Its text.
        message: String,
    },
    /// The last records are gone, all of them hit themselves and nothing intact behind them: a torn tail.
    Cut {
        /// How many.
        lost: usize,
    },
    /// Intact acknowledged records are gone, and there was no error.
    Lost {
        /// How many, the damaged ones included.
        lost: usize,
        /// The log does report a torn tail, as it does after any crash.
        called_torn: bool,
    },
    /// Altered records or fields were handed over as good.
    Accepted {
        /// How many records.
        altered: usize,
        /// How many are gone besides.
        lost: usize,
    },
    /// All records are there, unaltered, and nothing was noticed.
    Unnoticed,
    /// It panicked.
    Panicked {
        /// What it said.
        message: String,
    },
    /// It did not come back.
    Hung,
}

/// Compares what was handed over with what was acknowledged (and with what the log said of itself undamaged).
pub fn judge(acknowledged: &[Record], healthy: Ending, seen: &Seen, hit: Hit) -> Outcome {
    let (lost, altered) = compare(acknowledged, &seen.records);
    let ending = match &seen.result {
        Err(_) if altered > 0 => return Outcome::Accepted { altered, lost: 0 },
        Err(message) => return Outcome::Stop { message: message.clone() },
        Ok(ending) => ending,
    };
    if altered > 0 {
        return Outcome::Accepted { altered, lost };
    }
    if lost == 0 {
        let moved = ending.mark != healthy.mark;
        return if moved { Outcome::Accepted { altered: 1, lost: 0 } } else { Outcome::Unnoticed };
    }
    let is_prefix = seen.records.len() + lost == acknowledged.len()
        && seen.records.last().is_none_or(|last| *last == acknowledged[seen.records.len() - 1]);
    if is_prefix && hit.at_end && seen.records.len() >= hit.first {
        return Outcome::Cut { lost };
    }
    Outcome::Lost { lost, called_torn: ending.torn }
}

/// How many records are missing, and how many that came are not what was acknowledged.
fn compare(acknowledged: &[Record], seen: &[Record]) -> (usize, usize) {
    let (mut next, mut missing, mut altered) = (0, 0, 0);
    for record in seen {
        if let Some(skipped) = acknowledged[next..].iter().position(|expected| expected == record) {
            missing += skipped;
            next += skipped + 1;
        } else {
            // In the place of the next one, if there is one.
            altered += 1;
            next = (next + 1).min(acknowledged.len());
        }
    }
    (missing + acknowledged.len() - next, altered)
}

impl Outcome {
    /// As it stands in the table: `place` are the offsets at which an error could point, `hit` what was hit.
    pub fn cell(&self, hit: Hit, place: &std::ops::RangeInclusive<usize>) -> String {
        match self {
            Self::Stop { .. } if hit.at_end => "**refuses to open**".to_owned(),
            Self::Stop { message } => match numbers(message).find(|number| place.contains(number)) {
                Some(offset) => format!("stop at byte {offset}"),
                None => "stop".to_owned(),
            },
            Self::Lost { .. } | Self::Accepted { .. } | Self::Panicked { .. } | Self::Hung => {
                format!("**{self}**")
            }
            Self::Cut { .. } | Self::Unnoticed => self.to_string(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop { .. } => write!(f, "stop"),
            Self::Cut { lost } => write!(f, "cut {lost}"),
            Self::Lost { lost, called_torn: false } => write!(f, "silent -{lost}"),
            Self::Lost { lost, called_torn: true } => write!(f, "-{lost} as \"torn\""),
            Self::Accepted { altered, lost: 0 } => write!(f, "accepted {altered}"),
            Self::Accepted { altered, lost } => write!(f, "accepted {altered}, silent -{lost}"),
            Self::Unnoticed => write!(f, "unnoticed"),
            Self::Panicked { .. } => write!(f, "panics"),
            Self::Hung => write!(f, "hangs"),
        }
    }
}

/// The numbers in a text.
fn numbers(text: &str) -> impl Iterator<Item = usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: Hit = Hit { first: 2, at_end: false };
    const END: Hit = Hit { first: 3, at_end: true };
    const HEALTHY: Ending = Ending { torn: false, mark: 9 };

    fn records(ids: &[u64]) -> Vec<Record> {
        ids.iter().map(|id| Record { id: *id, payload: vec![*id as u8] }).collect()
    }

    fn judged(ids: &[u64], result: Result<Ending, String>, hit: Hit) -> String {
        let seen = Seen { records: records(ids), result };
        judge(&records(&[1, 2, 3, 4]), HEALTHY, &seen, hit).to_string()
    }

    #[test]
    fn what_is_hit_and_at_the_end_may_go_and_nothing_else() {
        let torn = Ending { torn: true, mark: 8 };
        assert_eq!(judged(&[1, 2, 3], Ok(torn), END), "cut 1");
        assert_eq!(judged(&[1, 2, 3], Ok(HEALTHY), END), "cut 1");
        assert_eq!(judged(&[1, 2], Ok(torn), END), "-2 as \"torn\"");
        assert_eq!(judged(&[1, 2], Ok(torn), MIDDLE), "-2 as \"torn\"");
        assert_eq!(judged(&[1, 2], Ok(HEALTHY), MIDDLE), "silent -2");
        assert_eq!(judged(&[1, 3, 4], Ok(HEALTHY), MIDDLE), "silent -1");
        assert_eq!(judged(&[], Ok(HEALTHY), MIDDLE), "silent -4");
    }

    #[test]
    fn what_was_altered_is_found_in_its_place_and_behind_the_end() {
        assert_eq!(judged(&[1, 2, 7, 4], Ok(HEALTHY), MIDDLE), "accepted 1");
        assert_eq!(judged(&[1, 2, 7], Ok(HEALTHY), MIDDLE), "accepted 1, silent -1");
        assert_eq!(judged(&[1, 2, 3, 4, 5], Ok(HEALTHY), MIDDLE), "accepted 1");
        assert_eq!(judged(&[1, 2, 3, 4], Ok(Ending { mark: 70, torn: false }), MIDDLE), "accepted 1");
        assert_eq!(judged(&[1, 9], Err("bad".to_owned()), MIDDLE), "accepted 1");
    }

    #[test]
    fn an_error_is_a_stop_with_its_place_if_it_names_it() {
        assert_eq!(judged(&[1, 2], Err("bad".to_owned()), MIDDLE), "stop");
        let stop = |message: &str| Outcome::Stop { message: message.to_owned() };
        assert_eq!(stop("segment 1 at 500").cell(MIDDLE, &(480..=580)), "stop at byte 500");
        assert_eq!(stop("record 7").cell(MIDDLE, &(480..=580)), "stop");
        assert_eq!(stop("bad").cell(END, &(480..=580)), "**refuses to open**");
        assert_eq!(judged(&[1, 2, 3, 4], Ok(HEALTHY), MIDDLE), "unnoticed");
    }
}
