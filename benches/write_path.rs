//! What each step of a write costs: `cargo bench --bench write_path`, once through in `cargo test --benches`.
//!
//! Names say the parameters (`wal/append/sync=always/writers=8/payload=256`). Every bench checks what it measured:
//! that what was encoded decodes, that what was appended is durable, that a write was acknowledged by a quorum and
//! that all replicas hold the same afterwards. `benches/RESULTS.md` has the figures.

mod write_path {
    pub(crate) mod cluster;
    pub(crate) mod coordinate;
    pub(crate) mod encode;
    pub(crate) mod holding;
    pub(crate) mod log;
    pub(crate) mod quorum;
    pub(crate) mod samples;
}

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    write_path::encode::benches(&mut criterion);
    write_path::holding::benches(&mut criterion);
    write_path::coordinate::benches(&mut criterion);
    write_path::log::benches(&mut criterion);
    write_path::quorum::benches(&mut criterion);
    criterion.final_summary();
}
