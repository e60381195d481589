//! Replicas in this process.

mod cluster;
mod disk_fault;
mod log_failure;
mod resp;
mod serving;
