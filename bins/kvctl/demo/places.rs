//! Where a demo's data lives and which addresses it takes.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};

const PORT: u16 = 7381;
const RESP_PORT: u16 = 7379;
const HTTP_PORT: u16 = 7380;
/// Networks of 256 addresses that are tried before single ports.
const SUBNETS_TRIED: u32 = 64;

/// The folder of the data: kept, or removed when dropped.
pub struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// `named`, made if it is not there; else a new temporary one.
    pub fn open(named: Option<&Path>) -> io::Result<Folder> {
        if let Some(named) = named {
            std::fs::create_dir_all(named)?;
            return Ok(Folder { path: named.to_owned(), kept: true });
        }
        let pid = std::process::id();
        for count in 0.. {
            let path = std::env::temp_dir().join(format!("quorate-demo-{pid}-{count}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Folder { path, kept: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("some name is free")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_kept(&self) -> bool {
        self.kept
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Where one node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addrs {
    /// For nodes and kvctl.
    pub addr: String,
    /// For Redis clients.
    pub resp: String,
    /// For HTTP clients.
    pub http: String,
}

/// `count` nodes' addresses that are free now: the first of a loopback network of our own, else any ports of 127.0.0.1.
pub fn free_addrs(count: u8) -> io::Result<Vec<Addrs>> {
    let pid = std::process::id();
    let own = (0..SUBNETS_TRIED)
        .find_map(|step| free_in_subnet(pid.wrapping_mul(31).wrapping_add(step * 7), count));
    own.map_or_else(|| free_ports(count), Ok)
}

fn free_in_subnet(number: u32, count: u8) -> Option<Vec<Addrs>> {
    let (a, b) = ((number / 254 % 128 + 64) as u8, (number % 254 + 1) as u8);
    let at = |k, port| SocketAddrV4::new(Ipv4Addr::new(127, a, b, k), port);
    let is_free = |k| [PORT, RESP_PORT, HTTP_PORT].iter().all(|&port| TcpListener::bind(at(k, port)).is_ok());
    let addrs = |k| Addrs {
        addr: at(k, PORT).to_string(),
        resp: at(k, RESP_PORT).to_string(),
        http: at(k, HTTP_PORT).to_string(),
    };
    (1..=count).all(is_free).then(|| (1..=count).map(addrs).collect())
}

fn free_ports(count: u8) -> io::Result<Vec<Addrs>> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held: Vec<_> = (0..count).map(|_| Ok([bind()?, bind()?, bind()?])).collect::<io::Result<_>>()?;
    let addrs = |[addr, resp, http]: &[TcpListener; 3]| {
        let text = |listener: &TcpListener| listener.local_addr().map(|addr| addr.to_string());
        Ok(Addrs { addr: text(addr)?, resp: text(resp)?, http: text(http)? })
    };
    held.iter().map(addrs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_named_one_stays() {
        let temporary = Folder::open(None).unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir() && !temporary.is_kept());
        drop(temporary);
        assert!(!path.exists());

        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("a/b");
        drop(Folder::open(Some(&named)).unwrap());
        assert!(named.is_dir());
    }

    #[test]
    fn the_addresses_are_distinct_and_can_be_listened_on() {
        for addrs in [free_addrs(4).unwrap(), free_ports(4).unwrap()] {
            let distinct: std::collections::BTreeSet<_> = addrs.iter().collect();
            assert_eq!(distinct.len(), 4);
            for Addrs { addr, resp, http } in &addrs {
                assert!(addr != resp && addr != http && resp != http);
                for addr in [addr, resp, http] {
                    TcpListener::bind(addr).unwrap();
                }
            }
        }
    }
}
