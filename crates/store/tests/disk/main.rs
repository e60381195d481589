//! Data directories: what is put in comes back, what cannot come back is refused by name.

#![allow(clippy::unwrap_used, clippy::case_sensitive_file_extension_comparisons)] // plain functions of a test

mod crash;
mod hint_crash;
mod hints;
mod recovery;
mod refusals;
mod support;
