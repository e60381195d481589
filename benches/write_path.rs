//! Criterion benches of the write path.
fn main() {}
