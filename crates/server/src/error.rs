//! Why a replica does not start, or did not end as it should.

use std::io;
use std::path::PathBuf;

use quorate_store::DiskError;
use quorate_transport::TransportError;
use thiserror::Error;

/// Why a replica did not start. Nothing is listening, the data directory is as it was, its lock is free again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration has no such node.
    #[error("the configuration has no node {node:?}; it has {}", known.join(", "))]
    NoSuchNode {
        /// The node asked for.
        node: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Somebody else listens there.
    #[error("the address {addr} is taken by another process")]
    AddressTaken {
        /// The address.
        addr: String,
    },
    /// It is not possible to listen there.
    #[error("can't listen on {addr}")]
    Listen {
        /// The address.
        addr: String,
        /// Why.
        source: TransportError,
    },
    /// The data directory is locked, another's, or damaged. Nothing in it was overwritten.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The transport can't say where it listens.
    #[error("listening on {addr}, but the system does not say where that is")]
    AddressUnknown {
        /// The address asked for.
        addr: String,
    },
    /// The file of the password for Redis clients can't be read, or has none.
    #[error("can't read a password from {} (resp.password_file)", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime could not be started.
    #[error("can't start a thread")]
    Thread(#[source] io::Error),
}
