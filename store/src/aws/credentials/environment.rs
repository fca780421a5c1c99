//! The environment variables for credentials, and the error if no credentials are found.

use std::{env, path::PathBuf};

use aws_credential_types::provider::error::CredentialsError;
use kees_common::names::env as names;

use super::{
    error::{credentials_error, is_misconfigured, unreached},
    pod_identity,
};
use crate::{
    ErrorKind,
    aws::{
        error::{AwsError, describe},
        settings::Caller,
    },
};

pub(super) const KEY: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const ROLE: &str = "AWS_ROLE_ARN";
const AGENT_URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const AGENT_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// What a person does to get credentials.
const OWN: &str = "log in (aws sso login), name a profile of ~/.aws/config that has credentials (AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// The environment variables for credentials.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pub(super) caller: Caller,
    /// `AWS_PROFILE`
    pub(super) profile: Option<String>,
    /// `AWS_ROLE_ARN`
    pub(super) role: Option<String>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`
    pub(super) token_file: Option<PathBuf>,
    /// `AWS_ROLE_SESSION_NAME`
    pub(super) session: Option<String>,
    /// Whether EKS Pod Identity, or another container service, is set up.
    pub(super) container: bool,
    /// Whether `AWS_CONTAINER_CREDENTIALS_FULL_URI` names the agent of EKS Pod Identity.
    pub(super) has_agent_url: bool,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`
    pub(super) agent_token_file: Option<PathBuf>,
    pub(super) key: Key,
    /// `AWS_EC2_METADATA_DISABLED`
    pub(super) metadata_disabled: bool,
}

/// An access key in variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Key {
    #[default]
    Absent,
    /// The first variable is set, and the second is not.
    Half(&'static str, &'static str),
    Whole,
}

impl Environment {
    pub(super) fn of_this_process(caller: Caller) -> Self {
        let get = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            caller,
            profile: get("AWS_PROFILE"),
            role: get(ROLE),
            token_file: get(names::AWS_WEB_IDENTITY_TOKEN_FILE).map(PathBuf::from),
            session: get("AWS_ROLE_SESSION_NAME"),
            has_agent_url: get(AGENT_URL).is_some(),
            agent_token_file: get(AGENT_TOKEN_FILE).map(PathBuf::from),
            container: get(AGENT_URL)
                .or_else(|| get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
                .is_some(),
            key: match (get(KEY), get(SECRET_KEY)) {
                (None, None) => Key::Absent,
                (Some(_), None) => Key::Half(KEY, SECRET_KEY),
                (None, Some(_)) => Key::Half(SECRET_KEY, KEY),
                (Some(_), Some(_)) => Key::Whole,
            },
            metadata_disabled: get("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    /// Explains the `error` of the chain. `passed_over` is the reason why the profile has no
    /// credentials, and `agent_status` is the status of the last response of the EKS Pod Identity
    /// agent.
    pub(super) fn explain(
        &self,
        error: &CredentialsError,
        passed_over: Option<&str>,
        agent_status: Option<u16>,
    ) -> AwsError {
        if let Key::Half(present, absent) = self.key {
            return self.half(present, absent);
        }
        let is_nothing_set = !self.container && self.key == Key::Absent;
        match (&self.role, &self.token_file) {
            (Some(_), None) => self.half(ROLE, names::AWS_WEB_IDENTITY_TOKEN_FILE),
            (None, Some(_)) => self.half(names::AWS_WEB_IDENTITY_TOKEN_FILE, ROLE),
            _ if self.container && self.caller == Caller::Pod => {
                pod_identity::explain(error, agent_status)
            }
            (None, None) if is_nothing_set && !is_misconfigured(error) => self.missing(passed_over),
            _ => self.failed(error),
        }
    }

    /// No source has credentials.
    fn missing(&self, passed_over: Option<&str>) -> AwsError {
        let profile = self.profile.as_ref().map(|profile| {
            let reason = passed_over.unwrap_or("it gives no credentials");
            format!("AWS_PROFILE is {profile}: {reason}")
        });
        match self.caller {
            Caller::Pod => self.missing_in_pod(profile),
            Caller::Person => {
                let default = || {
                    let reason = passed_over.map(|reason| format!(": {reason}"));
                    let reason = reason.unwrap_or_default();
                    format!("no {KEY} is set, and the default profile gives none{reason}")
                };
                let message = format!("no AWS identity: {}", profile.unwrap_or_else(default));
                credentials_error(message, OWN)
            }
        }
    }

    fn missing_in_pod(&self, profile: Option<String>) -> AwsError {
        let profile = profile
            .map(|profile| format!("{profile}; "))
            .unwrap_or_default();
        let node = if self.metadata_disabled {
            "AWS_EC2_METADATA_DISABLED forbids that of the node"
        } else {
            "the node's metadata service gives none"
        };
        let message = format!(
            "no AWS identity: {profile}neither AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (IRSA) nor AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) is set, and {node}"
        );
        credentials_error(
            message,
            "annotate the pod's ServiceAccount with its role, or associate the role with it, and recreate the pod: a pod that is older than that has no identity",
        )
    }

    /// A configured source returned an error.
    pub(super) fn failed(&self, error: &CredentialsError) -> AwsError {
        let message = format!("no AWS credentials: {}", describe(error));
        let remedy = match self.caller {
            Caller::Pod => "check the profile or the variables that name the identity",
            Caller::Person => OWN,
        };
        let kind = unreached(error).unwrap_or(ErrorKind::Credentials);
        AwsError::new(kind, message, remedy)
    }

    fn half(&self, present: &str, absent: &str) -> AwsError {
        let remedy = match self.caller {
            Caller::Pod => {
                "set both, as the webhook of EKS does; recreate the pod if it is older than the annotation of its ServiceAccount"
            }
            Caller::Person => "set both, or unset it",
        };
        let message = format!("no AWS identity: {present} is set and {absent} is not");
        credentials_error(message, remedy)
    }
}
