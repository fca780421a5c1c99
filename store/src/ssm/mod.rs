//! AWS Systems Manager Parameter Store: one `SecureString` for each generation, and any parameter
//! that a pod refers to.
//!
//! A parameter holds text only. A generation with several fields is one JSON object, as in Secrets
//! Manager, and a RANDOM is the base64 of its bytes. There is no client token, so if the parameter
//! of a write already exists, its value is compared: if it is the same, this write created it and
//! was sent again.

mod create;
mod read;
mod rotation;
#[cfg(feature = "values")]
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use kees_common::{Locator, StoragePath, StoreName};

use crate::{
    CreateRequest, CreateStore, Creation, Found, ReadStore, StoreError,
    aws::{
        Aws, Call,
        json::{JsonClient, Service},
        partition,
    },
    members::Holder,
};

const SERVICE: Service = Service {
    name: "ssm",
    target: "AmazonSSM",
    endpoint_variable: "AWS_ENDPOINT_URL_SSM",
};

/// The word for a stored value in messages.
const PARAMETER: Holder = Holder {
    store: StoreName::Ssm,
    noun: "parameter",
};

/// Parameter Store in one Region and account.
#[derive(Debug)]
pub struct Ssm {
    client: Box<JsonClient>,
    region: String,
    kms_key: Option<String>,
}

impl Ssm {
    /// `kms_key` (an id, ARN or alias) encrypts what is created. `None`: the AWS managed
    /// key `aws/ssm`.
    pub fn new(aws: &Aws, kms_key: Option<String>) -> Self {
        Self {
            client: Box::new(aws.json(SERVICE)),
            region: aws.region().to_owned(),
            kms_key,
        }
    }

    fn call<'a>(&self, action: &'static str, parameter: &'a StoragePath) -> Call<'a> {
        // The ARN of a parameter does not contain the slash at the beginning of its name.
        let name = parameter.as_str().trim_start_matches('/');
        let resource = partition::arn("ssm", &self.region, &format!("parameter/{name}"));
        Call {
            store: PARAMETER.store,
            action,
            resource: Cow::Owned(resource),
            path: Some(parameter),
        }
    }
}

impl ReadStore for Ssm {
    fn name(&self) -> StoreName {
        PARAMETER.store
    }

    /// Parameter Store has no consistent read.
    fn is_consistent(&self) -> bool {
        false
    }

    async fn read(&self, locators: &[Locator]) -> Vec<Found> {
        self.read_each(locators).await
    }

    /// A parameter is read as a whole, and it holds all fields of its generation.
    async fn read_together(&self, locators: &[Locator]) -> Vec<Found> {
        self.read_each(locators).await
    }
}

impl CreateStore for Ssm {
    /// Each parameter needs a call of its own, so a request has one generation.
    async fn create(&self, request: &CreateRequest<'_>) -> Result<Creation, StoreError> {
        self.create_parameter(request.only_generation()?).await
    }
}
