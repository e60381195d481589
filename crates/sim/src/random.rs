//! Chance, in named streams: one for each source, so that taking one fault away does not reshuffle all others.
//!
//! A stream is a function of the seed, its name and its numbers alone: the third disk draws the same whatever the
//! second client did before.

pub use quorate_wal::testkit::SplitMix as Stream;

/// All streams of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of `seed`.
    pub fn new(seed: u64) -> Streams {
        Streams { seed }
    }

    /// The stream of this name and these numbers (a node, both ends of a link).
    pub fn stream(self, name: &str, of: &[u64]) -> Stream {
        Stream::new(self.number(name, of))
    }

    /// A seed for something that draws by itself.
    pub fn number(self, name: &str, of: &[u64]) -> u64 {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(of.iter().flat_map(|number| number.to_le_bytes()));
        xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, self.seed)
    }
}

/// One of `from`, which must not be empty.
pub fn pick<T: Copy>(draw: &mut Stream, from: &[T]) -> T {
    from[draw.below(from.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_name_and_number_and_by_nothing_else() {
        let first = |seed, name, of: &[u64]| Streams::new(seed).stream(name, of).bits();
        assert_eq!(first(1, "disk", &[2]), first(1, "disk", &[2]));
        let all =
            [first(1, "disk", &[2]), first(2, "disk", &[2]), first(1, "link", &[2]), first(1, "disk", &[3])];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_ne!(first(1, "link", &[1, 2]), first(1, "link", &[2, 1]));
    }
}
