//! How long and how often: small by default, more by the environment.

use std::env;
use std::fmt;
use std::time::Duration;

/// See the module's head.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of what is left to chance; what processes and networks make of it is not.
    pub seed: u64,
    /// For how long faults are planted in one round.
    pub storm: Duration,
    /// How often each case is run, with the next seed each time.
    pub rounds: u64,
    /// Requests per second.
    pub rate: u64,
}

impl Settings {
    /// From the environment.
    pub fn read() -> Result<Settings, String> {
        Ok(Settings {
            seed: number("FAULTS_SEED", 1)?,
            storm: Duration::from_secs(number("FAULTS_SECONDS", 3)?),
            rounds: number("FAULTS_ROUNDS", 1)?,
            rate: number("FAULTS_RATE", 300)?,
        })
    }

    /// The seeds of the rounds.
    pub fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.seed;
        (0..self.rounds).map(move |round| first.wrapping_add(round))
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { seed, storm, rounds, rate } = self;
        let seconds = storm.as_secs();
        write!(f, "FAULTS_SEED={seed} FAULTS_SECONDS={seconds} FAULTS_ROUNDS={rounds} FAULTS_RATE={rate}")
    }
}

fn number(name: &str, default: u64) -> Result<u64, String> {
    let Ok(text) = env::var(name) else { return Ok(default) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{name} = {text:?}: a number from 1 on must be there")),
    }
}
