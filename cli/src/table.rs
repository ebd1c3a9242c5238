//! Columns of text.

use std::io::{self, Write};

/// Rows whose columns are as wide as they have to be; numbers stand on the right.
pub(crate) struct Table<const N: usize> {
    is_right: [bool; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Headings; one that begins with `>` is of a column that stands on the right.
    pub(crate) fn new(headings: &[&str; N]) -> Self {
        let is_right = headings.map(|heading| heading.starts_with('>'));
        let first = headings.map(|heading| heading.trim_start_matches('>').to_owned());
        Table { is_right, rows: vec![first] }
    }

    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let width = |column: usize| {
            let widths = self.rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: [usize; N] = std::array::from_fn(width);
        for row in &self.rows {
            let mut line = String::new();
            for (column, text) in row.iter().enumerate() {
                let width = widths[column];
                let padded = if self.is_right[column] {
                    format!("{text:>width$}  ")
                } else {
                    format!("{text:<width$}  ")
                };
                line.push_str(&padded);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let mut table = Table::new(&[">ID", "NAME", "END"]);
        table.row(["7".to_owned(), "a longer name".to_owned(), String::new()]);
        table.row(["1000".to_owned(), "b".to_owned(), "c".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  ID  NAME           END\n   7  a longer name\n1000  b              c\n");
    }
}
