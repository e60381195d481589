//! Writes the seeds of the corpora: every kind of log as its raw bytes, and each edit of each kind.
//! `cargo run --bin seeds`, in this folder.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use quorate_wal_fuzz::{EDITS, originals};

fn main() -> io::Result<()> {
    let mut written = 0;
    for (nth, files) in (0..).zip(originals()) {
        let mut raw = vec![0];
        for (path, bytes) in files.iter().take(5) {
            raw.extend(file(path, bytes));
        }
        let edited = (0..EDITS).map(|edit| vec![1, nth, edit, 1, 2, 130, 126, 0, 3, 8, 1, 2, 3, 4]);
        for (number, seed) in (0..).zip(edited.chain([raw, vec![1, nth]])) {
            for target in ["recover", "replay", "repair"] {
                write(target, &format!("seed-{nth}-{number:02}"), target_prefix(target), &seed)?;
                written += 1;
            }
        }
    }
    writeln!(io::stdout(), "{written} seeds")
}

/// What a target reads before the files.
fn target_prefix(target: &str) -> &'static [u8] {
    if target == "repair" { &[5] } else { &[] }
}

fn write(target: &str, name: &str, prefix: &[u8], seed: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), [prefix, seed].concat())
}

/// A file as an input has it: its role, its length, its bytes without the zeros at the end, checksums as they are.
fn file(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let index: u8 = name.get(..10).and_then(|digits| digits.parse().ok()).unwrap_or(1);
    let suffix = match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("new") => 2,
        Some("free") => 3,
        _ => 0,
    };
    let filled = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let length = (filled as u16).to_le_bytes();
    [&[(index.clamp(1, 5) - 1) << 2 | suffix][..], &length, &bytes[..filled], &[0]].concat()
}
