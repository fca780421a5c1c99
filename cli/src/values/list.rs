//! `kees list`: the paths below a prefix.

use kees_common::StoreName;
use kees_store::{
    RetryBudget,
    values::{Metadata, list_all},
};
use serde::Serialize;

use super::{
    error::ValueError,
    report::{ValueJson, printable, size},
    store::{Use, describe, with_store},
};
use crate::{
    args::{Output, values::ListArgs},
    json,
    run::table,
    terminal::{self, CommandOutput},
};

#[derive(Serialize)]
struct ListJson<'a> {
    store: &'static str,
    prefix: &'a str,
    values: Vec<ValueJson<'a>>,
}

pub(crate) fn list(args: &ListArgs) -> CommandOutput {
    let ListArgs {
        prefix,
        output,
        store,
    } = args;
    let timeout = store.settings.timeout.get();
    let listed: Result<_, ValueError> = with_store(store, Use::Read, async |store, _| {
        let budget = || RetryBudget::new(timeout);
        Ok(list_all(store, prefix, budget, |_| ()).await?)
    });
    let values = match listed {
        Ok(values) => values,
        Err(error) => return error.into(),
    };
    match output {
        Output::Json => CommandOutput {
            stdout: json::print(&ListJson {
                store: StoreName::as_str(store.store),
                prefix: prefix.as_str(),
                values: values.iter().map(ValueJson::from).collect(),
            }),
            ..CommandOutput::default()
        },
        Output::Table if values.is_empty() => CommandOutput {
            messages: vec![format!("{} has no value below {prefix}", describe(store))],
            ..CommandOutput::default()
        },
        Output::Table => {
            let rows: Vec<_> = values.iter().map(cells).collect();
            CommandOutput {
                stdout: table::render(
                    ["PATH", "CHANGED", "VERSION", "SIZE"],
                    &rows,
                    terminal::columns(),
                ),
                ..CommandOutput::default()
            }
        }
    }
}

fn cells(metadata: &Metadata) -> [String; 4] {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        printable(&metadata.name),
        or_none(&metadata.changed),
        or_none(&metadata.version),
        size(metadata.size),
    ]
}
