//! Files that one can hold in one's head. Functions are clippy's matter (`too_many_lines`).

use std::path::{Path, PathBuf};

use crate::root;

/// Lines of code of one file, without comments, blank lines and inline tests.
const LINES_MAX: usize = 500;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn lines_of_code(text: &str) -> usize {
    let before_tests = text.lines().take_while(|line| *line != "#[cfg(test)]");
    before_tests.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn no_file_has_more_than_500_lines_of_code() {
    let mut files = Vec::new();
    for folder in ["crates", "bins", "tests", "benches"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "only {} files found", files.len());
    for file in files {
        let lines = lines_of_code(&std::fs::read_to_string(&file).unwrap());
        assert!(lines <= LINES_MAX, "{} has {lines} lines of code: look for a seam", file.display());
    }
}

#[test]
fn comments_blank_lines_and_inline_tests_do_not_count() {
    let text = "//! head\n\nfn a() {\n    // why\n    b();\n}\n#[cfg(test)]\nmod tests {}\n";
    assert_eq!(lines_of_code(text), 3);
}
