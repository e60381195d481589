//! Replicas in this process.

mod cluster;
mod disk_fault;
mod http;
mod log_failure;
mod metrics;
mod resp;
mod serving;
