//! The client against nodes that say what a test tells them to.

// A failure here is a failed test, wherever it happens.
#![allow(clippy::unwrap_used)]

mod deadlines;
mod fake;
mod retries;
mod routing;
mod scanning;
