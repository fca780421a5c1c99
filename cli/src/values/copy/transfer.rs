//! Copies groups: reads them from one store, compares them with the other, writes what is absent, and
//! reads it back.

use std::time::Duration;

use kees_common::{Locator, SecretValue, StoragePath, StoreName};
use kees_init::Exit;
use kees_store::{
    Backoff, CreateRequest, CreateStore as _, Creation, ErrorKind, Found, IdempotencyToken,
    NewGeneration, ReadStore as _, RetryBudget, Store, StoreError,
    values::{ListStore as _, PutRequest, PutStore as _, retrying},
};

use super::{
    bar::Bar,
    report::{CopyReport, State},
    unit::{self, Group, Unit},
};
use crate::values::{
    error::ValueError,
    store::{check_path, whole},
};

/// From which store to which.
pub(super) struct Transfer<'a> {
    pub(super) from: &'a Store,
    pub(super) to: &'a Store,
    /// How long one call may be tried again.
    pub(super) timeout: Duration,
    pub(super) is_dry: bool,
}

impl Transfer<'_> {
    pub(super) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.timeout)
    }

    /// Copies `groups`. The error of one path does not end the command, and is in `report`.
    ///
    /// # Errors
    /// An error of a store as a whole.
    pub(super) async fn copy(
        &self,
        groups: &[Group],
        report: &mut CopyReport,
        bar: &Bar,
    ) -> Result<(), ValueError> {
        let locators: Vec<Locator> = groups.iter().flat_map(Group::locators).collect();
        let mut found = self.read(self.from, &locators).await?.into_iter();
        for group in groups {
            let values = group.locators().into_iter().zip(found.by_ref());
            if let Some(values) = readable(values, report)? {
                for unit in self.units(group, values).await? {
                    let state = state(self.copy_unit(&unit).await)?;
                    report.add(unit.path().as_str(), &unit.fields(), state);
                }
            }
            bar.done(group.len());
        }
        Ok(())
    }

    async fn units(
        &self,
        group: &Group,
        values: Vec<SecretValue>,
    ) -> Result<Vec<Unit>, ValueError> {
        let name = self.from.name();
        if !name.has_members() {
            return Ok(unit::units(group, values));
        }
        let Group::One(path) = group else {
            return Ok(Vec::new());
        };
        let mut units = Vec::new();
        for value in values {
            let is_encoded = !name.holds_bytes() && self.is_random(path).await?;
            units.push(unit::from_members(path.clone(), value, is_encoded));
        }
        Ok(units)
    }

    /// Whether the tags say that the text is the base64 of a RANDOM.
    async fn is_random(&self, path: &StoragePath) -> Result<bool, ValueError> {
        let describe = || self.from.describe(path);
        let mut budget = self.budget();
        let described = retrying(self.from.name(), &mut budget, describe).await?;
        Ok(described.is_some_and(|one| one.tag("kees/type") == Some("RANDOM")))
    }

    async fn copy_unit(&self, unit: &Unit) -> Result<State, ValueError> {
        let store = self.to.name();
        check_path(store, unit.path())?;
        let expected = Expected::of(unit, store);
        let existing = self.stored(&expected).await?;
        if existing == expected.values {
            return Ok(State::Present);
        }
        if existing.iter().any(Option::is_some) {
            return Err(differs(store, unit.path()));
        }
        if self.is_dry {
            return Ok(State::WouldCopy);
        }
        let creation = self.write(unit).await?;
        self.verify(unit, &expected).await?;
        Ok(match creation {
            Creation::Created => State::Copied,
            // Another writer stored the same value meanwhile.
            Creation::Exists => State::Present,
        })
    }

    async fn write(&self, unit: &Unit) -> Result<Creation, ValueError> {
        let store = self.to.name();
        let token = &IdempotencyToken::random()?;
        let mut budget = self.budget();
        let creation = match (unit.generation_in(store), unit) {
            (Some((generation, values)), _) => {
                let new = [NewGeneration {
                    generation: &generation,
                    values: &values,
                    namespace: None,
                }];
                let request = CreateRequest {
                    generations: &new,
                    token,
                };
                retrying(store, &mut budget, || self.to.create(&request)).await
            }
            (None, Unit::Value(path, value)) => {
                let request = PutRequest {
                    path,
                    value,
                    overwrite: false,
                    token,
                };
                retrying(store, &mut budget, || self.to.put(&request)).await
            }
            // Its fields have no valid path.
            (None, Unit::Generation(path, ..)) => return Err(differs(store, path)),
        };
        Ok(creation?)
    }

    /// Reads what was written until it is there. A store without consistent reads may need a moment.
    async fn verify(&self, unit: &Unit, expected: &Expected) -> Result<(), ValueError> {
        let mut budget = self.budget();
        let mut backoff = Backoff::default();
        loop {
            let stored = self.stored(expected).await?;
            if stored == expected.values {
                return Ok(());
            }
            if stored.iter().all(Option::is_some) {
                return Err(differs(self.to.name(), unit.path()));
            }
            let pause = tokio::time::sleep(backoff.pause());
            if budget.wait(pause).await.is_none() {
                return Err(ValueError::NotReadBack {
                    store: self.to.name(),
                    path: unit.path().clone(),
                });
            }
        }
    }

    /// What the other store has in the places of a unit.
    async fn stored(&self, expected: &Expected) -> Result<Vec<Option<SecretValue>>, ValueError> {
        let found = self.read(self.to, &expected.locators).await?;
        let found: Result<Vec<_>, StoreError> = found.into_iter().collect();
        found.map_err(|error| match error.kind {
            // It has another shape.
            ErrorKind::Malformed => differs(error.store, &expected.path),
            _ => error.into(),
        })
    }

    /// Reads `locators` until no error is transient.
    async fn read(&self, store: &Store, locators: &[Locator]) -> Result<Vec<Found>, StoreError> {
        let read = async || {
            let found = store.read(locators).await;
            let mut errors = found.iter().filter_map(|found| found.as_ref().err());
            match errors.find(|error| error.is_transient()) {
                Some(error) => Err(error.clone()),
                None => Ok(found),
            }
        };
        retrying(store.name(), &mut self.budget(), read).await
    }
}

/// Where the values of a unit are in the other store, and what they have to be.
struct Expected {
    path: StoragePath,
    locators: Vec<Locator>,
    values: Vec<Option<SecretValue>>,
}

impl Expected {
    fn of(unit: &Unit, store: StoreName) -> Self {
        match (unit.generation_in(store), unit) {
            (Some((generation, values)), _) => Self {
                path: generation.path.clone(),
                locators: values
                    .iter()
                    .map(|(field, _)| generation.locator(field))
                    .collect(),
                values: values
                    .iter()
                    .map(|(_, value)| Some(value.clone()))
                    .collect(),
            },
            (None, Unit::Value(path, value)) => Self {
                path: path.clone(),
                locators: vec![whole(path)],
                values: vec![Some(value.clone())],
            },
            (None, Unit::Generation(path, ..)) => Self {
                path: path.clone(),
                locators: vec![whole(path)],
                values: vec![None],
            },
        }
    }
}

/// The values of one group, or `None` if one of them cannot be copied. Then the report has each of them.
fn readable(
    found: impl Iterator<Item = (Locator, Found)>,
    report: &mut CopyReport,
) -> Result<Option<Vec<SecretValue>>, ValueError> {
    let mut values = Vec::new();
    let mut is_complete = true;
    for (locator, found) in found {
        let path = locator.path;
        let wrong = match found {
            Ok(Some(value)) if value.is_verbatim() => failed(
                "the stored text is not base64, so its bytes are not known; store the value again with \
                 `kees put --overwrite`",
            ),
            Ok(Some(value)) if value.is_empty() => failed("the stored value is empty"),
            Ok(Some(value)) => {
                values.push((path, value));
                continue;
            }
            // It was deleted after it was listed.
            Ok(None) => State::Gone,
            Err(error) => state(Err(error.into()))?,
        };
        report.add(path.as_str(), &[], wrong);
        is_complete = false;
    }
    if is_complete {
        return Ok(Some(values.into_iter().map(|(_, value)| value).collect()));
    }
    for (path, _) in values {
        let other = failed("another field of its generation cannot be copied");
        report.add(path.as_str(), &[], other);
    }
    Ok(None)
}

fn failed(message: &str) -> State {
    State::Failed(message.to_owned(), Exit::Data)
}

fn differs(store: StoreName, path: &StoragePath) -> ValueError {
    ValueError::Differs {
        store,
        path: path.clone(),
    }
}

/// The state of a path, or the error if it is about a store as a whole.
fn state(copied: Result<State, ValueError>) -> Result<State, ValueError> {
    match copied {
        Ok(state) => Ok(state),
        Err(ValueError::Store(error)) if error.concerns_store() => Err(error.into()),
        Err(error) => Ok(State::Failed(error.line(), error.exit())),
    }
}
