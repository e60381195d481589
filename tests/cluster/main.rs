//! Clusters of real `replica` processes: kill them, freeze them, start them again.

mod all_killed;
mod bad_input;
mod configs;
mod harness;
mod hints;
mod history;
mod kvctl;
mod one_killed;
