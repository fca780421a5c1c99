//! The lists of secrets, resources and leases.

use std::path::Path;

use kees_common::{
    Layout, Source,
    output::{self, Format, RenderError},
};
use zeroize::Zeroizing;

use super::named::Named;
use crate::{error::InitError, write::OutputFile};

/// The file of a list, and whether an entry is in it.
type List<'a> = (&'a Path, fn(&Source) -> bool);

/// Each list of the layout, or its errors. [`Format::Files`] has none.
pub(super) fn lists(
    layout: &Layout,
    named: &[Named<'_>],
) -> Vec<Result<OutputFile, Vec<InitError>>> {
    let is_secret = |source: &Source| matches!(source, Source::Secret(_));
    let is_resource = |source: &Source| matches!(source, Source::Resource(_));
    let is_lease = |source: &Source| matches!(source, Source::Lease(_));
    let lists: [List<'_>; 3] = [
        (&layout.secrets, is_secret),
        (&layout.resources, is_resource),
        (&layout.leases, is_lease),
    ];
    let file = |(path, holds): List<'_>| {
        let rows = named.iter().filter(|value| holds(&value.entry.source));
        let rows: Vec<_> = rows.collect();
        let content = list(layout.format, &rows).transpose()?;
        Some(content.map(|content| OutputFile {
            path: path.to_owned(),
            mode: None,
            is_salted: false,
            content,
        }))
    };
    lists.into_iter().filter_map(file).collect()
}

fn list(format: Format, rows: &[&Named<'_>]) -> Result<Option<Zeroizing<Vec<u8>>>, Vec<InitError>> {
    let render = |rows: &[&Named<'_>]| {
        let rows: Vec<_> = rows.iter().map(|row| row.pair()).collect();
        output::render(format, &rows)
    };
    render(rows).map_err(|first| {
        // Rendering stops at the first error. Render each value alone to report all errors.
        let single = |row: &&Named<'_>| Some(row.error(render(&[*row]).err()?));
        let errors: Vec<InitError> = rows.iter().filter_map(single).collect();
        if errors.is_empty() {
            vec![of_list(rows, first)]
        } else {
            errors
        }
    })
}

/// An error between two values, reported for the one that it names.
fn of_list(rows: &[&Named<'_>], source: RenderError) -> InitError {
    let name = source.name();
    match rows.iter().find(|row| row.name == name) {
        Some(row) => row.error(source),
        None => InitError::Output {
            annotation: name.to_owned(),
            source,
        },
    }
}
