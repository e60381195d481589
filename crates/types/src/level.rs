//! How many replicas must answer a request.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::REPLICAS_MAX;

/// A consistency level, chosen per request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// One replica.
    One,
    /// Two replicas.
    Two,
    /// Three replicas.
    Three,
    /// More than half of the `n` replicas.
    Quorum,
    /// All `n` replicas.
    All,
    /// This many replicas, 1 to [`REPLICAS_MAX`].
    Exactly(u8),
    /// More than half of the `n` replicas, twice: a write asks them for the newest version before it stamps a newer
    /// one, a read makes sure that they hold what it answers. Among requests at this level each key is a linearizable
    /// register, whatever the clocks say.
    ///
    /// Source: Attiya, Bar-Noy, Dolev, Sharing Memory Robustly in Message-Passing Systems (1995); for several
    /// writers: Lynch and Shvartsman (1997).
    Linearizable,
}

/// A level that asks for more replicas than a key has. Nothing was sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("level {level} needs {required} replicas, but the keyspace has n = {n}; use a level of at most {n}")]
pub struct LevelUnmeetable {
    /// The level asked for.
    pub level: Level,
    /// The replicas it needs.
    pub required: usize,
    /// The replicas there are.
    pub n: usize,
}

/// A text that names no level.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "unknown level {0:?}; levels are one, two, three, quorum, all, linearizable, or a number from 1 to {REPLICAS_MAX}"
)]
pub struct LevelInvalid(pub String);

impl Level {
    /// The number of replicas that must answer when a key has `n`.
    pub fn required(self, n: usize) -> Result<usize, LevelUnmeetable> {
        let required = match self {
            Level::One => 1,
            Level::Two => 2,
            Level::Three => 3,
            Level::Quorum | Level::Linearizable => n / 2 + 1,
            Level::All => n,
            Level::Exactly(k) => usize::from(k),
        };
        if required > n || required == 0 {
            Err(LevelUnmeetable { level: self, required, n })
        } else {
            Ok(required)
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::One => f.write_str("ONE"),
            Level::Two => f.write_str("TWO"),
            Level::Three => f.write_str("THREE"),
            Level::Quorum => f.write_str("QUORUM"),
            Level::All => f.write_str("ALL"),
            Level::Exactly(k) => write!(f, "{k}"),
            Level::Linearizable => f.write_str("LINEARIZABLE"),
        }
    }
}

impl FromStr for Level {
    type Err = LevelInvalid;

    fn from_str(text: &str) -> Result<Level, LevelInvalid> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "one" => Level::One,
            "two" => Level::Two,
            "three" => Level::Three,
            "quorum" => Level::Quorum,
            "all" => Level::All,
            "linearizable" => Level::Linearizable,
            number => match number.parse::<u8>() {
                Ok(k) if (1..=REPLICAS_MAX as u8).contains(&k) => Level::Exactly(k),
                _ => return Err(LevelInvalid(text.to_owned())),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_and_so_is_what_linearizable_needs() {
        for level in [Level::Quorum, Level::Linearizable] {
            let quorums: Vec<_> = (1..=7).map(|n| level.required(n).unwrap()).collect();
            assert_eq!(quorums, [1, 2, 2, 3, 3, 4, 4]);
        }
    }

    #[test]
    fn a_level_above_n_is_refused_by_name() {
        let refused = Level::Three.required(2).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "level THREE needs 3 replicas, but the keyspace has n = 2; use a level of at most 2"
        );
    }

    #[test]
    fn levels_parse_in_any_case_and_bad_ones_are_named() {
        assert_eq!("Quorum".parse(), Ok(Level::Quorum));
        assert_eq!("5".parse(), Ok(Level::Exactly(5)));
        assert_eq!(Level::Linearizable.to_string().parse(), Ok(Level::Linearizable));
        for bad in ["0", "8", "most", ""] {
            assert_eq!(bad.parse::<Level>(), Err(LevelInvalid(bad.to_owned())));
        }
    }
}
