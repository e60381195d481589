//! What a retry names: the version of the first attempt, bound to what was attempted.
//!
//! Invariants:
//! - a write sent again under its first version is the same write: the text is refused beside any other keyspace, key,
//!   value or expiry, so that two values can't come under one version by a mistake;
//! - nothing is kept for it: the text carries a hash of the attempt, and any node can check it. It is no signature;
//!   whoever makes one up breaks the promise that equal versions are equal.
//!
//! Format: `VERSION~SEAL`, the seal as 16 hexadecimal digits: xxh3 (64 bits, seed 1) over 1 byte verb (1 put, 2 delete),
//! 4 keyspace, 4 length of the key, the key, 1 whether it expires, 8 when (wall milliseconds), the value; big-endian.

use quorate_types::{KeyspaceId, Version};
use quorate_wire::{ExpiryRequest, RequestBody};
use xxhash_rust::xxh3::Xxh3;

use crate::problem::Problem;

const SEED: u64 = 1;
const BETWEEN: char = '~';

/// A version that a client hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    version: Version,
    seal: u64,
}

impl Retry {
    /// The first attempt was stamped `version`, to expire at `expires_at_ms`.
    pub(crate) fn of(attempt: &RequestBody, version: Version, expires_at_ms: Option<u64>) -> Retry {
        Retry { version, seal: seal(attempt, expires_at_ms) }
    }

    /// The inverse of [`Retry::to_text`].
    pub(crate) fn from_text(text: &str) -> Result<Retry, Problem> {
        let parsed = || {
            let (version, seal) = text.split_once(BETWEEN)?;
            let digits = seal.len() == 16 && seal.bytes().all(|byte| byte.is_ascii_hexdigit());
            let seal = digits.then(|| u64::from_str_radix(seal, 16).ok())??;
            Some(Retry { version: version.parse().ok()?, seal })
        };
        let detail = format!(
            "version: {text:?} is none of an answer whose outcome was unknown; hand that one back whole \
             (1795160463112.0@1f2e3d4c~0123456789abcdef), or leave it out: the write gets a version of its own"
        );
        parsed().ok_or_else(|| Problem::bad("bad-parameter", detail).with("parameter", "version"))
    }

    pub(crate) fn to_text(self) -> String {
        format!("{}{BETWEEN}{:016x}", self.version, self.seal)
    }

    /// `again` under the version of the first attempt, if it is that attempt.
    pub(crate) fn resumes(self, mut again: RequestBody) -> Result<RequestBody, Problem> {
        if seal(&again, None) != self.seal {
            let detail = "version: it was given for another keyspace, key, value or expiry (expires-at-ms of the first \
                          answer), and one version never has two values; nothing was written. Send again exactly what \
                          was sent, or leave version out";
            return Err(Problem::bad("retry-differs", detail).with("parameter", "version"));
        }
        if let RequestBody::Put { version, .. } | RequestBody::Delete { version, .. } = &mut again {
            *version = Some(self.version);
        }
        Ok(again)
    }
}

/// The hash of what is attempted; `expires_at_ms` goes before what the request says, which may be a time to live.
fn seal(attempt: &RequestBody, expires_at_ms: Option<u64>) -> u64 {
    let (verb, place, expires_at_ms, value) = match attempt {
        RequestBody::Put { keyspace, key, value, expiry, .. } => {
            let at = expires_at_ms.or(match expiry {
                ExpiryRequest::AtMs(at) => Some(*at),
                _ => None,
            });
            (1, (*keyspace, &key[..]), at, &value[..])
        }
        RequestBody::Delete { keyspace, key, .. } => (2, (*keyspace, &key[..]), None, &b""[..]),
        // Can't be: nothing else is stamped.
        _ => (0, (KeyspaceId(0), &b""[..]), None, &b""[..]),
    };
    let (keyspace, key) = place;
    let mut hash = Xxh3::with_seed(SEED);
    hash.update(&[verb]);
    hash.update(&keyspace.0.to_be_bytes());
    hash.update(&(key.len() as u32).to_be_bytes());
    hash.update(key);
    hash.update(&[u8::from(expires_at_ms.is_some())]);
    hash.update(&expires_at_ms.unwrap_or_default().to_be_bytes());
    hash.update(value);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorate_types::{NodeId, Timestamp};

    use super::*;

    fn put(key: &'static str, value: &'static str, expiry: ExpiryRequest) -> RequestBody {
        let (keyspace, key, value) = (KeyspaceId::of_name("default"), Bytes::from(key), Bytes::from(value));
        RequestBody::Put { keyspace, key, value, level: None, expiry, version: None }
    }

    fn version() -> Version {
        Version::new(Timestamp::from_parts(1_795_160_463_112, 7), NodeId(0x1f2e_3d4c))
    }

    #[test]
    fn the_text_of_a_retry_is_frozen_and_comes_back_as_it_was() {
        let retry = Retry::of(&put("k", "v", ExpiryRequest::Never), version(), None);
        assert_eq!(retry.to_text(), "1795160463112.7@1f2e3d4c~c1e99cd754092fdc");
        assert_eq!(Retry::from_text(&retry.to_text()).unwrap(), retry);
        for bad in
            ["", "1795160463112.7@1f2e3d4c", "1.0@1~+123456789abcdef", "~0123456789abcdef", "1.0@00000001~0"]
        {
            assert!(Retry::from_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_retry_resumes_what_was_attempted_and_nothing_else() {
        let (at, ttl) = (ExpiryRequest::AtMs(9), ExpiryRequest::TtlMs(5));
        let retry = Retry::of(&put("k", "v", ttl), version(), Some(9));
        let RequestBody::Put { version: stamped, .. } = retry.resumes(put("k", "v", at)).unwrap() else {
            panic!("it stays a put")
        };
        assert_eq!(stamped, Some(version()));
        let delete = RequestBody::Delete {
            keyspace: KeyspaceId::of_name("default"),
            key: Bytes::from("k"),
            level: None,
            version: None,
        };
        for other in [
            put("k", "w", at),
            put("kv", "", at),
            put("l", "v", at),
            put("k", "v", ExpiryRequest::AtMs(8)),
            put("k", "v", ExpiryRequest::Never),
            delete,
        ] {
            assert!(retry.resumes(other.clone()).is_err(), "{other:?}");
        }
    }
}
