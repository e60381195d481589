//! A log's files in memory, to be damaged and written elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The files of a directory.
#[derive(Clone)]
pub struct Image {
    files: BTreeMap<PathBuf, FileImage>,
}

/// A file: most logs fill theirs with zeros beforehand, so the zeros at its end are only counted.
#[derive(Clone)]
struct FileImage {
    bytes: Vec<u8>,
    len: u64,
}

/// Where the records lie.
pub struct Layout {
    /// The one file they lie in.
    pub file: PathBuf,
    /// The offset of each payload.
    pub payloads: Vec<usize>,
    /// Bytes of each payload.
    pub payload_bytes: usize,
}

impl Layout {
    /// Behind the last payload.
    pub fn end(&self) -> usize {
        self.payloads.last().map_or(0, |last| last + self.payload_bytes)
    }

    /// The record to which the byte at `offset` belongs: its payload, or what stands before it.
    pub fn owner(&self, offset: usize) -> usize {
        self.payloads.partition_point(|payload| payload + self.payload_bytes <= offset)
    }

    /// From behind the record before to the end of this one.
    pub fn span(&self, record: usize) -> std::ops::RangeInclusive<usize> {
        let from = record.checked_sub(1).map_or(0, |before| self.payloads[before] + self.payload_bytes);
        from..=self.payloads[record] + self.payload_bytes
    }
}

impl Image {
    /// Copies all files below `dir`.
    pub fn of(dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        gather(dir, Path::new(""), &mut files)?;
        Ok(Self { files })
    }

    /// Writes the files into `dir`, which must be empty.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (name, image) in &self.files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            let mut file = File::create(path)?;
            file.write_all(&image.bytes)?;
            file.set_len(image.len)?;
        }
        Ok(())
    }

    /// Finds the payloads; each must be in there once, all in one file, in order.
    pub fn layout<'a>(&self, payloads: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Layout> {
        let payload_bytes = payloads.clone().next().context("no payload to look for")?.len();
        let mut found = None;
        for (name, image) in &self.files {
            let places: Vec<usize> =
                payloads.clone().filter_map(|payload| find(&image.bytes, payload)).collect();
            if !places.is_empty() {
                ensure!(found.is_none(), "the payloads lie in more than one file");
                found = Some(Layout { file: name.clone(), payloads: places, payload_bytes });
            }
        }
        let layout = found.context("no payload was found in the log's files: are they compressed?")?;
        let sought = payloads.count();
        ensure!(layout.payloads.len() == sought, "{} of {sought} payloads found", layout.payloads.len());
        ensure!(layout.payloads.is_sorted(), "the payloads do not lie in order");
        Ok(layout)
    }

    /// Changes the bytes of a file, to its last byte that is not zero.
    pub fn change(&mut self, file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let image = self.files.get_mut(file).with_context(|| format!("no file {}", file.display()))?;
        let (was, is_filled) = (image.bytes.len(), image.bytes.len() as u64 == image.len);
        change(&mut image.bytes);
        if is_filled {
            image.len = image.len.min(image.bytes.len() as u64);
        }
        ensure!(image.bytes.len() <= was, "damage makes no file longer");
        Ok(())
    }
}

fn gather(root: &Path, below: &Path, files: &mut BTreeMap<PathBuf, FileImage>) -> Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            gather(root, &name, files)?;
        } else {
            let mut bytes = fs::read(entry.path())?;
            let len = bytes.len() as u64;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used);
            files.insert(name, FileImage { bytes, len });
        }
    }
    Ok(())
}

/// Where `needle` begins; payloads are random, so that their first eight bytes rule nearly all places out.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let head = needle.first_chunk::<8>()?;
    bytes.windows(needle.len()).position(|window| window.starts_with(head) && window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: &[u8], len: u64) -> Image {
        let file = FileImage { bytes: bytes.to_vec(), len };
        Image { files: BTreeMap::from([(PathBuf::from("log"), file)]) }
    }

    #[test]
    fn payloads_are_found_where_they_lie_and_every_byte_belongs_to_a_record() {
        let layout = image(b"head12345678mid87654321", 100)
            .layout([&b"12345678"[..], b"87654321"].into_iter())
            .unwrap();
        assert_eq!(layout.payloads, [4, 15]);
        assert_eq!([0, 4, 11, 12, 15, 22].map(|at| layout.owner(at)), [0, 0, 0, 1, 1, 1]);
        assert_eq!(layout.span(1), 12..=23);
        assert_eq!(layout.end(), 23);
    }

    #[test]
    fn a_file_that_was_cut_is_shorter_and_one_filled_with_zeros_keeps_its_length() {
        for (len, expected) in [(6, 3), (10, 10)] {
            let mut image = image(b"abcdef", len);
            image.change(Path::new("log"), |bytes| bytes.truncate(3)).unwrap();
            let dir = tempfile::tempdir().unwrap();
            image.write(dir.path()).unwrap();
            let bytes = fs::read(dir.path().join("log")).unwrap();
            assert_eq!(bytes.len(), expected);
            assert_eq!(&bytes[..3], b"abc");
            assert!(bytes[3..].iter().all(|byte| *byte == 0));
        }
    }
}
