//! What a keyspace promises: what a history is judged against.

use std::fmt::Display;

use quorate_coordinator::ReadRepairPolicy;
use quorate_types::Level;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// The promise of one keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// The keyspace's name.
    pub name: String,
    /// Replicas of a key, 1 to 7.
    pub n: u8,
    /// What reads do about replicas that are behind; not known: nothing is expected of it.
    #[serde(default, with = "policy", skip_serializing_if = "Option::is_none")]
    pub read_repair: Option<ReadRepairPolicy>,
    /// Levels at which each key is a linearizable register, as long as all its writes are at one of them.
    #[serde(default = "linearizable", with = "text::list")]
    pub linearizable: Vec<Level>,
    /// Whether sessions read their own writes and never go back, at any level.
    #[serde(default, skip_serializing_if = "text::is_default")]
    pub sessions: Sessions,
    /// Whether an acknowledged write is on disk.
    #[serde(default, skip_serializing_if = "text::is_default")]
    pub sync: Sync,
}

/// What sessions promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sessions {
    /// Nothing beyond their levels.
    #[default]
    None,
    /// Requests carry the newest version that the session has seen, and nothing older is answered.
    Tokens,
}

/// When acknowledged writes are on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sync {
    /// Before they are acknowledged.
    #[default]
    Always,
    /// Soon after: a power cut may take a disk's last ones.
    Later,
}

impl Promise {
    /// The default promise of a keyspace with `n` replicas: blocking read repair is not assumed.
    pub fn of(name: impl Into<String>, n: u8) -> Promise {
        Promise {
            name: name.into(),
            n,
            read_repair: None,
            linearizable: linearizable(),
            sessions: Sessions::None,
            sync: Sync::Always,
        }
    }

    /// The replicas that answer a request at `level`; none if the level can't be met.
    pub fn required(&self, level: Level) -> Option<usize> {
        level.required(usize::from(self.n)).ok()
    }
}

fn linearizable() -> Vec<Level> {
    vec![Level::Linearizable]
}

mod policy {
    use super::{Deserialize, Deserializer, Display, ReadRepairPolicy, Serializer};

    const NAMES: [(&str, ReadRepairPolicy); 3] = [
        ("blocking", ReadRepairPolicy::Blocking),
        ("background", ReadRepairPolicy::Background),
        ("off", ReadRepairPolicy::Off),
    ];

    #[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(policy: &Option<ReadRepairPolicy>, to: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(_, one)| Some(*one) == *policy).map(|(name, _)| *name);
        match name {
            Some(name) => to.serialize_str(name),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReadRepairPolicy>, D::Error> {
        let text = String::deserialize(from)?;
        let found = NAMES.iter().find(|(name, _)| *name == text).map(|(_, policy)| *policy);
        found.map(Some).ok_or_else(|| unknown(&text))
    }

    fn unknown<E: serde::de::Error>(text: &impl Display) -> E {
        E::custom(format!("unknown read repair \"{text}\"; there are blocking, background and off"))
    }
}
