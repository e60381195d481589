//! The config as text: the sample file, the reference, and what is in force with where it comes from.

use super::section::KeyInfo;
use super::{AnySection, Config, KeyspaceConfig, NodeConfig, Origin, SINGLES};

/// One value that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `limits.request_deadline`, `node.n1.addr`.
    pub path: String,
    /// The value, as TOML.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Config {
    /// Every value in force, in the order of the sample file.
    pub fn shown(&self) -> Vec<Shown> {
        let mut copy = self.clone();
        let mut out = Vec::new();
        if let Some(cluster) = copy.single("cluster") {
            self.show_section(cluster, "cluster", &mut out);
        }
        for node in &mut copy.nodes {
            let path = format!("node.{}", node.id);
            self.show_section(node, &path, &mut out);
        }
        for keyspace in &mut copy.keyspaces {
            let path = format!("keyspace.{}", keyspace.name);
            self.show_section(keyspace, &path, &mut out);
        }
        for name in SINGLES.into_iter().filter(|name| *name != "cluster") {
            if let Some(section) = copy.single(name) {
                self.show_section(section, name, &mut out);
            }
        }
        out
    }

    fn show_section(&self, section: &dyn AnySection, path: &str, out: &mut Vec<Shown>) {
        for info in section.keys() {
            let path = format!("{path}.{}", info.name);
            let value = section.shown(info.name).unwrap_or_default();
            out.push(Shown { origin: self.origin(&path), path, value });
        }
    }
}

/// Every section with its documentation and keys, in the order of the sample file.
pub fn reference() -> Vec<(&'static str, &'static [&'static str], Vec<KeyInfo>)> {
    let mut config = Config::empty(None);
    let mut out = Vec::new();
    for name in SINGLES {
        if let Some(section) = config.single(name) {
            out.push((section.name(), section.doc(), section.keys()));
        }
    }
    let lists: [&dyn AnySection; 2] = [&NodeConfig::default(), &KeyspaceConfig::default()];
    out.splice(1..1, lists.map(|section| (section.name(), section.doc(), section.keys())));
    out
}

const HEAD: &str = "\
# A cluster of four replicas on one machine; every key lives on three of them.
#
#   replica --config cluster.toml --node n1        (and n2, n3, n4: one process each)
#   kvctl --config cluster.toml status
#
# Every key is listed. Those behind a `#` show their default; the others are set here.
# Over this file go environment variables (KV__LIMITS__REQUEST_DEADLINE=5s, KV__NODE__N1__ADDR=...), then flags.";

/// The sample `cluster.toml`: four nodes, n = 3, and every key with its documentation.
pub fn render_default() -> String {
    let mut out = vec![HEAD.to_owned()];
    for (name, doc, keys) in reference() {
        out.push(String::new());
        for line in doc {
            out.push(format!("#{line}"));
        }
        match name {
            "node" => render_nodes(&keys, &mut out),
            "keyspace" => render_table("[[keyspace]]", &keys, &["name", "n", "read", "write"], &mut out),
            "cluster" => render_table("[cluster]", &keys, &["name"], &mut out),
            _ => render_table(&format!("[{name}]"), &keys, &[], &mut out),
        }
    }
    out.push(String::new());
    out.join("\n")
}

/// A table; the keys in `set` are in force, the others commented out.
fn render_table(header: &str, keys: &[KeyInfo], set: &[&str], out: &mut Vec<String>) {
    out.push(header.to_owned());
    for info in keys {
        render_doc(info, out);
        let mark = if set.contains(&info.name) { "" } else { "# " };
        out.push(format!("{mark}{} = {}", info.name, info.default));
    }
}

fn render_doc(info: &KeyInfo, out: &mut Vec<String>) {
    for line in info.doc {
        out.push(format!("#{line}"));
    }
    let expected = info.expected;
    match &info.range {
        Some((min, max)) => out.push(format!("# ({expected}; {min} to {max})")),
        // What the value itself shows need not be said.
        None if matches!(expected, "a string" | "a path" | "true or false") => {}
        None => out.push(format!("# ({expected})")),
    }
}

/// The four nodes: the first with the documentation, the others bare.
fn render_nodes(keys: &[KeyInfo], out: &mut Vec<String>) {
    for k in 1..=4 {
        let values = [
            ("id", format!("\"n{k}\"")),
            ("addr", format!("\"127.0.0.1:{}\"", 7381 + 10 * (k - 1))),
            ("resp_addr", format!("\"127.0.0.1:{}\"", 7379 + 10 * (k - 1))),
            ("http_addr", format!("\"127.0.0.1:{}\"", 7380 + 10 * (k - 1))),
            ("data_dir", format!("\"data/n{k}\"")),
        ];
        out.push(if k == 1 { "[[node]]" } else { "\n[[node]]" }.to_owned());
        for info in keys {
            let value = values.iter().find(|(key, _)| *key == info.name);
            if k == 1 {
                render_doc(info, out);
            }
            match value {
                Some((key, value)) => out.push(format!("{key} = {value}")),
                None if k == 1 => out.push(format!("# {} = {}", info.name, info.default)),
                None => {}
            }
        }
    }
}
