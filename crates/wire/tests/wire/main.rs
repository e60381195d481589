//! The wire format from outside: frozen bytes, laws, and what hostile bytes may cost.

mod bounded;
mod frames;
mod golden;
mod laws;
mod samples;
mod traced;
