//! The query of a request: every name is known, none comes twice.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Level};
use quorate_wire::ExpiryRequest;

use crate::key::{self, Plus, percent_decoded};
use crate::node::About;
use crate::problem::Problem;
use crate::retry::Retry;

/// Names that a store's reads take.
pub(crate) const READ: &[&str] = &["key", "key64", "level", "deadline", "keyspace"];
/// Names that writes take.
pub(crate) const WRITE: &[&str] =
    &["key", "key64", "level", "deadline", "keyspace", "ttl", "expires-at-ms", "version", "return"];

/// Names that deletes take.
pub(crate) const DELETE: &[&str] = &["key", "key64", "level", "deadline", "keyspace", "version", "return"];

/// Names that a scan takes.
pub(crate) const SCAN: &[&str] = &["prefix", "limit", "cursor", "level", "deadline", "keyspace"];
/// Names that a batch takes.
pub(crate) const BATCH: &[&str] = &["level", "deadline", "keyspace"];
/// Names that an operator's orders take.
pub(crate) const ADMIN: &[&str] = &[];
/// Names that the order to drain takes.
pub(crate) const DRAIN: &[&str] = &["confirm"];
/// Names that the order to log otherwise takes.
pub(crate) const LOG: &[&str] = &["filter"];
/// Names that the stream of events takes.
pub(crate) const EVENTS: &[&str] = &[];
/// Names that the views take.
pub(crate) const VIEW: &[&str] = &["deadline"];
/// Names that an explanation takes.
pub(crate) const EXPLAIN: &[&str] = &["key", "key64", "deadline", "keyspace"];

/// The decoded parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, Vec<u8>)>);

impl Params {
    /// The parameters in `query`; all of them must be in `known`.
    pub(crate) fn parse(query: Option<&str>, known: &[&str]) -> Result<Params, Problem> {
        let mut params = Params::default();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !known.contains(&name) {
                let others = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format!("there is no parameter {name:?} here; there are {others}");
                return Err(Problem::bad("unknown-parameter", detail));
            }
            if params.bytes(name).is_some() {
                return Err(Problem::bad("parameter-twice", format!("{name} is there twice")));
            }
            params.0.push((name.to_owned(), percent_decoded(value.as_bytes(), Plus::Space)?));
        }
        Ok(params)
    }

    /// The parameter's bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The parameter as text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| bad(name, "it is no UTF-8"));
        self.bytes(name).map(text).transpose()
    }

    /// The key in `?key=` or `?key64=`.
    pub(crate) fn key(&self) -> Result<Option<Bytes>, Problem> {
        key::one_of(self.bytes("key"), self.bytes("key64"))
    }

    /// The level.
    pub(crate) fn level(&self) -> Result<Option<Level>, Problem> {
        let level = |text: &str| text.parse().map_err(|invalid| bad("level", &format!("{invalid}")));
        self.text("level")?.map(level).transpose()
    }

    /// The keyspace, `about`'s default if none is named.
    pub(crate) fn keyspace(&self, about: &About) -> Result<KeyspaceId, Problem> {
        let name = self.text("keyspace")?.unwrap_or(&about.keyspace);
        if about.keyspaces.iter().any(|known| known == name) {
            return Ok(KeyspaceId::of_name(name));
        }
        let detail = format!("there is no keyspace {name:?}; there are {}", about.keyspaces.join(", "));
        Err(Problem::bad("unknown-keyspace", detail))
    }

    /// The time that the request may take, milliseconds; 0: as the node has it.
    pub(crate) fn deadline_ms(&self) -> Result<u32, Problem> {
        let Some(ms) = self.duration_ms("deadline")? else { return Ok(0) };
        Ok(u32::try_from(ms).unwrap_or(u32::MAX))
    }

    /// When a value shall expire.
    pub(crate) fn expiry(&self) -> Result<ExpiryRequest, Problem> {
        let at = self.number("expires-at-ms")?;
        match (self.duration_ms("ttl")?, at, self.bytes("version").is_some()) {
            (Some(_), _, true) => {
                Err(bad("ttl", "a retry with a version says expires-at-ms, from the first answer"))
            }
            (Some(_), Some(_), false) => {
                Err(bad("ttl", "ttl and expires-at-ms are both there: send one of them"))
            }
            (Some(ms), None, false) => Ok(ExpiryRequest::TtlMs(ms)),
            (None, Some(at), _) => Ok(ExpiryRequest::AtMs(at)),
            (None, None, _) => Ok(ExpiryRequest::Never),
        }
    }

    /// The first attempt, if the request is sent again.
    pub(crate) fn retry(&self) -> Result<Option<Retry>, Problem> {
        self.text("version")?.map(Retry::from_text).transpose()
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let number =
            |text: &str| text.parse().map_err(|_| bad(name, &format!("{text:?} is no whole number")));
        self.text(name)?.map(number).transpose()
    }

    fn duration_ms(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let wrong =
            || bad(name, &format!("{text:?} is no time of at least 1ms; write 200ms, 30s, 5m, 12h or 7d"));
        milliseconds(text).filter(|ms| *ms > 0).map(Some).ok_or_else(wrong)
    }
}

fn bad(name: &str, why: &str) -> Problem {
    Problem::bad("bad-parameter", format!("{name}: {why}")).with("parameter", name)
}

/// `200ms`, `30s`, `5m`, `12h`, `7d`.
fn milliseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    quorate_types::number_with_unit(text, &UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_fits() {
        assert_eq!(milliseconds("200ms"), Some(200));
        assert_eq!(milliseconds("7d"), Some(604_800_000));
        for bad in ["", "30", "s", "-1s", "1.5s", "30 s", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_unknown_or_there_twice_is_refused() {
        assert!(Params::parse(Some("level=one&key=a"), READ).is_ok());
        assert!(Params::parse(Some("levle=one"), READ).is_err());
        let nowhere = Params::parse(Some("levle=one"), EVENTS).unwrap_err().document();
        assert!(nowhere["detail"].as_str().unwrap().ends_with("there are none"));
        assert!(Params::parse(Some("level=one&level=two"), READ).is_err());
        let both = Params::parse(Some("key=a&key64=YQ"), READ).unwrap();
        assert!(both.key().is_err());
    }
}
