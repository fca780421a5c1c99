//! `kees put`: stores one value.

use kees_common::{Field, SecretType, SecretValue, StoragePath};
use kees_store::{
    Creation, IdempotencyToken, ReadStore as _, RetryBudget, Store,
    values::{ListStore as _, PutRequest, PutStore as _, retrying},
};

use super::{
    ask,
    error::ValueError,
    input,
    store::{Use, check_path, describe, with_store},
};
use crate::{
    args::values::PutArgs,
    terminal::{CommandOutput, count},
};

pub(crate) fn put(args: &PutArgs) -> CommandOutput {
    match stored(args) {
        Ok(message) => CommandOutput {
            stdout: message,
            ..CommandOutput::default()
        },
        Err(error) => error.into(),
    }
}

fn stored(args: &PutArgs) -> Result<String, ValueError> {
    let PutArgs {
        path,
        file,
        keep_line_break,
        overwrite: _,
        yes: _,
        store,
        value: misplaced,
    } = args;
    if misplaced.is_some() {
        return Err(ValueError::ValueIsArgument);
    }
    check_path(store.store, path)?;
    let value = input::read(file.as_deref(), *keep_line_break)?;
    with_store(store, Use::Write, async |store, budget| {
        put_value(args, store, budget, &value).await
    })?;
    let (size, store) = (count(value.len(), "byte"), describe(store));
    Ok(format!("stored {size} at {path} in {store}\n"))
}

async fn put_value(
    args: &PutArgs,
    store: &Store,
    mut budget: RetryBudget,
    value: &SecretValue,
) -> Result<(), ValueError> {
    let path = &args.path;
    let name = store.name();
    let mut overwrite = args.overwrite;
    if args.overwrite && !args.yes {
        let existing = retrying(name, &mut budget, || store.describe(path)).await?;
        overwrite = existing.is_some();
        if overwrite {
            ask::confirm(&question(name.as_str(), path))?;
        }
    }
    let request = PutRequest {
        path,
        value,
        overwrite,
        token: &IdempotencyToken::random()?,
    };
    match retrying(name, &mut budget, || store.put(&request)).await? {
        Creation::Created => Ok(()),
        Creation::Exists => Err(ValueError::Exists {
            store: name,
            path: path.clone(),
        }),
    }
}

fn question(store: &str, path: &StoragePath) -> String {
    format!(
        "{store} has a value at {path}{}. Replace it? Pods get the new one when they start.",
        field_note(path)
    )
}

/// A note for a path that ends as that of a field does.
pub(super) fn field_note(path: &StoragePath) -> &'static str {
    let fields = [SecretType::Rsa, SecretType::Gpg].map(SecretType::fields);
    let api_key = [Field::Consumer, Field::Provider];
    let mut fields = fields.into_iter().flatten().chain(&api_key);
    let (_, end) = path.as_str().rsplit_once('_').unwrap_or_default();
    if fields.any(|field| field.as_str() == end) {
        " (it may be one field of a generation, which has to fit the others)"
    } else {
        ""
    }
}
