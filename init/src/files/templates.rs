//! The files that are rendered from templates.

use kees_common::{Layout, SecretValue, TemplateFile};
use kees_template::{TemplateValue, TemplateValues, render};

use super::named::Named;
use crate::{error::InitError, write::OutputFile};

/// The file of each template, or its error.
pub(super) fn rendered(
    layout: &Layout,
    templates: &[TemplateFile],
    named: &[Named<'_>],
) -> Vec<Result<OutputFile, InitError>> {
    if templates.is_empty() {
        return Vec::new();
    }
    let values = values(named);
    let file = |template: &TemplateFile| match render(&template.source, &values) {
        Ok(content) => Ok(OutputFile {
            path: layout.folder().join(template.name.as_str()),
            mode: None,
            is_salted: false,
            content,
        }),
        Err(source) => Err(InitError::Template {
            annotation: template.annotation.clone(),
            source,
        }),
    };
    templates.iter().map(file).collect()
}

/// The values of all entries. The members of an entry follow each other.
pub(crate) fn values(named: &[Named<'_>]) -> TemplateValues {
    let mut values = TemplateValues::default();
    // A previous value follows the current one, which has the same annotation.
    let of_one_entry = |a: &Named<'_>, b: &Named<'_>| std::ptr::eq(a.entry, b.entry);
    for of_entry in named.chunk_by(of_one_entry) {
        let members = of_entry
            .iter()
            .map(|value| Some((value.member()?, &*value.value)));
        let members: Option<Vec<(&str, &SecretValue)>> = members.collect();
        match (members, of_entry) {
            (Some(members), [first, ..]) => {
                values.add(first.entry, &TemplateValue::Members(members));
            }
            (None, [one, ..]) => values.add(one.entry, &TemplateValue::One(&one.value)),
            (_, []) => {}
        }
    }
    values
}
