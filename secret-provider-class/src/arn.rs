//! What the name and the type of an object say about its service.

use kees_common::Service;

/// What an ARN says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) resource: &'a str,
}

/// Whether the provider takes a name as an ARN.
pub(crate) fn is_arn(name: &str) -> bool {
    name.starts_with("arn:")
}

/// The service of an `objectType`, in which the case of letters matters.
pub(crate) fn service_of_type(object_type: &str) -> Option<Service> {
    match object_type {
        "secretsmanager" => Some(Service::SecretsManager),
        "ssmparameter" => Some(Service::ParameterStore),
        _ => None,
    }
}

impl<'a> Arn<'a> {
    /// Six parts, which may be empty.
    pub(crate) fn read(name: &'a str) -> Option<Self> {
        let mut parts = name.splitn(6, ':');
        let [_, _, service, region, _] = std::array::from_fn(|_| parts.next());
        Some(Self {
            service: service?,
            region: region?,
            resource: parts.next()?,
        })
    }

    pub(crate) fn service(&self) -> Option<Service> {
        match self.service {
            "ssm" => Some(Service::ParameterStore),
            other => service_of_type(other),
        }
    }
}
