//! An address that is taken before the node has anything to say there.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};

use quorate_transport::TransportError;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::StartError;

/// Connections that may wait to be taken; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// A listener of the system that no runtime has yet: who comes waits.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) local_addr: SocketAddr,
}

impl Bound {
    /// Listens at `addr`.
    pub(crate) fn at(addr: &str) -> Result<Bound, StartError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::AddressTaken { addr: addr.to_owned() },
            _ => StartError::Listen {
                addr: addr.to_owned(),
                source: TransportError::CannotListen { addr: addr.to_owned(), source },
            },
        };
        let listener = listen(addr).map_err(failed)?;
        let local_addr =
            listener.local_addr().map_err(|_| StartError::AddressUnknown { addr: addr.to_owned() })?;
        Ok(Bound { listener, local_addr })
    }
}

/// At the first of the addresses that `addr` stands for that can be had.
fn listen(addr: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "it stands for no address");
    for addr in addr.to_socket_addrs()? {
        match listen_at(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_at(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A node that was killed a moment ago may have left connections behind that still close.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
