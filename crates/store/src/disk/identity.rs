//! Whose directory this is: the first file that a start writes, never changed after.

use std::path::{Path, PathBuf};

use bytes::BufMut;
use quorate_types::{ClusterId, NodeId};
use quorate_wal::Io;

use super::sealed::{self, Fields, Kind};
use crate::error::{Damage, DiskError};

const KIND: Kind = Kind { magic: *b"QRIDENT\n", version: 1 };

/// One node of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's number.
    pub cluster: ClusterId,
    /// The cluster's name; at most 65,535 bytes.
    pub cluster_name: String,
    /// The node's number.
    pub node: NodeId,
    /// The node's id in `cluster.toml`; at most 65,535 bytes.
    pub node_name: String,
}

impl Identity {
    /// The file's place in the data directory `dir`.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("identity")
    }

    /// The identity of `dir`; `None` if it has none.
    pub fn read(io: &dyn Io, dir: &Path) -> Result<Option<Identity>, DiskError> {
        let path = Identity::path(dir);
        let Some(payload) = sealed::read(io, &path, KIND)? else { return Ok(None) };
        let identity = Identity::decode(&payload);
        identity.map(Some).ok_or(DiskError::Corrupt { path, offset: 16, damage: Damage::Fields })
    }

    /// Makes `dir` this node's.
    pub(crate) fn publish(&self, io: &dyn Io, dir: &Path) -> Result<(), DiskError> {
        sealed::publish(io, &Identity::path(dir), KIND, &self.encode())
    }

    /// Refuses a directory that belongs to `found` unless that is this one.
    pub(crate) fn check(&self, dir: &Path, found: &Identity) -> Result<(), DiskError> {
        if (self.cluster, self.node) == (found.cluster, found.node) {
            return Ok(());
        }
        let (found, expected) = (Box::new(found.clone()), Box::new(self.clone()));
        Err(DiskError::OtherIdentity { dir: dir.into(), found, expected })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64_le(self.cluster.0);
        out.put_u32_le(self.node.0);
        for name in [&self.cluster_name, &self.node_name] {
            out.put_u16_le(name.len() as u16);
            out.put_slice(name.as_bytes());
        }
        out
    }

    fn decode(payload: &[u8]) -> Option<Identity> {
        let mut fields = Fields(payload);
        let (cluster, node) = (ClusterId(fields.u64()?), NodeId(fields.u32()?));
        let (cluster_name, node_name) = (fields.text()?, fields.text()?);
        fields.end(Identity { cluster, cluster_name, node, node_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_frozen_because_it_is_on_disk() {
        let identity = Identity {
            cluster: ClusterId(0x1122_3344_5566_7788),
            cluster_name: "ring".into(),
            node: NodeId(0xaabb_ccdd),
            node_name: "n1".into(),
        };
        let golden = include_bytes!("../../tests/golden/identity.bin");
        assert_eq!(sealed::seal(KIND, &identity.encode()), golden);
        assert_eq!(Identity::decode(&identity.encode()), Some(identity));
    }
}
