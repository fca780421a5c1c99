//! Lists, puts and deletes parameters by their names.

use std::borrow::Cow;

use aws_smithy_types::{DateTime, date_time::Format};
use kees_common::{StoragePath, StoragePrefix};
use serde::{Deserialize, Serialize};

use super::{
    PARAMETER, Ssm,
    create::{Tag, explain_put},
};
use crate::{
    Creation, StoreError,
    aws::Call,
    members::invalid,
    values::{DeleteStore, ListStore, Metadata, Page, PageToken, PutRequest, PutStore, Recovery},
};

/// The most parameters on one page (API reference, `DescribeParameters`).
const PAGE: u8 = 50;

const DESCRIBE: &str = "ssm:DescribeParameters";
const TAGS: &str = "ssm:ListTagsForResource";
const DELETE: &str = "ssm:DeleteParameter";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeParameters<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameter_filters: Vec<ParameterFilter<'a>>,
    max_results: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterFilter<'a> {
    key: &'static str,
    option: &'static str,
    values: [&'a str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    #[serde(default)]
    key_id: Option<String>,
    /// In seconds since 1970.
    #[serde(default)]
    last_modified_date: Option<f64>,
    #[serde(default)]
    version: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListTags<'a> {
    resource_type: &'static str,
    resource_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedTags {
    #[serde(default)]
    tag_list: Vec<ListedTag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedTag {
    key: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteParameter<'a> {
    name: &'a str,
}

/// The response has nothing that is needed.
#[derive(Deserialize)]
struct Deleted {}

impl ListStore for Ssm {
    async fn list(
        &self,
        prefix: &StoragePrefix,
        token: Option<&PageToken>,
    ) -> Result<Page, StoreError> {
        let begins = prefix.trimmed();
        let filter = (!begins.is_empty()).then_some(ParameterFilter {
            key: "Name",
            option: "BeginsWith",
            values: [begins],
        });
        let token = token.map(|PageToken(token)| token.as_str());
        let described = self.describe_parameters(filter, token, None).await?;
        let parameters = described.parameters.into_iter();
        let contained = parameters.filter(|parameter| prefix.contains_name(&parameter.name));
        Ok(Page {
            values: contained.map(Parameter::into_metadata).collect(),
            next: described.next_token.map(PageToken),
        })
    }

    /// With the tags, which a list does not have.
    async fn describe(&self, path: &StoragePath) -> Result<Option<Metadata>, StoreError> {
        let filter = ParameterFilter {
            key: "Name",
            option: "Equals",
            values: [path.as_str()],
        };
        let described = self.describe_parameters(Some(filter), None, Some(path));
        let mut parameters = described.await?.parameters.into_iter();
        let Some(parameter) = parameters.find(|parameter| parameter.name == path.as_str()) else {
            return Ok(None);
        };
        let request = ListTags {
            resource_type: "Parameter",
            resource_id: path.as_str(),
        };
        let call = self.call(TAGS, path);
        let tags: ListedTags = self
            .client
            .call("ListTagsForResource", &request, &call)
            .await?;
        let tags = tags.tag_list.into_iter();
        Ok(Some(Metadata {
            tags: tags.map(|tag| (tag.key, tag.value)).collect(),
            ..parameter.into_metadata()
        }))
    }
}

impl PutStore for Ssm {
    /// The parameter gets no tags: kees did not generate it.
    async fn put(&self, request: &PutRequest<'_>) -> Result<Creation, StoreError> {
        let Some(text) = request.value.expose_text() else {
            let message = "the value is not UTF-8 text, and a parameter holds text only";
            let remedy = "store its base64, which a REFERENCE then gets, or use another store";
            return Err(invalid(request.path, PARAMETER, message, remedy));
        };
        let tags: Vec<Tag<'_>> = Vec::new();
        let put = self.put_parameter(request.path, text, request.overwrite, tags);
        put.await
            .map_err(|error| explain_put(error, [request.value]))
    }
}

impl DeleteStore for Ssm {
    async fn delete(&self, path: &StoragePath, _: Recovery) -> Result<bool, StoreError> {
        let request = DeleteParameter {
            name: path.as_str(),
        };
        let call = self.call(DELETE, path);
        match self
            .client
            .call::<Deleted>("DeleteParameter", &request, &call)
            .await
        {
            Ok(Deleted {}) => Ok(true),
            Err(error) if error.code.as_deref() == Some("ParameterNotFound") => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Ssm {
    async fn describe_parameters(
        &self,
        filter: Option<ParameterFilter<'_>>,
        next_token: Option<&str>,
        path: Option<&StoragePath>,
    ) -> Result<Described, StoreError> {
        let request = DescribeParameters {
            parameter_filters: filter.into_iter().collect(),
            max_results: PAGE,
            next_token,
        };
        // This permission cannot be limited to some parameters (Service Authorization Reference).
        let call = Call {
            store: PARAMETER.store,
            action: DESCRIBE,
            resource: Cow::Borrowed("*"),
            path,
        };
        self.client
            .call("DescribeParameters", &request, &call)
            .await
    }
}

impl Parameter {
    fn into_metadata(self) -> Metadata {
        let changed = self.last_modified_date.map(DateTime::from_secs_f64);
        Metadata {
            name: self.name,
            changed: changed.and_then(|date| date.fmt(Format::DateTime).ok()),
            version: self.version.map(|version| version.to_string()),
            kms_key: self.key_id,
            ..Metadata::default()
        }
    }
}

#[cfg(test)]
mod tests;
