//! A table as nodetool prints it: aligned columns, no borders.

/// Which side of a column its cells keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a head.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns, without rows.
    pub fn new(columns: &[(&'static str, Side)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns.len(), "a row has a cell for each column: {cells:?}");
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, a line for the head and each row, each with its end of line and without blanks before it.
    pub fn render(&self) -> String {
        let head: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let lines = std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| lines.clone().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        lines.clone().map(|row| self.line(row, &widths)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).zip(&self.columns).map(|((cell, width), (_, side))| {
            let blanks = " ".repeat(width - cell.chars().count());
            if *side == Side::Left { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
        });
        let cells: Vec<String> = cells.collect();
        format!("{}\n", cells.join("  ").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_left_numbers_keep_right_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&[("NODE", Side::Left), ("KEYS", Side::Right), ("WHY", Side::Left)]);
        table.row(["n1", "1,204", ""].map(str::to_owned));
        table.row(["node-ä", "7", "refused"].map(str::to_owned));
        assert_eq!(table.render(), "NODE     KEYS  WHY\nn1      1,204\nnode-ä      7  refused\n");
    }
}
