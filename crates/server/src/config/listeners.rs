//! Where a node listens for Redis clients, and with which levels.

use std::fmt;

use quorate_types::Level;

use super::setting::{Setting, Written};

/// One listener: `127.0.0.1:7379`, or `127.0.0.1:7378 read=ONE write=QUORUM`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RespListener {
    /// Where it listens, host:port.
    pub addr: String,
    /// Replicas that must answer a read; `None`: as the keyspace has it.
    pub read: Option<Level>,
    /// Replicas that must have a write on disk; `None`: as the keyspace has it.
    pub write: Option<Level>,
}

/// All of a node's, written with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RespListeners(pub Vec<RespListener>);

impl RespListener {
    fn from_text(text: &str) -> Option<RespListener> {
        let mut words = text.split_whitespace();
        let mut listener = RespListener { addr: words.next()?.to_owned(), ..RespListener::default() };
        for word in words {
            let (key, level) = word.split_once('=')?;
            let level = Some(level.parse().ok()?);
            match key {
                "read" if listener.read.is_none() => listener.read = level,
                "write" if listener.write.is_none() => listener.write = level,
                _ => return None,
            }
        }
        Some(listener)
    }
}

impl fmt::Display for RespListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.addr)?;
        for (key, level) in [("read", self.read), ("write", self.write)] {
            if let Some(level) = level {
                write!(f, " {key}={level}")?;
            }
        }
        Ok(())
    }
}

impl Setting for RespListeners {
    const EXPECTED: &'static str =
        "host:port, with levels if they are not the keyspace's: \"127.0.0.1:7379 read=ONE write=QUORUM\"";
    const WRITTEN: Written = Written::Text;

    fn from_text(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(RespListeners::default());
        }
        text.split(',').map(RespListener::from_text).collect::<Option<_>>().map(RespListeners)
    }

    fn to_toml(&self) -> String {
        let listeners: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        format!("\"{}\"", listeners.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_as_they_are_written_and_what_is_no_level_is_refused() {
        let text = "127.0.0.1:7379, h:7378 read=ONE write=3";
        let listeners = RespListeners::from_text(text).unwrap();
        assert_eq!(listeners.0[0], RespListener { addr: "127.0.0.1:7379".into(), ..RespListener::default() });
        assert_eq!((listeners.0[1].read, listeners.0[1].write), (Some(Level::One), Some(Level::Exactly(3))));
        assert_eq!(listeners.to_toml(), format!("\"{text}\""));
        assert_eq!(RespListeners::from_text("").unwrap().to_toml(), "\"\"");
        for bad in ["h:1 read=most", "h:1 read", "h:1 level=ONE", "h:1 read=ONE read=TWO", "h:1,"] {
            assert_eq!(RespListeners::from_text(bad), None, "{bad}");
        }
    }
}
