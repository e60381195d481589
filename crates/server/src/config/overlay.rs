//! What comes over the file: environment variables `KV__SECTION__KEY`, then flags.

use super::error::{Origin, Problem, Wrong};
use super::reader::{LISTS, set};
use super::section::Found;
use super::suggest::nearest;
use super::{AnySection, Config, KeyspaceConfig, NodeConfig, Section};

const PREFIX: &str = "KV__";

/// A value given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag as the user knows it: `--listen`.
    pub flag: String,
    /// The key it sets: `node.n1.addr`, `limits.request_deadline`.
    pub path: String,
    /// The value, without quotes.
    pub value: String,
}

/// Values over those of the file; flags win over the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// Variables of the environment; those that don't begin with `KV__` are passed over.
    ///
    /// `KV__LIMITS__REQUEST_DEADLINE=5s`; a node or keyspace by its name: `KV__NODE__N1__ADDR=…`.
    pub env: Vec<(String, String)>,
    /// Flags.
    pub flags: Vec<Flag>,
}

impl Overlay {
    /// The environment of this process.
    pub fn of_process() -> Overlay {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Overlay { env: std::env::vars_os().filter_map(text).collect(), flags: Vec::new() }
    }

    /// The same with one more flag.
    #[must_use]
    pub fn with_flag(mut self, flag: &str, path: &str, value: &str) -> Overlay {
        self.flags.push(Flag { flag: flag.to_owned(), path: path.to_owned(), value: value.to_owned() });
        self
    }

    /// Sets what it says in `config`; what does not fit is returned and not set.
    pub(super) fn apply(&self, config: &mut Config) -> Vec<Problem> {
        let mut env: Vec<_> = self.env.iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        env.sort();
        let from_env = env.into_iter().map(|(name, value)| {
            let path = name[PREFIX.len()..].replace("__", ".").to_ascii_lowercase();
            (path, value, Origin::Env(name.clone()))
        });
        let from_flags = self.flags.iter().map(|flag| {
            (flag.path.clone(), &flag.value, Origin::Flag(format!("{} {}", flag.flag, flag.value)))
        });
        let all: Vec<_> = from_env.chain(from_flags).collect();
        all.into_iter()
            .filter_map(|(path, value, origin)| override_one(config, &path, value, origin))
            .collect()
    }
}

/// What is wrong with the value; then it was not set.
fn override_one(config: &mut Config, path: &str, value: &str, origin: Origin) -> Option<Problem> {
    let file = config.file.clone();
    let found = match find(config, path) {
        Some((exact, section, key)) => set(section, &key, &Found::Text(value)).map(|()| exact),
        None => Err(Wrong::UnknownPath { meant: None }),
    };
    let outcome = found.map_err(|wrong| match wrong {
        Wrong::UnknownKey { .. } | Wrong::UnknownPath { .. } => {
            Wrong::UnknownPath { meant: nearest_path(config, path, &origin) }
        }
        wrong => wrong,
    });
    match outcome {
        Ok(exact) => {
            config.origins.insert(exact, origin);
            None
        }
        Err(wrong) => Some(Problem { file, origin, wrong }),
    }
}

/// The path as the config spells it, the section it leads to and the key in it.
fn find<'a>(config: &'a mut Config, path: &str) -> Option<(String, &'a mut dyn AnySection, String)> {
    let (table, key) = path.rsplit_once('.')?;
    if let Some(label) = LISTS.iter().find_map(|list| table.strip_prefix(list)?.strip_prefix('.')) {
        let list = &table[..table.len() - label.len() - 1];
        let (index, name) = labelled(config, list, label)?;
        return Some((format!("{list}.{name}.{key}"), config.listed(list, index)?, key.to_owned()));
    }
    Some((path.to_owned(), config.single(table)?, key.to_owned()))
}

/// The index and exact name of the node or keyspace that `label` means: letters in any case, other signs as `_`.
fn labelled(config: &Config, list: &str, label: &str) -> Option<(usize, String)> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '.'], "_");
    let names: Vec<&String> = if list == NodeConfig::NAME {
        config.nodes.iter().map(|node| &node.id).collect()
    } else {
        config.keyspaces.iter().map(|keyspace| &keyspace.name).collect()
    };
    let exact = names.iter().position(|name| *name == label);
    let index = exact.or_else(|| names.iter().position(|name| plain(name) == plain(label)))?;
    Some((index, names[index].clone()))
}

/// The nearest path there is, spelt as `origin` would spell it.
fn nearest_path(config: &mut Config, path: &str, origin: &Origin) -> Option<String> {
    let mut paths = Vec::new();
    for name in Config::section_names() {
        let keys = config.single(name).map(|section| section.keys()).unwrap_or_default();
        paths.extend(keys.iter().map(|info| format!("{name}.{}", info.name)));
    }
    for node in &config.nodes {
        paths.extend(
            <NodeConfig as Section>::keys().iter().map(|info| format!("node.{}.{}", node.id, info.name)),
        );
    }
    for keyspace in &config.keyspaces {
        paths.extend(
            <KeyspaceConfig as Section>::keys()
                .iter()
                .map(|info| format!("keyspace.{}.{}", keyspace.name, info.name)),
        );
    }
    let meant = nearest(path, paths.iter().map(String::as_str))?;
    Some(match origin {
        Origin::Env(_) => format!("{PREFIX}{}", meant.replace('.', "__").to_ascii_uppercase()),
        _ => meant,
    })
}
