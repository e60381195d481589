//! `config`: reads and writes configurations; needs no cluster.

use std::path::{Path, PathBuf};

use quorate_server::config::{Config, ConfigError, Origin, Shown, Wrong, render_default};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cli::{ConfigVerb, Global};
use crate::endpoints::config_file;
use crate::exit::Exit;
use crate::table::{Side, Table};

/// Does what `verb` asks for.
pub fn run(verb: &ConfigVerb, global: &Global, here: &Path) -> Answer {
    let file = |named: &Option<PathBuf>| named.clone().or_else(|| config_file(global, here));
    match verb {
        ConfigVerb::PrintDefault => {
            let text = render_default();
            Answer::new(Exit::Ok, text.clone(), json!({ "verb": "config print-default", "toml": text }))
        }
        ConfigVerb::Check { file: named } => with_file(file(named), checked),
        ConfigVerb::Show { file: named, origin } => {
            with_file(file(named), if *origin { shown_with_origin } else { shown })
        }
    }
}

fn with_file(file: Option<PathBuf>, then: impl FnOnce(&Config) -> Answer) -> Answer {
    let Some(file) = file else {
        let note = "error: no configuration: there is no ./cluster.toml\n  \
                    try:   name one, or `kvctl config print-default > cluster.toml`\n";
        return Answer::new(Exit::Usage, "", json!({ "verb": "config", "result": "no_file" }))
            .with_note(note);
    };
    match Config::load(&file) {
        Ok(config) => then(&config),
        Err(error) => refused(&error),
    }
}

/// A configuration that can't be used, in words.
pub fn refused(error: &ConfigError) -> Answer {
    let mut note = format!("error: {}", error.to_string().replace('\n', "\nerror: "));
    note.push_str("\n  state: nothing was started, no data was touched\n");
    let problems: Vec<Value> = match error {
        ConfigError::Invalid { problems } => {
            problems.iter().map(|problem| problem_json(&problem.origin, &problem.wrong)).collect()
        }
        other => vec![json!({ "problem": other.to_string() })],
    };
    let fields = json!({ "verb": "config", "result": "invalid", "problems": problems });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}

fn problem_json(origin: &Origin, wrong: &Wrong) -> Value {
    let mut fields = json!({ "problem": wrong.to_string() });
    match origin {
        Origin::File { line, column } => {
            fields["line"] = json!(line);
            fields["column"] = json!(column);
        }
        Origin::Env(name) => fields["env"] = json!(name),
        Origin::Flag(flag) => fields["flag"] = json!(flag),
        Origin::Default => {}
    }
    fields
}

fn checked(config: &Config) -> Answer {
    let file = config.file().map_or_else(String::new, |file| file.display().to_string());
    let keyspaces: Vec<String> = config
        .keyspaces
        .iter()
        .map(|keyspace| {
            format!("{} (n={} r={} w={})", keyspace.name, keyspace.n, keyspace.read, keyspace.write)
        })
        .collect();
    let hash = format!("{:016x}", config.ring().hash());
    let text = format!(
        "ok  {file}: cluster {}, {} nodes, keyspaces {}, ring {hash}\n",
        config.cluster.name,
        config.nodes.len(),
        keyspaces.join(", ")
    );
    let fields = json!({
        "verb": "config check",
        "result": "valid",
        "cluster": config.cluster.name,
        "nodes": config.nodes.len(),
        "ring": hash,
    });
    Answer::new(Exit::Ok, text, fields)
}

fn shown(config: &Config) -> Answer {
    let mut table = Table::new(&[("KEY", Side::Left), ("VALUE", Side::Left)]);
    let row = |value: Shown| {
        table.row([value.path.clone(), value.value.clone()]);
        json!({ "key": value.path, "value": value.value })
    };
    let rows = config.shown().into_iter().map(row).collect();
    values_told(rows, &table)
}

fn shown_with_origin(config: &Config) -> Answer {
    let mut table = Table::new(&[("KEY", Side::Left), ("VALUE", Side::Left), ("ORIGIN", Side::Left)]);
    let row = |value: Shown| {
        let origin = value.origin.to_string();
        table.row([value.path.clone(), value.value.clone(), origin.clone()]);
        json!({ "key": value.path, "value": value.value, "origin": origin })
    };
    let rows = config.shown().into_iter().map(row).collect();
    values_told(rows, &table)
}

fn values_told(rows: Vec<Value>, table: &Table) -> Answer {
    Answer::new(Exit::Ok, table.render(), json!({ "verb": "config show", "values": rows })).with_rows(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(config: Option<PathBuf>) -> Global {
        Global {
            endpoints: Vec::new(),
            config,
            output: crate::cli::Format::Table,
            timeout: std::time::Duration::from_secs(2),
        }
    }

    #[test]
    fn a_good_file_is_ok_a_bad_one_names_all_problems_and_a_missing_one_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let check = ConfigVerb::Check { file: None };
        let none = run(&check, &global(None), dir.path());
        assert_eq!(none.exit, Exit::Usage);
        assert!(none.note.contains("kvctl config print-default > cluster.toml"), "{}", none.note);

        let file = dir.path().join("cluster.toml");
        std::fs::write(&file, render_default()).unwrap();
        let good = run(&check, &global(None), dir.path());
        assert_eq!(good.exit, Exit::Ok);
        assert!(
            good.text.contains("cluster demo, 4 nodes, keyspaces default (n=3 r=QUORUM w=QUORUM), ring ")
        );

        std::fs::write(&file, "[wal]\nsnyc = \"os\"\n").unwrap();
        let bad = run(&check, &global(None), dir.path());
        assert_eq!(bad.exit, Exit::Usage);
        assert_eq!(
            bad.note,
            format!(
                "error: {}:2:1: unknown key `snyc` in [wal]; did you mean `sync`?\n  \
                 state: nothing was started, no data was touched\n",
                file.display()
            )
        );
        assert_eq!(bad.json["problems"][0]["line"], json!(2));
    }

    #[test]
    fn show_says_where_each_value_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(
            &file,
            "[wal]\nsync = \"os\"\n[[node]]\nid = \"n1\"\naddr = \"h:1\"\n[[keyspace]]\nn = 1\n",
        )
        .unwrap();
        let answer = run(&ConfigVerb::Show { file: Some(file), origin: true }, &global(None), dir.path());
        let line = |key: &str| {
            answer
                .text
                .lines()
                .find(|line| line.starts_with(key))
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        assert_eq!(line("wal.sync "), ["wal.sync", "\"os\"", "file:2"]);
        assert_eq!(line("limits.requests_max"), ["limits.requests_max", "16384", "default"]);
    }
}
