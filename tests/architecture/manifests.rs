//! What every manifest says: read from the files, because `cargo metadata` leaves it out.

use crate::{folders, root, toml_of};

#[test]
fn no_library_takes_part_in_benches_by_itself() {
    for folder in folders() {
        let manifest = toml_of(format!("crates/{folder}/Cargo.toml"));
        let bench = manifest.get("lib").and_then(|lib| lib.get("bench")).and_then(toml::Value::as_bool);
        assert_eq!(
            bench,
            Some(false),
            "crates/{folder}: [lib] bench = false, else criterion's flags end in libtest"
        );
    }
}

#[test]
fn no_binary_takes_part_in_benches() {
    let manifest = toml_of("Cargo.toml");
    let binaries = manifest["bin"].as_array().unwrap();
    assert_eq!(binaries.len(), 2);
    for binary in binaries {
        assert_eq!(binary["bench"].as_bool(), Some(false), "{}", binary["name"]);
    }
}

#[test]
fn lints_edition_and_version_are_inherited_from_the_workspace() {
    for folder in folders() {
        let manifest = toml_of(format!("crates/{folder}/Cargo.toml"));
        let inherited =
            |value: &toml::Value| value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        assert!(manifest.get("lints").is_some_and(inherited), "crates/{folder}: [lints] workspace = true");
        for key in ["version", "edition", "rust-version", "license"] {
            let value = &manifest["package"][key];
            assert!(inherited(value), "crates/{folder}: {key}.workspace = true");
        }
    }
}

#[test]
fn a_crate_is_named_after_its_folder() {
    for folder in folders() {
        let manifest = toml_of(format!("crates/{folder}/Cargo.toml"));
        assert_eq!(manifest["package"]["name"].as_str(), Some(format!("quorate-{folder}").as_str()));
    }
}

#[test]
fn versions_of_others_are_named_once_for_the_workspace() {
    for folder in folders() {
        let manifest = toml_of(format!("crates/{folder}/Cargo.toml"));
        for (name, value) in
            manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flatten()
        {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
            assert!(inherited, "crates/{folder}: {name} = {{ workspace = true }}");
        }
    }
}

#[test]
fn the_packaged_description_of_the_logs_format_is_that_of_the_documents() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let formats = read("docs/formats.md");
    let (_, from) = formats.split_once("\n## WAL\n").unwrap();
    let section = from.split("\n## ").next().unwrap();
    let packaged = read("crates/wal/FORMAT.md");
    let (title, text) = packaged.split_once('\n').unwrap();
    assert_eq!(title, "# The format of a log on disk");
    assert_eq!(
        text,
        section.replace("\n### ", "\n## "),
        "crates/wal/FORMAT.md is the section WAL of docs/formats.md"
    );
}
