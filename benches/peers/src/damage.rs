//! What damage does: a thousand acknowledged records, one damage, and the log opened again.
//!
//! 1. A log takes [`RECORDS`] records of [`PAYLOAD_BYTES`] bytes, each acknowledged as durable. Its files are copied
//!    while it is still open: that is what a crash of the process leaves.
//! 2. The payloads are looked for in the copy, so that the damage hits the same record of every log, whatever its format.
//! 3. One [`Case`] changes the copy. The log is opened anew, as its crate wants it, and hands over what it finds.
//! 4. What came is compared with what was acknowledged ([`judge`]). Nothing about an outcome is known beforehand.

mod case;
mod flips;
mod image;
mod outcome;
mod probe;
mod sync_failure;
mod table;

pub use case::{CASES, Case, Damage, Hit};
pub use flips::{FlipCount, FlipPlan, flip};
pub use image::{Image, Layout};
pub use outcome::{Outcome, Record, Seen, judge};
pub use probe::{Specimen, Workshop, keep_panics_of_probes_quiet};
pub use sync_failure::{Fault, append_under_fault, inject};
pub use table::{Column, flips_table, matrix_table};

/// Records acknowledged before the damage.
pub const RECORDS: usize = 1000;
/// Bytes of each.
pub const PAYLOAD_BYTES: usize = 100;
