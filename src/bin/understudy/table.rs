//! Text in columns.
use std::io::Write;

/// Rows whose columns line up.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// With these headings.
    pub fn new(head: [&str; N]) -> Table<N> {
        Table { rows: vec![head.map(str::to_owned)] }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// On the standard output. A reader that has gone away (`| head`) is no error.
    pub fn print(&self) {
        let mut width = [0; N];
        for row in &self.rows {
            for (column, width) in row.iter().zip(&mut width) {
                *width = column.chars().count().max(*width);
            }
        }
        let mut out = std::io::stdout().lock();
        for row in &self.rows {
            let mut line = String::new();
            for (column, width) in row.iter().zip(width) {
                line.push_str(&format!("{column:width$}  "));
            }
            if writeln!(out, "{}", line.trim_end()).is_err() {
                return;
            }
        }
    }
}
