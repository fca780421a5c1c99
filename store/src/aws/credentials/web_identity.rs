//! IRSA: STS exchanges the pod's ServiceAccount token for the credentials of a role.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_sdk_sts::operation::assume_role_with_web_identity::{
    AssumeRoleWithWebIdentityError, AssumeRoleWithWebIdentityOutput,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use zeroize::Zeroizing;

use kees_common::Endpoint;

use super::{environment::Environment, error::credentials_error, session};
use crate::{
    ErrorKind,
    aws::{classify::explain, error::AwsError, settings::AwsSettings},
};

const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

/// A role and the token that may assume it.
#[derive(Debug)]
pub(in crate::aws) struct WebIdentity {
    sts: aws_sdk_sts::Client,
    role: String,
    token_file: PathBuf,
    session: String,
}

impl WebIdentity {
    /// The role and token that the environment names, if it names both.
    pub(super) fn of_environment(
        environment: &Environment,
        config: &SdkConfig,
        settings: &AwsSettings,
    ) -> Option<Self> {
        Some(Self::new(
            config,
            settings.sts_endpoint.as_ref(),
            environment.role.clone()?,
            environment.token_file.clone()?,
            session::name(environment, settings),
        ))
    }

    /// `endpoint` replaces the Region's endpoint of STS. `session` is the name of the session.
    pub(in crate::aws) fn new(
        config: &SdkConfig,
        endpoint: Option<&Endpoint>,
        role: String,
        token_file: PathBuf,
        session: String,
    ) -> Self {
        let mut config = aws_sdk_sts::config::Builder::from(config);
        config.set_credentials_provider(None);
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        Self {
            sts,
            role,
            token_file,
            session,
        }
    }

    async fn assume(&self) -> Result<Credentials, AwsError> {
        let token = read_token(&self.token_file)?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(&self.role)
            .role_session_name(&self.session)
            .web_identity_token(token.trim())
            .send()
            .await
            .map_err(|error| self.explain(&error))?;
        to_credentials(answer)
    }

    /// Explains an error of STS. `InvalidIdentityToken` and `IDPCommunicationError` may be
    /// temporary: STS also returns them while it cannot fetch the cluster's keys.
    fn explain(&self, error: &SdkError<AssumeRoleWithWebIdentityError, HttpResponse>) -> AwsError {
        let (role, file) = (&self.role, self.token_file.display());
        let general = explain(error, ASSUME, role);
        let (kind, what, remedy) = match error.code().unwrap_or_default() {
            "AccessDenied" | "AccessDeniedException" => (
                general.kind.clone(),
                format!("STS does not let this pod assume {role}"),
                format!("let the trust policy of {role} allow {ASSUME} to the cluster's OIDC provider for this pod's ServiceAccount (system:serviceaccount:NAMESPACE:NAME)"),
            ),
            "ExpiredTokenException" => (
                ErrorKind::Credentials,
                format!("the web identity token in {file} has expired"),
                "recreate the pod; if that does not help, check that the kubelet renews projected tokens and that the node's clock is right".to_owned(),
            ),
            "InvalidIdentityToken" => (
                ErrorKind::TokenNotAccepted,
                format!("STS does not accept the web identity token in {file}"),
                PROVIDER.to_owned(),
            ),
            "IDPRejectedClaim" => (
                ErrorKind::Credentials,
                format!("STS does not accept the web identity token in {file}"),
                PROVIDER.to_owned(),
            ),
            "ValidationError" => (
                ErrorKind::Credentials,
                format!("STS does not accept the request for {role}"),
                "check that AWS_ROLE_ARN is the ARN of a role".to_owned(),
            ),
            "IDPCommunicationError" => (
                ErrorKind::TokenNotAccepted,
                "STS could not reach the OIDC provider".to_owned(),
                "it is tried again until the deadline; if it does not pass, check that the cluster's OIDC issuer can be reached from the internet".to_owned(),
            ),
            _ if matches!(general.kind, ErrorKind::Unreachable | ErrorKind::TimedOut) => (
                general.kind,
                "STS was not reached".to_owned(),
                "check that STS can be reached from here: AWS_REGION, AWS_STS_ENDPOINT, network policies, the VPC's endpoint for STS or its NAT, HTTPS_PROXY".to_owned(),
            ),
            _ => (general.kind, "STS gave no credentials".to_owned(), general.remedy),
        };
        AwsError {
            kind,
            code: general.code,
            message: format!("{what}: {}", general.message),
            remedy,
        }
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let assumed: provider::Result = self
                .assume()
                .await
                .map_err(CredentialsError::provider_error);
            assumed
        })
    }
}

/// What STS needs to verify a token.
const PROVIDER: &str = "check that the account has an IAM OIDC provider for this cluster's issuer, with the audience sts.amazonaws.com";

fn read_token(file: &Path) -> Result<Zeroizing<String>, AwsError> {
    let token = fs::read_to_string(file).map(Zeroizing::new);
    let wrong = match token {
        Ok(token) if !token.trim().is_empty() => return Ok(token),
        Ok(_) => "it is empty".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(credentials_error(
        format!(
            "the web identity token file {} cannot be used: {wrong}",
            file.display()
        ),
        "check that the projected token is mounted into this container where AWS_WEB_IDENTITY_TOKEN_FILE says, readable to its user; recreate the pod if it is older than the annotation of its ServiceAccount",
    ))
}

fn to_credentials(answer: AssumeRoleWithWebIdentityOutput) -> Result<Credentials, AwsError> {
    let unusable = || {
        credentials_error(
            "STS answered without usable credentials",
            "check that AWS_STS_ENDPOINT is an STS",
        )
    };
    let session = answer.credentials.ok_or_else(unusable)?;
    let expiry = SystemTime::try_from(session.expiration).map_err(|_| unusable())?;
    Ok(Credentials::builder()
        .access_key_id(session.access_key_id)
        .secret_access_key(session.secret_access_key)
        .session_token(session.session_token)
        .expiry(expiry)
        .provider_name("WebIdentityToken")
        .build())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::aws::{
        error::{UNBUILT, describe},
        stub::{Answer, Stub},
    };

    const ROLE: &str = "arn:aws:iam::123456789012:role/pod";

    fn token(text: &str) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn identity(stub: &Stub, file: &Path) -> WebIdentity {
        WebIdentity::new(
            &stub.config(),
            None,
            ROLE.to_owned(),
            file.to_owned(),
            "team-a.web-0".to_owned(),
        )
    }

    /// An error response of STS (STS API Reference, "Common errors").
    fn sts_error(status: u16, code: &str, message: &str) -> Answer {
        Answer::Http(
            status,
            format!(
                r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"#
            ),
        )
    }

    #[tokio::test]
    async fn a_token_is_changed_for_credentials() {
        let answer = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2036-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#;
        let stub = Stub::new(|_| Answer::Http(200, answer.to_owned()));
        let file = token("a.jwt.token\n");
        let credentials = identity(&stub, file.path())
            .provide_credentials()
            .await
            .unwrap();
        assert_eq!(credentials.access_key_id(), "ASIA1");
        assert!(credentials.expiry().is_some());
        let asked = stub.asked();
        let form: Vec<_> = asked[0].body.as_str().unwrap().split('&').collect();
        assert!(form.contains(&"WebIdentityToken=a.jwt.token"), "{form:?}");
        assert!(form.contains(&"RoleSessionName=team-a.web-0"), "{form:?}");
    }

    /// Codes: STS API Reference, `AssumeRoleWithWebIdentity`. "Token expired" and "Not authorized
    /// …" as EKS's users have quoted them.
    #[rstest]
    #[case(
        403,
        "AccessDenied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        None,
        "trust policy of arn:aws:iam::123456789012:role/pod"
    )]
    #[case(
        400,
        "ExpiredTokenException",
        "Token expired: current date/time 1767225600 must be before the expiration date/time 1767222000",
        Some(ErrorKind::Credentials),
        "recreate the pod"
    )]
    #[case(
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/X",
        Some(ErrorKind::TokenNotAccepted),
        "OIDC provider"
    )]
    #[case(
        400,
        "IDPRejectedClaim",
        "Token audience is not allowed",
        Some(ErrorKind::Credentials),
        "OIDC provider"
    )]
    #[case(
        400,
        "ValidationError",
        "Request ARN is invalid",
        Some(ErrorKind::Credentials),
        "AWS_ROLE_ARN"
    )]
    #[case(
        400,
        "IDPCommunicationError",
        "timed out",
        Some(ErrorKind::TokenNotAccepted),
        "OIDC issuer"
    )]
    #[case(429, "TooManyRequests", "slow down", Some(ErrorKind::Throttled), "")]
    #[case(400, "Throttling", "Rate exceeded", Some(ErrorKind::Throttled), "")]
    #[case(500, "InternalFailure", "failed", Some(ErrorKind::Server), "")]
    #[tokio::test]
    async fn each_error_of_sts_is_told_apart(
        #[case] status: u16,
        #[case] code: &'static str,
        #[case] message: &'static str,
        #[case] kind: Option<ErrorKind>,
        #[case] remedy: &str,
    ) {
        let stub = Stub::new(move |_| sts_error(status, code, message));
        let file = token("canary");
        let error = identity(&stub, file.path())
            .provide_credentials()
            .await
            .unwrap_err();
        let explained = AwsError::within(&error).unwrap();
        let denied = ErrorKind::Denied {
            action: ASSUME.to_owned(),
            resource: ROLE.to_owned(),
        };
        assert_eq!(explained.kind, kind.unwrap_or(denied));
        assert_eq!(explained.code.as_deref(), Some(code));
        assert!(
            explained.message.ends_with(message),
            "{}",
            explained.message
        );
        assert!(explained.remedy.contains(remedy), "{}", explained.remedy);
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_token_is_not_repeated_where_its_request_cannot_be_built() {
        let stub = Stub::new(|_| panic!("nothing is to be asked"));
        let config = stub
            .config()
            .into_builder()
            .endpoint_url("sts:8000")
            .build();
        let file = token("canary");
        let role = ROLE.to_owned();
        let identity = WebIdentity::new(
            &config,
            None,
            role,
            file.path().to_owned(),
            "kees".to_owned(),
        );
        let error = identity.provide_credentials().await.unwrap_err();
        assert!(describe(&error).contains(UNBUILT), "{}", describe(&error));
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }

    #[rstest]
    #[case::empty(Some(" \n"), "empty")]
    #[case::missing(None, "No such file")]
    #[tokio::test]
    async fn a_token_that_is_not_there_is_not_sent(
        #[case] content: Option<&str>,
        #[case] why: &str,
    ) {
        let stub = Stub::new(|_| panic!("nothing is to be asked"));
        let file = token(content.unwrap_or_default());
        let path = match content {
            Some(_) => file.path().to_owned(),
            None => file.path().with_extension("absent"),
        };
        let error = identity(&stub, &path)
            .provide_credentials()
            .await
            .unwrap_err();
        let explained = AwsError::within(&error).unwrap();
        assert_eq!(explained.kind, ErrorKind::Credentials);
        assert!(explained.message.contains(why), "{}", explained.message);
        assert!(explained.message.contains(&path.display().to_string()));
    }
}
