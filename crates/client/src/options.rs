//! What one request asks for beyond its key and value.

use std::time::Duration;

use quorate_types::{KeyspaceId, Level, NodeId, Version};
use quorate_wire::ExpiryRequest;

/// Options of one request; the default is the cluster's defaults, no receipt, any coordinator, safe retries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub(crate) keyspace: Option<KeyspaceId>,
    pub(crate) level: Option<Level>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) coordinator: Option<NodeId>,
    pub(crate) receipt: Receipts,
    pub(crate) retry: Retries,
    pub(crate) expiry: ExpiryRequest,
    pub(crate) version: Option<Version>,
}

/// Whether the answer says who did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receipts {
    /// It does not.
    #[default]
    None,
    /// It does.
    Wanted,
}

/// Whether a request is sent again by the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// Where it is safe: nothing was sent, or it carries its version, or it reads.
    #[default]
    Safe,
    /// Never: the first outcome is the answer.
    Never,
}

impl Options {
    /// The keyspace of this name instead of `default`.
    #[must_use]
    pub fn keyspace(mut self, name: &str) -> Options {
        self.keyspace = Some(KeyspaceId::of_name(name));
        self
    }

    /// This level instead of the keyspace's default.
    #[must_use]
    pub fn level(mut self, level: Level) -> Options {
        self.level = Some(level);
        self
    }

    /// This long for the request with all its retries.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Options {
        self.deadline = Some(deadline);
        self
    }

    /// This node coordinates, no other.
    #[must_use]
    pub fn coordinator(mut self, node: NodeId) -> Options {
        self.coordinator = Some(node);
        self
    }

    /// With a receipt.
    #[must_use]
    pub fn with_receipt(mut self) -> Options {
        self.receipt = Receipts::Wanted;
        self
    }

    /// The first outcome is the answer, whatever it is.
    #[must_use]
    pub fn without_retries(mut self) -> Options {
        self.retry = Retries::Never;
        self
    }

    /// Puts: the value expires this long after the coordinator takes it.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Options {
        self.expiry = ExpiryRequest::TtlMs(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Puts: the value expires at this wall time, milliseconds since the Unix epoch.
    #[must_use]
    pub fn expires_at_ms(mut self, at_ms: u64) -> Options {
        self.expiry = ExpiryRequest::AtMs(at_ms);
        self
    }

    /// Puts and deletes: this is a retry of the write that was answered with this version. Give the absolute expiry
    /// that came with it, too.
    #[must_use]
    pub fn version(mut self, version: Version) -> Options {
        self.version = Some(version);
        self
    }
}
