//! transport

#![forbid(unsafe_code)]

mod connection;
mod dialer;
mod error;
pub mod handshake;
pub mod memory;
mod redial;
mod tcp;

pub use connection::{Connection, Detached, FrameSink, FrameSource, Listener, Transport};
pub use dialer::{Dialer, Nudge};
pub use error::{SendError, TransportError};
pub use redial::{Redial, RedialOptions};
pub use tcp::{Tcp, TcpOptions};
