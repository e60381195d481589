//! Bytes in JSON: a text where they are one, else `{"hex": …}`; a long value is `{"hash": …, "bytes": …}`.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};

/// What stood there.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    Bytes(Vec<u8>),
    Hashed { hash: u64, bytes: u32 },
}

/// Writes `bytes` as a text or as `{"hex": …}`.
pub fn write<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return to.serialize_str(text);
    }
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry("hex", &hex(bytes))?;
    map.end()
}

/// Reads whatever [`write`] writes, and hashes.
pub fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Written, D::Error> {
    from.deserialize_any(Any)
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, {\"hex\": …} or {\"hash\": …, \"bytes\": …}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Bytes(text.as_bytes().to_vec()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let (mut found, mut hash, mut length) = (None, None, None);
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "hex" => found = Some(unhex(&map.next_value::<String>()?).map_err(de::Error::custom)?),
                "hash" => hash = Some(number(&map.next_value::<String>()?).map_err(de::Error::custom)?),
                "bytes" => length = Some(map.next_value::<u32>()?),
                other => return Err(de::Error::unknown_field(other, &["hex", "hash", "bytes"])),
            }
        }
        match (found, hash, length) {
            (Some(bytes), None, None) => Ok(Written::Bytes(bytes)),
            (None, Some(hash), Some(bytes)) => Ok(Written::Hashed { hash, bytes }),
            _ => Err(de::Error::custom("either \"hex\" alone, or \"hash\" and \"bytes\"")),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    number.ok_or_else(|| format!("{text:?} is no hash of 16 hexadecimal digits"))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let pair = |pair: &[u8]| {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        Some((digit(pair[0])? << 4 | digit(*pair.get(1)?)?) as u8)
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| format!("{text:?} is not made of pairs of hexadecimal digits"))
}

/// serde of a [`quorate_types::Key`].
pub mod key {
    use quorate_types::Key;
    use serde::de::{Deserializer, Error};
    use serde::ser::Serializer;

    use super::Written;

    pub fn serialize<S: Serializer>(key: &Key, to: S) -> Result<S::Ok, S::Error> {
        super::write(key.as_ref(), to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        match super::read(from)? {
            Written::Bytes(bytes) => Key::new(bytes).map_err(D::Error::custom),
            Written::Hashed { .. } => Err(D::Error::custom("a key is written in full, not as a hash")),
        }
    }
}
