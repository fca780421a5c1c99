//! Reads each parameter once, ten in one call of `GetParameters`.

use std::collections::HashMap;

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
    value: String,
}

/// A version of a parameter, as a request names it: `NAME`, `NAME:VERSION` or `NAME:LABEL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    path: StoragePath,
    name: String,
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
        Self { path, name }
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
        // A request can name a parameter only once, even with different versions.
        let (current, others): (Vec<_>, Vec<_>) = versions
            .into_iter()
            .partition(|version| version.name == version.path.as_str());
        let batches: Vec<_> = current.chunks(BATCH).chain(others.chunks(1)).collect();
        let reads: Vec<_> = batches.into_iter().map(|batch| self.batch(batch)).collect();
        let fetched: Vec<_> = stream::iter(reads).buffered(SIDE_BY_SIDE).collect().await;
        let fetched: HashMap<Version, Fetched> = fetched.into_iter().flatten().collect();
        locators
            .iter()
            .map(|locator| found(&fetched, locator))
            .collect()
    }

    /// The text of one parameter.
    pub(super) async fn stored_text(&self, path: &StoragePath) -> Fetched {
        let version = Version {
            path: path.clone(),
            name: path.as_str().to_owned(),
        };
        self.get(&version).await
    }

    /// At most [`BATCH`] versions. If the batch is denied, each is read with a call of its own, so
    /// that each denial is reported with its name.
    async fn batch(&self, versions: &[Version]) -> Vec<(Version, Fetched)> {
        match self.get_parameters(versions).await {
            Ok(mut values) => versions
                .iter()
                .map(|version| (version.clone(), Ok(values.remove(version.path.as_str()))))
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
        values.map(|mut values| values.remove(version.path.as_str()))
    }

    /// What `GetParameters` found, by name. Names that it does not find are not in it.
    async fn get_parameters(
        &self,
        versions: &[Version],
    ) -> Result<HashMap<String, Zeroizing<String>>, StoreError> {
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
        Ok(parameters
            .map(|one| (one.name, Zeroizing::new(one.value)))
            .collect())
    }
}

fn found(fetched: &HashMap<Version, Fetched>, locator: &Locator) -> Found {
    let result = match fetched.get(&Version::of(locator)) {
        Some(Ok(Some(text))) => Content::Text(text.clone()).value_at(locator, PARAMETER),
        Some(Ok(None)) | None => Ok(None),
        Some(Err(error)) => Err(error.clone()),
    };
    result.map_err(|error| error.at(&locator.path))
}
