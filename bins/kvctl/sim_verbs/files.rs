//! The files that `sim` makes, and the plans that it reads.
//!
//! Invariants: nothing that is there is overwritten; files are made before anything is run, and all or none of them.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::refusal::Refusal;

/// The largest plan that is read.
const PLAN_BYTES_MAX: u64 = 64 << 20;

/// Makes these files, each for a flag.
pub fn make(wanted: &[(&str, &Path)]) -> Result<Vec<File>, Refusal> {
    let mut made = Vec::new();
    for (flag, path) in wanted {
        if let Some((other, _)) = wanted.iter().find(|(other, same)| other != flag && same == path) {
            return Err(Refusal::new(format!("{other} and {flag} are one file, {}", path.display()))
                .try_this("a file for each"));
        }
    }
    for (at, (flag, path)) in wanted.iter().enumerate() {
        match File::create_new(path) {
            Ok(file) => made.push(file),
            Err(error) => {
                wanted[..at].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
                return Err(not_made(flag, path, &error));
            }
        }
    }
    Ok(made)
}

fn not_made(flag: &str, path: &Path, error: &io::Error) -> Refusal {
    let advice = match error.kind() {
        io::ErrorKind::AlreadyExists => "another name, or remove it: nothing that is there is overwritten",
        io::ErrorKind::NotFound => "a directory that is there",
        _ => "a place where you may write",
    };
    Refusal::new(format!("{flag} {}: {error}", path.display())).try_this(advice)
}

/// The text of the plan in a file.
pub fn plan_text(name: &str) -> Result<String, Refusal> {
    let unread = |why: &dyn std::fmt::Display| {
        Refusal::new(format!("{name} is no scenario, and as a file: {why}"))
            .try_this("`kvctl sim list` shows the scenarios; docs/simulation.md describes the files of plans")
    };
    let mut text = String::new();
    let file = File::open(name).map_err(|error| unread(&error))?;
    file.take(PLAN_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unread(&error))?;
    if text.len() as u64 > PLAN_BYTES_MAX {
        return Err(unread(&format!("it has more than {PLAN_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_all_or_none_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("there"), "precious").unwrap();
        let (new, there) = (path("new"), path("there"));
        let refused = make(&[("--events", &new), ("--history", &there)]).unwrap_err().answer().note;
        assert!(refused.contains("--history") && refused.contains("there: File exists"), "{refused}");
        assert!(refused.contains("state: nothing was run") && refused.contains("another name"), "{refused}");
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(there).unwrap(), "precious");
        assert_eq!(make(&[("--events", &new)]).unwrap().len(), 1);
    }

    #[test]
    fn one_file_for_two_flags_is_refused() {
        let same = Path::new("same.jsonl");
        let refused = make(&[("--events", same), ("--history", same)]).unwrap_err().answer().note;
        assert!(refused.starts_with("error: --history and --events are one file, same.jsonl\n"), "{refused}");
        assert!(!same.exists());
    }
}
