//! The types a config value can have: how each is read from text and written back as TOML.
//!
//! Invariants:
//! - what [`Setting::to_toml`] writes, [`Setting::from_text`] and the file reader take back, unchanged;
//! - durations and sizes are strings with a unit (`"2s"`, `"64MiB"`), so that no reader has to guess one.

use std::time::Duration;

use quorate_types::{Level, number_with_unit};

/// Which TOML types a setting may be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// `"text"`.
    Text,
    /// `7`.
    Integer,
    /// `true`.
    Boolean,
    /// `"text"` or `7`.
    TextOrInteger,
    /// `7` or `0.5`.
    Number,
}

/// A type that a key of the config can have.
pub trait Setting: Clone + PartialEq {
    /// What a valid value looks like, for error texts: `a duration like "2s"`.
    const EXPECTED: &'static str;
    /// How it is written in TOML.
    const WRITTEN: Written;

    /// The value that `text` (without quotes) says, `None` if it says none.
    fn from_text(text: &str) -> Option<Self>;
    /// The value as TOML.
    fn to_toml(&self) -> String;
}

/// A number of bytes, written with a binary unit: `"4KiB"`, `"256MiB"`, `"1GiB"`, `"100B"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const DURATION_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The number in the largest unit that divides it.
fn in_largest_unit(value: u64, units: &[(&str, u64)], zero: &str) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(factor);
    units
        .iter()
        .find(fits)
        .map_or_else(|| zero.to_owned(), |(unit, factor)| format!("{}{unit}", value / factor))
}

impl ByteSize {
    /// `text` as a size, `None` if it is none: a number and one of B, KiB, MiB, GiB.
    pub fn from_text(text: &str) -> Option<ByteSize> {
        number_with_unit(text, &SIZE_UNITS).map(ByteSize)
    }
}

impl std::fmt::Display for ByteSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&in_largest_unit(self.0, &SIZE_UNITS, "0B"))
    }
}

/// `text` as a duration, `None` if it is none: a number and one of ns, us, ms, s, m, h.
pub fn duration_from_text(text: &str) -> Option<Duration> {
    number_with_unit(text, &DURATION_UNITS).map(Duration::from_nanos)
}

/// The duration as [`duration_from_text`] reads it.
pub fn duration_to_text(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    in_largest_unit(nanos, &DURATION_UNITS, "0s")
}

impl Setting for ByteSize {
    const EXPECTED: &'static str = "a size like \"64MiB\" (units B, KiB, MiB, GiB)";
    const WRITTEN: Written = Written::Text;

    fn from_text(text: &str) -> Option<Self> {
        ByteSize::from_text(text)
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration like \"2s\" (units us, ms, s, m, h)";
    const WRITTEN: Written = Written::Text;

    fn from_text(text: &str) -> Option<Self> {
        duration_from_text(text)
    }

    fn to_toml(&self) -> String {
        format!("\"{}\"", duration_to_text(*self))
    }
}

impl Setting for Level {
    const EXPECTED: &'static str =
        "a level: \"ONE\", \"TWO\", \"THREE\", \"QUORUM\", \"ALL\", \"LINEARIZABLE\" or a number";
    const WRITTEN: Written = Written::TextOrInteger;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> String {
        if let Level::Exactly(k) = self { k.to_string() } else { format!("\"{self}\"") }
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";
    const WRITTEN: Written = Written::Boolean;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

macro_rules! integer_setting {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            const EXPECTED: &'static str = "a whole number";
            const WRITTEN: Written = Written::Integer;

            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integer_setting!(u16, u32, u64, usize);

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";
    const WRITTEN: Written = Written::Number;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn to_toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";
    const WRITTEN: Written = Written::Text;

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

/// A path as it is written; relative ones are resolved against the config file's folder when the file is read.
impl Setting for std::path::PathBuf {
    const EXPECTED: &'static str = "a path";
    const WRITTEN: Written = Written::Text;

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }

    fn to_toml(&self) -> String {
        quoted(&self.display().to_string())
    }
}

/// `text` as a TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Declares a fieldless enum that is written as one of a few words.
macro_rules! word_setting {
    ($(#[$doc:meta])* pub enum $Name:ident { $($(#[$vdoc:meta])* $Variant:ident = $word:literal,)* } $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Name { $($(#[$vdoc])* $Variant,)* }

        impl $crate::config::setting::Setting for $Name {
            const EXPECTED: &'static str = $expected;
            const WRITTEN: $crate::config::setting::Written = $crate::config::setting::Written::Text;

            fn from_text(text: &str) -> Option<Self> {
                match text { $($word => Some($Name::$Variant),)* _ => None }
            }

            fn to_toml(&self) -> String {
                format!("\"{self}\"")
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $($Name::$Variant => $word,)* })
            }
        }
    };
}
pub(crate) use word_setting;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_durations_need_a_known_unit_and_no_space() {
        assert_eq!(ByteSize::from_text("256MiB"), Some(ByteSize(256 << 20)));
        assert_eq!(duration_from_text("3h"), Some(Duration::from_hours(3)));
        assert_eq!(duration_from_text("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "5", "MiB", "5 MiB", "5MB", "-1B", "99999999999GiB", "1.5GiB"] {
            assert_eq!(ByteSize::from_text(bad), None, "{bad}");
        }
        for bad in ["", "5", "h", "3 h", "3hours", "-2s", "9999999999999h"] {
            assert_eq!(duration_from_text(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in any::<u64>(), nanos in any::<u64>(), text in ".*") {
            let size = ByteSize(bytes).to_toml();
            prop_assert_eq!(ByteSize::from_text(size.trim_matches('"')), Some(ByteSize(bytes)));
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(duration_from_text(&duration_to_text(duration)), Some(duration));
            let line = format!("k = {}", text.to_toml());
            let table = toml::de::DeTable::parse(&line).unwrap().into_inner();
            prop_assert_eq!(table["k"].get_ref().as_str(), Some(text.as_str()));
        }
    }
}
