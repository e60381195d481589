//! Keys out of a request: any bytes, decoded once and as bytes.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use quorate_types::Key;

use crate::problem::Problem;

/// base64url; padding is not written and may be there.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key that `bytes` are.
pub(crate) fn key(bytes: impl Into<Bytes>) -> Result<Bytes, Problem> {
    let key = Key::new(bytes).map_err(|invalid| Problem::bad("key-length", invalid.to_string()))?;
    Ok(key.into_bytes())
}

/// The key in a path, `prefix` taken off: percent-decoded to bytes, once.
pub(crate) fn in_path(path: &str, prefix: &str) -> Result<Bytes, Problem> {
    let raw = path.strip_prefix(prefix).unwrap_or_default();
    key(percent_decoded(raw.as_bytes(), Plus::Plain)?)
}

/// The key that was given as it is or as base64url, if it was given; not both.
pub(crate) fn one_of(plain: Option<&[u8]>, base64: Option<&[u8]>) -> Result<Option<Bytes>, Problem> {
    match (plain, base64) {
        (None, None) => Ok(None),
        (Some(plain), None) => key(plain.to_vec()).map(Some),
        (None, Some(text)) => from_base64(text).map(Some),
        (Some(_), Some(_)) => {
            Err(Problem::bad("key-twice", "key and key64 are both there: send one of them"))
        }
    }
}

/// The key that is written as base64url.
pub(crate) fn from_base64(text: &[u8]) -> Result<Bytes, Problem> {
    key(decoded(text, "key64")?)
}

/// The bytes that `text` is base64url of.
pub(crate) fn decoded(text: &[u8], name: &str) -> Result<Vec<u8>, Problem> {
    let wrong = |why| Problem::bad("bad-base64", format!("{name} is no base64url (A-Z a-z 0-9 - _): {why}"));
    BASE64URL.decode(text).map_err(wrong)
}

/// What a `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself: in paths.
    Plain,
    /// A space: in queries, as forms send them.
    Space,
}

/// The bytes that `raw` stands for. A `%` without two hexadecimal digits is refused: half of the tools mean it, the
/// other half forgot to encode it.
pub(crate) fn percent_decoded(raw: &[u8], plus: Plus) -> Result<Vec<u8>, Problem> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'%' => {
                let hex = rest.first_chunk::<2>().and_then(|digits| hex_byte(*digits));
                rest = rest.get(2..).unwrap_or_default();
                hex.ok_or_else(bad_percent)?
            }
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    Ok(decoded)
}

fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

fn bad_percent() -> Problem {
    Problem::rejected(
        StatusCode::BAD_REQUEST,
        "bad-percent-encoding",
        "a % must be followed by two hexadecimal digits; a % itself is written %25",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once_and_to_any_bytes() {
        assert_eq!(&in_path("/s/a%2Fb%00%ff+%2520", "/s/").unwrap()[..], b"a/b\0\xff+%20");
        assert_eq!(&in_path("/s//a//", "/s/").unwrap()[..], b"/a//");
        for bad in ["/s/", "/s/%", "/s/%f", "/s/%zz", "/s/%+1"] {
            assert_eq!(in_path(bad, "/s/").unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad}");
        }
    }

    #[test]
    fn base64url_comes_with_padding_or_without() {
        for text in ["_-4", "_-4="] {
            assert_eq!(&from_base64(text.as_bytes()).unwrap()[..], b"\xff\xee");
        }
        for bad in ["", "/+4=", "_", "ä"] {
            assert!(from_base64(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
