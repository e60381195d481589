//! The tables, in Markdown.

use std::fmt::Write;

use super::{CASES, Fault, FlipCount};

/// What one contender made of everything.
pub struct Column {
    /// The contender.
    pub name: String,
    /// One cell per case.
    pub cells: Vec<String>,
    /// A sync that failed once.
    pub fault: Option<Fault>,
    /// The flips.
    pub flips: Option<FlipCount>,
}

impl Column {
    /// Without how many writers would share it: one alone writes here.
    fn title(&self) -> &str {
        self.name.split(" (").next().unwrap_or(&self.name)
    }
}

/// One row per case, one column per contender.
pub fn matrix_table(columns: &[Column]) -> String {
    let mut table = String::from("| damage |");
    for column in columns {
        let _ = write!(table, " {} |", column.title());
    }
    let _ = write!(table, "\n|---|{}", "---|".repeat(columns.len()));
    for (at, case) in CASES.iter().enumerate() {
        row(&mut table, case.label, columns.iter().map(|column| column.cells[at].clone()));
    }
    if columns.iter().any(|column| column.fault.is_some()) {
        let faults =
            columns.iter().map(|column| column.fault.as_ref().map_or(String::new(), Fault::to_string));
        row(&mut table, "a sync fails once", faults);
    }
    table + "\n"
}

fn row(table: &mut String, label: &str, cells: impl Iterator<Item = String>) {
    let _ = write!(table, "\n| {label} |");
    for cell in cells {
        let _ = write!(table, " {cell} |");
    }
}

/// One row per contender.
pub fn flips_table(columns: &[Column]) -> String {
    let mut table = String::from(
        "| | flips | stop | last record cut | unnoticed, harmless | **lost, called torn** | **lost silently** | \
         **altered, accepted** | **panics, hangs** |\n|---|---|---|---|---|---|---|---|---|",
    );
    for column in columns {
        let Some(count) = &column.flips else { continue };
        let counts = [
            count.flips,
            count.stopped,
            count.cut,
            count.unnoticed,
            count.lost_as_torn,
            count.lost_silently,
            count.accepted,
            count.broke,
        ];
        row(&mut table, column.title(), counts.iter().map(u64::to_string));
    }
    table + "\n"
}
