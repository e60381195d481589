//! How numbers, times, keys and versions are written for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_types::{NodeId, Version};
use quorate_wire::RingView;
use serde_json::{Value, json};

/// `1234567` as `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the largest unit that leaves at least 1: `24 B`, `1.9 KiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A time that was measured: `740us`, `1.2ms`, `3.41s`.
pub fn elapsed(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        _ => format!("{:.2}s", us as f64 / 1e6),
    }
}

/// A time that passes: `38s`, `4m 10s`, `3h 5m`, `2d 4h`.
pub fn age(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m {}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h {}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// Microseconds in `duration`.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC with milliseconds. Days to date: Hinnant, `civil_from_days` (2014).
pub fn time(wall_ms: u64) -> String {
    let (days, ms) = (wall_ms / 86_400_000, wall_ms % 86_400_000);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:03}Z", ms % 1_000)
}

/// A key or value in a line of text: quoted, with what is not printable escaped.
pub fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", plain(bytes))
}

/// A key or value as a terminal may show it: printable text as it is, anything else escaped.
pub fn plain(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// A key or value in JSON: `{"utf8": …}`, or `{"base64": …}` where it is no text.
pub fn json_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "utf8": text }),
        Err(_) => json!({ "base64": base64(bytes) }),
    }
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize] as char;
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

/// The names of nodes by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<NodeId, String>);

impl Names {
    /// Those that a ring has.
    pub fn of(view: &RingView) -> Names {
        Names(view.nodes.iter().map(|node| (node.node, node.name.clone())).collect())
    }

    /// The node's id in the config, or its number.
    pub fn name(&self, node: NodeId) -> String {
        self.0.get(&node).cloned().unwrap_or_else(|| node.to_string())
    }

    /// Several names: `n1, n2`.
    pub fn list(&self, nodes: impl IntoIterator<Item = NodeId>) -> String {
        let names: Vec<String> = nodes.into_iter().map(|node| self.name(node)).collect();
        names.join(", ")
    }

    /// A version for people: when, which of that millisecond, by whom.
    pub fn version(&self, version: Version) -> String {
        let stamp = version.timestamp;
        format!("{}/{} {}", time(stamp.wall_ms()), stamp.counter(), self.name(version.node))
    }

    /// A version for programs.
    pub fn version_json(&self, version: Version) -> Value {
        let stamp = version.timestamp;
        json!({
            "time": time(stamp.wall_ms()),
            "wall_ms": stamp.wall_ms(),
            "counter": stamp.counter(),
            "node": self.name(version.node),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1024, 1_992_294].map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.9 MiB"]);
        assert_eq!([0, 740, 1_200, 3_410_000].map(elapsed), ["0us", "740us", "1.2ms", "3.41s"]);
        assert_eq!(
            [900, 38_000, 250_000, 11_100_000, 187_200_000].map(age),
            ["0s", "38s", "4m 10s", "3h 5m", "2d 4h"]
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(time(1_795_160_463_112), "2026-11-20T07:41:03.112Z");
        assert_eq!(time(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64_in_json_and_escaped_in_text() {
        assert_eq!(json_bytes(b"hi \"x\""), json!({ "utf8": "hi \"x\"" }));
        assert_eq!(json_bytes(&[0xff, 0x00]), json!({ "base64": "/wA=" }));
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
        assert_eq!(quoted(b"a\x1b[31m"), "\"a\\x1b[31m\"");
        assert_eq!(plain("grün".as_bytes()), "grün");
    }
}
