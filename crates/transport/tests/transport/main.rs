//! Connections from outside: what both transports promise, and what each has of its own.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its plain functions too")]

mod both;
mod common;
mod dialing;
mod memory;
mod tcp;
