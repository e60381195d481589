//! replica
fn main() {}
