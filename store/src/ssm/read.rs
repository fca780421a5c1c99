//! Reads each parameter once, ten in one call of `GetParameters`.

use std::{collections::HashMap, mem};

use futures_util::{StreamExt as _, future, stream};
use kees_common::{Locator, StoragePath};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{PARAMETER, Ssm};
use crate::{ErrorKind, Found, StoreError, members::Content};

/// The most names in one `GetParameters` (API reference, `Names`).
const BATCH: usize = 10;
/// The most calls at the same time.
const SIDE_BY_SIDE: usize = 8;

const GET: &str = "ssm:GetParameters";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters<'a> {
    names: Vec<&'a str>,
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    #[serde(rename = "ARN", default)]
    arn: String,
    value: String,
    #[serde(default)]
    version: u64,
    /// In seconds since 1970.
    #[serde(default)]
    last_modified_date: Option<f64>,
}

/// A version of a parameter by its number.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) text: Zeroizing<String>,
    pub(super) version: u64,
    /// When it was stored, in seconds since 1970.
    pub(super) since: Option<u64>,
}

/// A version of a parameter, as a request names it: `NAME`, `NAME:VERSION` or `NAME:LABEL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    path: StoragePath,
    name: String,
    /// Whether it is the version before the current one.
    is_previous: bool,
}

impl Version {
    fn of(locator: &Locator) -> Self {
        let path = locator.secret_id().clone();
        let selector = locator
            .version_id
            .as_ref()
            .or(locator.version_stage.as_ref());
        let name = match selector {
            Some(selector) => format!("{path}:{selector}"),
            None => path.as_str().to_owned(),
        };
        Self {
            path,
            name,
            is_previous: locator.is_previous,
        }
    }

    /// The current version of `path`.
    fn current(path: &StoragePath) -> Self {
        Self {
            path: path.clone(),
            name: path.as_str().to_owned(),
            is_previous: false,
        }
    }

    /// The version before the current one.
    fn previous(path: &StoragePath) -> Self {
        Self {
            is_previous: true,
            ..Self::current(path)
        }
    }

    fn is_current(&self) -> bool {
        self.name == self.path.as_str() && !self.is_previous
    }
}

type Fetched = Result<Option<Zeroizing<String>>, StoreError>;

impl Ssm {
    pub(super) async fn read_each(&self, locators: &[Locator]) -> Vec<Found> {
        let mut versions: Vec<Version> = Vec::new();
        for version in locators.iter().map(Version::of) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        // Both versions of a parameter whose previous one is asked for are read together.
        let previous = versions.extract_if(.., |version| version.is_previous);
        let paired: Vec<_> = previous.map(|version| version.path).collect();
        versions.retain(|version| !(version.is_current() && paired.contains(&version.path)));
        let pairs: Vec<_> = paired.iter().map(|path| self.pair(path)).collect();
        let pairs: Vec<_> = stream::iter(pairs).buffered(SIDE_BY_SIDE).collect().await;
        let batches = batches(versions);
        let reads: Vec<_> = batches.iter().map(|batch| self.batch(batch)).collect();
        let fetched: Vec<_> = stream::iter(reads).buffered(SIDE_BY_SIDE).collect().await;
        let fetched = fetched.into_iter().flatten();
        let pairs = pairs.into_iter().flatten();
        let fetched: HashMap<Version, Fetched> = fetched.chain(pairs).collect();
        locators
            .iter()
            .map(|locator| found(&fetched, locator))
            .collect()
    }

    /// The text of one parameter.
    pub(super) async fn stored_text(&self, path: &StoragePath) -> Fetched {
        self.get(&Version::current(path)).await
    }

    /// One parameter by the number of its version; `None`: its current version.
    pub(super) async fn numbered(
        &self,
        path: &StoragePath,
        number: Option<u64>,
    ) -> Result<Option<Numbered>, StoreError> {
        let mut version = Version::current(path);
        if let Some(number) = number {
            version.name = format!("{path}:{number}");
        }
        let mut found = self.get_parameters(&[version]).await?;
        Ok(found.remove(path.as_str()))
    }

    /// The current and the previous version of one parameter. The number of the first one says which the
    /// second one is, and no version ever changes.
    async fn pair(&self, path: &StoragePath) -> [(Version, Fetched); 2] {
        let versions = [Version::current(path), Version::previous(path)];
        let read = async {
            let Some(current) = self.numbered(path, None).await? else {
                return Ok([None, None]);
            };
            let previous = self.numbered_before(path, &current).await?;
            Ok([Some(current.text), previous.map(|previous| previous.text)])
        };
        let [of_current, of_previous] = versions;
        match read.await {
            Ok([current, previous]) => [(of_current, Ok(current)), (of_previous, Ok(previous))],
            Err(error) => {
                let error: StoreError = error;
                [(of_current, Err(error.clone())), (of_previous, Err(error))]
            }
        }
    }

    /// At most [`BATCH`] versions. If the batch is denied, each is read with a call of its own, so
    /// that each denial is reported with its name.
    async fn batch(&self, versions: &[Version]) -> Vec<(Version, Fetched)> {
        match self.get_parameters(versions).await {
            Ok(mut values) => versions
                .iter()
                .map(|version| {
                    let found = values.remove(version.path.as_str());
                    (version.clone(), Ok(found.map(|found| found.text)))
                })
                .collect(),
            Err(error) if versions.len() > 1 && matches!(error.kind, ErrorKind::Denied { .. }) => {
                let reads = versions
                    .iter()
                    .map(async |version| (version.clone(), self.get(version).await));
                future::join_all(reads).await
            }
            Err(error) => {
                let failed = |version: &Version| {
                    let error = error.clone().at(&version.path);
                    (version.clone(), Err(error))
                };
                versions.iter().map(failed).collect()
            }
        }
    }

    async fn get(&self, version: &Version) -> Fetched {
        let values = self.get_parameters(std::slice::from_ref(version)).await;
        let found = values?.remove(version.path.as_str());
        Ok(found.map(|found| found.text))
    }

    /// What `GetParameters` found, by the path that was asked for: a name, or an ARN. What it does not find is not
    /// in it.
    async fn get_parameters(
        &self,
        versions: &[Version],
    ) -> Result<HashMap<String, Numbered>, StoreError> {
        let Some(first) = versions.first() else {
            return Ok(HashMap::new());
        };
        let request = GetParameters {
            names: versions
                .iter()
                .map(|version| version.name.as_str())
                .collect(),
            with_decryption: true,
        };
        let call = self.call(GET, &first.path);
        let answer: Parameters = self.client.call("GetParameters", &request, &call).await?;
        let parameters = answer.parameters.into_iter();
        let numbered = |one: Parameter| Numbered {
            text: Zeroizing::new(one.value),
            version: one.version,
            since: one.last_modified_date.and_then(seconds),
        };
        let by_arn = |arn: &str| versions.iter().any(|version| version.path.as_str() == arn);
        Ok(parameters
            .map(|mut one| {
                let path = if by_arn(&one.arn) {
                    mem::take(&mut one.arn)
                } else {
                    mem::take(&mut one.name)
                };
                (path, numbered(one))
            })
            .collect())
    }
}

/// Requests of up to [`BATCH`] versions. A request can name a parameter only once, even with different versions.
fn batches(versions: Vec<Version>) -> Vec<Vec<Version>> {
    let mut batches: Vec<Vec<Version>> = Vec::new();
    for version in versions {
        let has_room = |batch: &&mut Vec<Version>| {
            batch.len() < BATCH && batch.iter().all(|other| other.path != version.path)
        };
        match batches.iter_mut().find(has_room) {
            Some(batch) => batch.push(version),
            None => batches.push(vec![version]),
        }
    }
    batches
}

fn found(fetched: &HashMap<Version, Fetched>, locator: &Locator) -> Found {
    let result = match fetched.get(&Version::of(locator)) {
        Some(Ok(Some(text))) => Content::Text(text.clone()).value_at(locator, PARAMETER),
        Some(Ok(None)) | None => Ok(None),
        Some(Err(error)) => Err(error.clone()),
    };
    result.map_err(|error| error.at(&locator.path))
}

/// Whole seconds of a date.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds since 1970 are positive and below 2^63"
)]
fn seconds(date: f64) -> Option<u64> {
    (date.is_finite() && date >= 0.0).then_some(date as u64)
}
