//! How much: small by default, more by the environment.

use std::env;
use std::fmt;

/// Sizes of the loops. The README of the crate says the commands.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of what is left to chance; thread schedules are not among it.
    pub seed: u64,
    /// Processes killed at a moment.
    pub kills: u64,
    /// Places in the script at which each fault is planted; `None`: all.
    pub points: Option<u64>,
    /// Power cuts in the middle of a storm.
    pub power_cuts: u64,
}

impl Settings {
    /// From the environment.
    pub fn read() -> Result<Self, String> {
        Ok(Self {
            seed: number("WAL_CRASH_SEED", 1)?,
            kills: number("WAL_KILLS", 20)?,
            points: if env::var("WAL_POINTS").is_ok_and(|points| points == "all") {
                None
            } else {
                Some(number("WAL_POINTS", 6)?)
            },
            power_cuts: number("WAL_POWER_CUTS", 5)?,
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.points.map_or("all".to_owned(), |points| points.to_string());
        let Self { seed, kills, power_cuts, .. } = self;
        write!(f, "WAL_CRASH_SEED={seed} WAL_KILLS={kills} WAL_POINTS={points} WAL_POWER_CUTS={power_cuts}")
    }
}

fn number(name: &str, default: u64) -> Result<u64, String> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} = {text:?}: a number from 1 on must be there")),
    }
}
