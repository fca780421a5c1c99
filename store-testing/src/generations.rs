//! Generations whose values tell which writer created them, and one store as a set of stores.

use std::convert::Infallible;

use kees_common::{
    Field, Generated, Generation, Locator, SecretValue, Spec, StoragePath, StoreName,
};
use kees_store::{
    CreateStore, ReadStore, RetryBudget, StoreError,
    protocol::{Generator, Observer, Obtained, Run, StoreSet, Values, Wanted, WhenAbsent, obtain},
};

/// A generation of `spec` at `path` in the store of that name.
pub fn generation_at(store: StoreName, path: StoragePath, spec: Spec) -> Generation {
    let path_of = |field: &Field| match field {
        Field::Whole => path.clone(),
        named => format!("{path}_{named}").parse().unwrap(),
    };
    Generation {
        store,
        fields: spec
            .fields()
            .iter()
            .map(|field| (*field, path_of(field)))
            .collect(),
        spec,
        entries: vec![0],
        path,
    }
}

/// Each of `fields` with its locator.
pub fn fields_of(generation: &Generation, fields: &[Field]) -> Vec<(Field, Locator)> {
    fields
        .iter()
        .map(|field| (*field, generation.locator(*field)))
        .collect()
}

/// Values that tell which writer created them.
pub fn generated_by(writer: &str, spec: &Spec) -> Generated {
    let value = |field: &Field| SecretValue::new(format!("{writer}-{field}").into_bytes());
    Generated::new(
        spec.fields()
            .iter()
            .map(|field| (*field, value(field)))
            .collect(),
    )
}

/// The [`Wanted`] for these fields of a generation.
pub fn wanted<'a>(
    generation: &'a Generation,
    fields: &[Field],
    when_absent: WhenAbsent,
) -> Wanted<'a> {
    Wanted {
        store: generation.store,
        fields: fields_of(generation, fields),
        previous: Vec::new(),
        generation: Some(generation),
        when_absent,
    }
}

/// A set of one store, which it returns for every name.
#[derive(Debug)]
pub struct One<'a, S>(pub &'a S);

impl<S: ReadStore + CreateStore> StoreSet for One<'_, S> {
    type Store = S;

    fn get(&self, _: StoreName) -> Option<&S> {
        Some(self.0)
    }
}

/// Generates values that tell the name of this writer.
#[derive(Debug)]
pub struct Given(pub &'static str);

impl Generator for Given {
    type Error = Infallible;

    async fn generate(&self, generation: &Generation) -> Result<Generated, Infallible> {
        Ok(generated_by(self.0, &generation.spec))
    }
}

/// Obtains everything `wanted` from `store`, as the writer of that name.
pub async fn obtain_all<S: ReadStore + CreateStore>(
    store: &S,
    writer: &'static str,
    wanted: &[Wanted<'_>],
    observer: &dyn Observer,
    budget: &mut RetryBudget,
) -> Vec<Obtained<Infallible>> {
    let run = Run {
        stores: &One(store),
        generator: &Given(writer),
        observer,
        namespace: Some("team-a"),
        retry_delay: None,
    };
    obtain(wanted, &run, budget).await
}

/// Obtains `fields` of one generation, which is created if it is absent. Answers with the values and
/// whether they were created.
///
/// # Errors
/// The store's, or the protocol's own.
pub async fn obtain_one<S: ReadStore + CreateStore>(
    store: &S,
    writer: &'static str,
    generation: &Generation,
    fields: &[Field],
    budget: &mut RetryBudget,
) -> Result<(Values, bool), StoreError> {
    let wanted = [wanted(generation, fields, WhenAbsent::Create)];
    match obtain_all(store, writer, &wanted, &(), budget)
        .await
        .remove(0)
    {
        Obtained::Created(values) => Ok((values, true)),
        Obtained::Found(values) => Ok((values.current, false)),
        Obtained::Failed(error) | Obtained::Absent(Some(error)) => Err(error),
        Obtained::NotRead(mut errors) => Err(errors.remove(0).1),
        other => panic!("{other:?}"),
    }
}
