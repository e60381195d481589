//! What a run is asked for, by its environment.

use std::env::{self, VarError};

use crate::install;
use crate::roster::{CLIENTS, Client};

/// See the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The clients of `CLIENTS`; `None`: those that cost little.
    wanted: Option<Vec<String>>,
    /// `CLIENTS_RECORD`: whether handshakes are written instead of compared.
    pub records: bool,
    /// `CLIENTS_SEQUENCES`: how many sequences of commands go to both servers.
    pub sequences: u32,
    /// `CLIENTS_SEED`: what they are drawn from.
    pub seed: u64,
}

impl Settings {
    pub fn read() -> Result<Settings, String> {
        Ok(Settings {
            wanted: variable("CLIENTS")?
                .map(|text| text.split(',').map(str::to_owned).collect())
                .map(known)
                .transpose()?,
            records: variable("CLIENTS_RECORD")?.is_some(),
            sequences: number("CLIENTS_SEQUENCES", 150)?,
            seed: number("CLIENTS_SEED", 1)?,
        })
    }

    /// Whether `client` shall be tried.
    pub fn wants(&self, client: &Client) -> bool {
        match &self.wanted {
            None => client.cheap || install::is_there(client),
            Some(names) => names.iter().any(|name| name == "all" || name == client.name),
        }
    }
}

fn variable(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(VarError::NotPresent) => Ok(None),
        Err(why) => Err(format!("{name}: {why}")),
    }
}

fn number<N: std::str::FromStr<Err: std::fmt::Display>>(name: &str, default: N) -> Result<N, String> {
    match variable(name)? {
        Some(text) => text.parse().map_err(|why| format!("{name}={text}: {why}")),
        None => Ok(default),
    }
}

fn known(names: Vec<String>) -> Result<Vec<String>, String> {
    match names.iter().find(|name| *name != "all" && !CLIENTS.iter().any(|client| client.name == **name)) {
        None => Ok(names),
        Some(unknown) => {
            let all: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
            Err(format!("CLIENTS: there is no {unknown}; there are all, {}", all.join(", ")))
        }
    }
}
