//! `kees show`: what a store says about a value and, if the user asks for it, the value.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use kees_common::SecretValue;
use kees_store::{
    ReadStore as _, RetryBudget, Store,
    values::{ListStore as _, Metadata, retrying},
};
use serde::Serialize;

use super::{
    error::ValueError,
    lease::LeaseReport,
    report::{ValueJson, printable, size},
    store::{Use, check_path, whole, with_store},
};
use crate::{
    args::{Output, values::ShowArgs},
    json,
    terminal::CommandOutput,
};

#[derive(Serialize)]
struct ShowJson<'a> {
    store: &'static str,
    #[serde(flatten)]
    value: ValueJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseReport>,
}

pub(crate) fn show(args: &ShowArgs) -> CommandOutput {
    let shown = if args.reveal {
        reveal(args)
    } else {
        describe(args)
    };
    match shown {
        Ok(stdout) => CommandOutput {
            stdout,
            ..CommandOutput::default()
        },
        Err(error) => error.into(),
    }
}

fn describe(args: &ShowArgs) -> Result<String, ValueError> {
    let ShowArgs {
        path,
        reveal: _,
        to_pipe: _,
        output,
        store: place,
    } = args;
    check_path(place.store, path)?;
    let (metadata, lease) = with_store(place, Use::Read, async |store, mut budget| {
        let found = retrying(store.name(), &mut budget, || store.describe(path)).await?;
        let metadata = found.ok_or_else(|| absent(args))?;
        let lease = LeaseReport::read(store, path, &mut budget).await?;
        Ok((metadata, lease))
    })?;
    Ok(match output {
        Output::Json => json::print(&ShowJson {
            store: place.store.as_str(),
            value: ValueJson::from(&metadata),
            lease,
        }),
        Output::Table => text(args, &metadata, lease),
    })
}

fn text(args: &ShowArgs, metadata: &Metadata, lease: Option<LeaseReport>) -> String {
    let Metadata {
        name,
        size: bytes,
        created,
        changed,
        version,
        kms_key,
        tags,
    } = metadata;
    let mut text = String::new();
    let mut line = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{label:<8} {}", printable(&value));
        }
    };
    line("path", Some(name.clone()));
    line("store", Some(args.store.store.to_string()));
    line("size", bytes.map(|bytes| size(Some(bytes))));
    line("created", created.clone());
    line("changed", changed.clone());
    line("version", version.clone());
    line("key", kms_key.clone());
    for (key, value) in tags {
        line("tag", Some(format!("{key}={value}")));
    }
    let LeaseReport {
        number,
        pod,
        namespace,
        uid,
        note,
    } = lease.unwrap_or_default();
    line("number", number);
    let namespace = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
    line("holder", pod.map(|pod| format!("{namespace}{pod}")));
    line("uid", uid);
    line("note", note.map(str::to_owned));
    text
}

fn absent(args: &ShowArgs) -> ValueError {
    ValueError::Absent {
        store: args.store.store,
        path: args.path.clone(),
    }
}

/// Prints the value: readable on a terminal, its bytes elsewhere.
fn reveal(args: &ShowArgs) -> Result<String, ValueError> {
    let is_terminal = io::stdout().is_terminal();
    if !is_terminal && !args.to_pipe {
        return Err(ValueError::NotATerminal);
    }
    check_path(args.store.store, &args.path)?;
    let value = with_store(&args.store, Use::Read, async |store, budget| {
        read(args, store, budget).await
    })?;
    let mut stdout = io::stdout().lock();
    let written = if is_terminal {
        stdout.write_all(readable(&value).as_bytes())
    } else {
        stdout.write_all(value.expose())
    };
    written
        .and_then(|()| stdout.flush())
        .map_err(ValueError::Write)?;
    Ok(String::new())
}

async fn read(
    args: &ShowArgs,
    store: &Store,
    mut budget: RetryBudget,
) -> Result<SecretValue, ValueError> {
    let locators = [whole(&args.path)];
    let read = async || store.read(&locators).await.pop().unwrap_or(Ok(None));
    let found = retrying(store.name(), &mut budget, read).await?;
    found.ok_or_else(|| absent(args))
}

/// The text of the value, without characters that would change the terminal, or its base64.
fn readable(value: &SecretValue) -> String {
    match value.expose_text() {
        Some(text) => {
            let lines: Vec<_> = text.split('\n').map(printable).collect();
            let note = if value.is_verbatim() {
                "(the stored text, which is not base64)\n"
            } else {
                ""
            };
            format!("{note}{}\n", lines.join("\n"))
        }
        None => format!(
            "(base64, because it is not text)\n{}\n",
            &*value.to_base64()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_change_the_terminal() {
        let value = SecretValue::new(b"a\x1b[2Jb\nc\td".to_vec());
        assert_eq!(readable(&value), "a\\u{1b}[2Jb\nc\\td\n");
        let bytes = SecretValue::new(vec![0, 255]);
        assert_eq!(readable(&bytes), "(base64, because it is not text)\nAP8=\n");
    }
}
