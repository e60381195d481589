//! Clusters of real `replica` processes: kill them, freeze them, start them again.

mod all_killed;
mod bad_input;
mod configs;
#[allow(dead_code, reason = "shared: not every test uses all of it")]
mod harness;
mod hints;
mod history;
mod kvctl;
mod logs;
mod one_killed;
