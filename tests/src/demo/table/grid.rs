//! Columns: the first to the left, all others to the right.

use std::fmt;

/// Rows of cells.
#[derive(Debug)]
pub(super) struct Grid {
    columns: usize,
    /// A row without cells is a rule.
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(header: &[&str]) -> Self {
        let columns = header.len();
        let mut grid = Self {
            columns,
            rows: vec![],
        };
        grid.row(header.iter().map(|title| (*title).to_owned()).collect());
        grid.rule();
        grid
    }

    /// Adds a row; missing cells are empty.
    pub(super) fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns, String::new());
        self.rows.push(cells);
    }

    /// Adds a line across.
    pub(super) fn rule(&mut self) {
        self.rows.push(vec![]);
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.columns).map(width).collect()
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let whole = widths.iter().sum::<usize>() + 2 * (self.columns - 1);
        for row in &self.rows {
            if row.is_empty() {
                writeln!(f, "{}", "─".repeat(whole))?;
                continue;
            }
            let mut line = format!("{:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line += &format!("  {cell:>width$}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn columns_stand_below_each_other() {
        let mut grid = Grid::new(&["", "µs", "lost"]);
        grid.row(vec!["one".into(), "1,000".into(), "0".into()]);
        grid.row(vec!["three".into(), "5".into()]);
        let expected = "          µs  lost\n──────────────────\none    1,000     0\nthree      5\n";
        assert_eq!(grid.to_string(), expected);
    }
}
