//! A value as a history keeps it: enough to tell it from any other, and to show it if it is short.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::blob::{self, Written};

/// A value of at most so many bytes is kept as it is.
const SHOWN_BYTES_MAX: usize = 64;

/// A value; equal if length and xxh3 hash are.
#[derive(Clone, Debug)]
pub struct Value {
    hash: u64,
    bytes: u32,
    shown: Option<Box<[u8]>>,
}

impl Value {
    /// The value made of `bytes`.
    pub fn of(bytes: &[u8]) -> Value {
        let shown = (bytes.len() <= SHOWN_BYTES_MAX).then(|| bytes.into());
        Value { hash: xxh3_64(bytes), bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX), shown }
    }

    /// xxh3 of its bytes.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        (self.hash, self.bytes) == (other.hash, other.bytes)
    }
}

impl Eq for Value {}

/// The beginning of a short one, the hash of a long one.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS: usize = 24;
        let Some(bytes) = &self.shown else { return write!(f, "#{:016x} ({} bytes)", self.hash, self.bytes) };
        let text = bytes.escape_ascii().to_string();
        if text.len() <= CHARACTERS {
            write!(f, "{text:?}")
        } else {
            write!(f, "{:?}…", &text[..CHARACTERS])
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Some(shown) = &self.shown {
            return blob::write(shown, to);
        }
        let mut map = to.serialize_map(Some(2))?;
        map.serialize_entry("hash", &format!("{:016x}", self.hash))?;
        map.serialize_entry("bytes", &self.bytes)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        Ok(match blob::read(from)? {
            Written::Bytes(bytes) => Value::of(&bytes),
            Written::Hashed { hash, bytes } => Value { hash, bytes, shown: None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_written_as_they_are_and_long_ones_by_hash_and_both_are_read_back() {
        let long = vec![b'x'; SHOWN_BYTES_MAX + 1];
        for (bytes, json) in [
            (&b"hi \"x\""[..], "\"hi \\\"x\\\"\"".to_owned()),
            (&[0xff, 0x00][..], "{\"hex\":\"ff00\"}".to_owned()),
            (&long[..], format!("{{\"hash\":\"{:016x}\",\"bytes\":65}}", xxh3_64(&long))),
        ] {
            let value = Value::of(bytes);
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
        }
        for bad in [
            "7",
            "{\"hex\":\"f\"}",
            "{\"hex\":\"+f\"}",
            "{\"hash\":\"1\",\"bytes\":2}",
            "{\"hash\":\"0000000000000001\"}",
            "{}",
        ] {
            assert!(serde_json::from_str::<Value>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_of_equal_hash_but_other_length_differ() {
        let value = Value::of(b"a");
        let other = Value { bytes: 2, ..value.clone() };
        assert_ne!(value, other);
    }
}
