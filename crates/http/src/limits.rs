//! What bounds one node's HTTP clients. Names are those of the configuration's section `http`.

use std::time::Duration;

/// Headers of one request; more are answered 431. No key of the configuration: nobody has needed another.
pub(crate) const HEADERS_MAX: usize = 100;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections; one more is told 503 and closed.
    pub connections_max: usize,
    /// Requests under way; one more is answered 429.
    pub requests_max: usize,
    /// Bytes of a request's line and headers, as `name: value` lines; more is answered 431.
    pub head_bytes_max: usize,
    /// Bytes of a body; more is answered 413.
    pub body_bytes_max: usize,
    /// Bytes of all bodies under way; a body that does not fit is answered 429 before it is read.
    pub bodies_bytes_max: usize,
    /// Time for a whole head, silence between two requests included.
    pub head_timeout: Duration,
    /// Time for a whole body.
    pub body_timeout: Duration,
    /// Time in which a client takes at least something of an answer.
    pub write_timeout: Duration,
    /// Streams of events; one more is answered 429.
    pub subscribers_max: usize,
    /// Time after which a stream of events on which nothing happens says so.
    pub heartbeat_every: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 4096,
            requests_max: 4096,
            head_bytes_max: 64 << 10,
            body_bytes_max: 8 << 20,
            bodies_bytes_max: 256 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            subscribers_max: 64,
            heartbeat_every: Duration::from_secs(10),
        }
    }
}
