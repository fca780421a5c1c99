//! `kees rotate`: replaces a secret by a new generation, or removes the generation before it.

mod kind;

use kees_common::{Generation, Spec, StoragePath, StoreName};
use kees_init::Generator;
use kees_store::{
    ReadStore as _, RetryBudget, Store,
    rotation::{self, RotateError, RotateStore as _, Rotated},
    values::retrying,
};

use super::{
    ask,
    error::ValueError,
    store::{Use, check_path, describe, with_store},
};
use crate::{args::values::RotateArgs, terminal::CommandOutput};

pub(crate) fn rotate(args: &RotateArgs) -> CommandOutput {
    match rotated(args) {
        Ok(message) => CommandOutput {
            stdout: message,
            ..CommandOutput::default()
        },
        Err(error) => error.into(),
    }
}

fn rotated(args: &RotateArgs) -> Result<String, ValueError> {
    let RotateArgs {
        path,
        entry,
        retire,
        yes: _,
        store,
    } = args;
    check_path(store.store, path)?;
    let given = entry.as_deref().map(|text| kind::parse(path, text));
    let given = given.transpose()?;
    let place = describe(store);
    with_store(store, Use::Read, async |opened, budget| {
        kind::check(opened, path, given.as_ref(), &budget).await?;
        let generation = match given {
            Some(spec) => generation(store.store, path, spec),
            None if *retire => kind::find_fields(opened, path, &budget).await?,
            None => kind::find(opened, path, &budget).await?,
        };
        if *retire {
            remove(args, opened, &generation, budget).await?;
            return Ok(format!(
                "removed the previous generation of {path} from {place}\n"
            ));
        }
        replace(args, opened, &generation, budget).await?;
        Ok(format!(
            "rotated {path}, {}, in {place}; the generation before is kept as the previous one\n",
            generation.spec
        ))
    })
}

async fn replace(
    args: &RotateArgs,
    store: &Store,
    generation: &Generation,
    mut budget: RetryBudget,
) -> Result<(), ValueError> {
    if !args.yes {
        let (path, spec, place) = (&args.path, &generation.spec, describe(&args.store));
        let question = format!(
            "Replace {path}, {spec}, in {place} by a new generation? A previous generation that is \
             still there is dropped"
        );
        ask::confirm(&format!("{question}."))?;
    }
    let generator = Generator::default();
    let rotated = rotation::rotate(store, generation, &generator, |_| true, &mut budget).await;
    match rotated {
        Ok(Rotated::Rotated) => Ok(()),
        Ok(Rotated::Absent) => Err(absent(store, &args.path)),
        Ok(Rotated::Changed | Rotated::NotDue) => Err(ValueError::Changed(args.path.clone())),
        Err(RotateError::Store(error)) => Err(error.into()),
        Err(RotateError::Generate(error)) => Err(error.into()),
        Err(RotateError::Randomness(error)) => Err(error.into()),
    }
}

async fn remove(
    args: &RotateArgs,
    store: &Store,
    generation: &Generation,
    mut budget: RetryBudget,
) -> Result<(), ValueError> {
    let path = &args.path;
    let current = || store.current(generation);
    let current = retrying(store.name(), &mut budget, current).await?;
    let current = current.ok_or_else(|| absent(store, path))?;
    if current.previous.is_none() {
        return Err(ValueError::NoPrevious(path.clone()));
    }
    if !args.yes {
        let place = describe(&args.store);
        ask::confirm(&format!(
            "Remove the previous generation of {path} from {place}?"
        ))?;
    }
    if retrying(store.name(), &mut budget, || {
        store.retire(generation, &current)
    })
    .await?
    {
        Ok(())
    } else {
        Err(ValueError::Changed(path.clone()))
    }
}

/// What `spec` creates at `path`.
fn generation(store: StoreName, path: &StoragePath, spec: Spec) -> Generation {
    let path_of = |field: &kees_common::Field| match field {
        kees_common::Field::Whole => path.clone(),
        named => path.with_suffix(&format!("_{named}")),
    };
    let fields = spec.fields().iter();
    Generation {
        store,
        path: path.clone(),
        fields: fields.map(|field| (*field, path_of(field))).collect(),
        spec,
        entries: Vec::new(),
    }
}

fn absent(store: &Store, path: &StoragePath) -> ValueError {
    ValueError::Absent {
        store: store.name(),
        path: path.clone(),
    }
}
