//! A section of the config: the macro that turns one declaration into the struct, its defaults, its documentation
//! and its reader. So there is one table, and it is the structs.

use std::fmt;

use super::setting::{Setting, Written};

/// One key of a section, as the reference and the error texts name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key's name.
    pub name: &'static str,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
    /// What a valid value looks like.
    pub expected: &'static str,
    /// Least and greatest value, as TOML.
    pub range: Option<(String, String)>,
    /// The default, as TOML.
    pub default: String,
}

/// A value that was found for a key, before it is known to fit.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// From the file: its TOML type, and its text without quotes.
    File(Kind, &'a str),
    /// From the environment or the command line, where everything is text.
    Text(&'a str),
}

/// The TOML type of a value, as an error names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// An integer.
    Integer,
    /// A boolean.
    Boolean,
    /// A number with a point.
    Float,
    /// A type that no key has; its name.
    Other(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Float => "float",
            Kind::Other(name) => name,
        })
    }
}

/// Why a value does not fit its key. The value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The section has no such key.
    NoSuchKey,
    /// The value is not of the key's type.
    NotOfType {
        /// What a valid value looks like.
        expected: &'static str,
    },
    /// The value lies outside the key's range.
    OutOfRange {
        /// The least valid value, as TOML.
        min: String,
        /// The greatest valid value, as TOML.
        max: String,
    },
}

/// A struct whose fields are the keys of one section.
pub trait Section: Default {
    /// The name in brackets.
    const NAME: &'static str;
    /// The documentation of the section, a line each.
    const DOC: &'static [&'static str];

    /// The keys, in the order of the struct.
    fn keys() -> Vec<KeyInfo>;
    /// Takes `found` for `key`, or says why not; then nothing has changed.
    fn set(&mut self, key: &str, found: &Found<'_>) -> Result<(), Unfit>;
    /// The value of `key`, as TOML.
    fn shown(&self, key: &str) -> Option<String>;
}

/// `found` as a `T`.
pub(super) fn typed<T: Setting>(found: &Found<'_>) -> Result<T, Unfit> {
    let unfit = Unfit::NotOfType { expected: T::EXPECTED };
    let text = match (found, T::WRITTEN) {
        (Found::Text(text), _)
        | (Found::File(Kind::String, text), Written::Text | Written::TextOrInteger)
        | (Found::File(Kind::Integer, text), Written::Integer | Written::TextOrInteger | Written::Number)
        | (Found::File(Kind::Float, text), Written::Number)
        | (Found::File(Kind::Boolean, text), Written::Boolean) => Some(*text),
        _ => None,
    };
    text.and_then(T::from_text).ok_or(unfit)
}

/// `value` if it lies between `min` and `max`.
pub(super) fn within<T: Setting + PartialOrd>(value: T, min: &T, max: &T) -> Result<T, Unfit> {
    if (min..=max).contains(&&value) {
        Ok(value)
    } else {
        Err(Unfit::OutOfRange { min: min.to_toml(), max: max.to_toml() })
    }
}

/// Declares a section; see `table.rs` for what it looks like.
macro_rules! section {
    (
        $(#[doc = $head:literal])*
        pub struct $Name:ident = $section:literal {
            $($(#[doc = $doc:literal])* $key:ident: $ty:ty = $default:expr $(, $min:expr => $max:expr)?;)*
        }
    ) => {
        $(#[doc = $head])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Name {
            $($(#[doc = $doc])* pub $key: $ty,)*
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::section::Section for $Name {
            const NAME: &'static str = $section;
            const DOC: &'static [&'static str] = &[$($head),*];

            fn keys() -> Vec<$crate::config::section::KeyInfo> {
                use $crate::config::setting::Setting;
                let defaults = Self::default();
                vec![$($crate::config::section::KeyInfo {
                    name: stringify!($key),
                    doc: &[$($doc),*],
                    expected: <$ty as Setting>::EXPECTED,
                    range: None$(.or(Some((<$ty as Setting>::to_toml(&$min), <$ty as Setting>::to_toml(&$max)))))?,
                    default: defaults.$key.to_toml(),
                }),*]
            }

            fn set(
                &mut self,
                key: &str,
                found: &$crate::config::section::Found<'_>,
            ) -> Result<(), $crate::config::section::Unfit> {
                match key {
                    $(stringify!($key) => {
                        let value: $ty = $crate::config::section::typed(found)?;
                        $(let value = $crate::config::section::within(value, &$min, &$max)?;)?
                        self.$key = value;
                    })*
                    _ => return Err($crate::config::section::Unfit::NoSuchKey),
                }
                Ok(())
            }

            fn shown(&self, key: &str) -> Option<String> {
                use $crate::config::setting::Setting;
                match key {
                    $(stringify!($key) => Some(self.$key.to_toml()),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use section;
