//! Text in columns.

use std::iter;

/// No column is made narrower than this.
const NARROWEST: usize = 8;

/// Renders rows under a header. Each line is indented; the last column is aligned to the right. If the
/// table is wider than `columns`, the widest cells are shortened.
pub(crate) fn render<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    columns: Option<usize>,
) -> String {
    let header = header.map(str::to_owned);
    let lines = || iter::once(&header).chain(rows);
    let mut widths = [0; N];
    for (width, cell) in lines().flat_map(|row| (0..N).zip(row)) {
        widths[width] = widths[width].max(cell.chars().count());
    }
    if let Some(columns) = columns {
        narrow(&mut widths, columns);
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| {
            let cell = shortened(cell, width);
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

/// Takes from the widest column until all fit.
fn narrow(widths: &mut [usize], columns: usize) {
    let spaces = 2 * widths.len();
    while widths.iter().sum::<usize>() + spaces > columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
}

/// `cell` without its middle, if it is wider than `width`: the beginning and the end of a path say most.
fn shortened(cell: &str, width: usize) -> String {
    let length = cell.chars().count();
    if length <= width {
        return cell.to_owned();
    }
    let end = width / 2;
    let beginning = width.saturating_sub(end + 1);
    let chars = || cell.chars();
    chars()
        .take(beginning)
        .chain(iter::once('…'))
        .chain(chars().skip(length - end))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ä", "10 B"], ["long name", "9 B"]].map(|row| row.map(str::to_owned));
        insta::assert_snapshot!(render(["NAME", "SIZE"], &rows, None), @r"
          NAME       SIZE
          ä          10 B
          long name   9 B
        ");
    }

    #[test]
    fn a_table_is_as_wide_as_it_may_be() {
        let path = "/prod/team-a/web/db-password";
        let rows = [["db-password", path, "9 B"]].map(|row| row.map(str::to_owned));
        let table = |columns| render(["NAME", "PATH", "SIZE"], &rows, Some(columns));
        insta::assert_snapshot!(table(40), @r"
          NAME         PATH                 SIZE
          db-password  /prod/tea…-password   9 B
        ");
        for columns in 26..60 {
            let table = table(columns);
            let widest = table.lines().map(|line| line.chars().count()).max();
            assert_eq!(widest, Some(columns.min(49)), "{table}");
        }
    }

    #[test]
    fn a_column_is_not_so_narrow_that_it_says_nothing() {
        let rows = [["a-long-name", "9 B"]].map(|row| row.map(str::to_owned));
        insta::assert_snapshot!(render(["NAME", "SIZE"], &rows, Some(1)), @r"
          NAME      SIZE
          a-l…name   9 B
        ");
    }
}
