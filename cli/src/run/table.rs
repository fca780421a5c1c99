//! Text in columns.

use std::iter;

/// Renders rows under a header. Each line is indented; the last column is aligned to the right.
pub(crate) fn render<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let header = header.map(str::to_owned);
    let lines = || iter::once(&header).chain(rows);
    let mut widths = [0; N];
    for (width, cell) in lines().flat_map(|row| (0..N).zip(row)) {
        widths[width] = widths[width].max(cell.chars().count());
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| {
            if column + 1 == N {
                format!("  {cell:>width$}")
            } else {
                format!("  {cell:<width$}")
            }
        });
        padded
            .chain(iter::once("\n".to_owned()))
            .collect::<String>()
    };
    lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ä", "10 B"], ["long name", "9 B"]].map(|row| row.map(str::to_owned));
        insta::assert_snapshot!(render(["NAME", "SIZE"], &rows), @r"
          NAME       SIZE
          ä          10 B
          long name   9 B
        ");
    }
}
