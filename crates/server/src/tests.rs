//! Replicas in this process.

mod admin;
mod cluster;
mod disk_fault;
mod events;
mod give_back;
mod http;
mod log_failure;
mod metrics;
mod readiness;
mod recovering;
mod resp;
mod serving;
mod views;
