//! What every manifest says: read from the files, because `cargo metadata` leaves it out.

use crate::{folders, toml_of};

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
