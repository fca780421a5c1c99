//! The operator's policy file, as a source that is loaded again when it changes.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use kees_inject::{InjectSettings, Policy};
use kees_server::{Contents, Source};

use crate::{WebhookError, metrics::Watched};

/// A policy file that was loaded.
#[derive(Debug)]
pub struct LoadedPolicy {
    pub(crate) policy: Policy,
    /// The beginning of the SHA-256 of the file, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// The policy file.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
    /// The settings that each content of the file is checked with.
    settings: Option<InjectSettings>,
}

impl PolicyFile {
    /// The policy file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            settings: None,
        }
    }

    /// The same file, whose content is valid only together with `settings`: a rule may name only
    /// stores that the flags allow, for example.
    pub(crate) fn checked_with(self, settings: &InjectSettings) -> Self {
        Self {
            settings: Some(settings.clone()),
            ..self
        }
    }
}

impl Source for PolicyFile {
    type Loaded = LoadedPolicy;
    type Error = WebhookError;

    fn name(&self) -> &'static str {
        Watched::Policy.as_str()
    }

    fn paths(&self) -> Vec<&Path> {
        vec![&self.path]
    }

    fn load(&self, contents: &Contents) -> Result<LoadedPolicy, WebhookError> {
        let text = String::from_utf8_lossy(&contents[0]);
        let policy: Policy = text.parse().map_err(|source| WebhookError::Policy {
            path: self.path.clone(),
            source,
        })?;
        if let Some(settings) = &self.settings {
            let settings = InjectSettings {
                policy: policy.clone(),
                ..settings.clone()
            };
            let errors = settings.errors();
            if !errors.is_empty() {
                return Err(WebhookError::Settings(errors));
            }
        }
        Ok(LoadedPolicy {
            policy,
            sha256: sha256(&contents[0]),
        })
    }
}

/// The first 16 hexadecimal digits of the SHA-256: enough to compare replicas.
fn sha256(content: &[u8]) -> String {
    let digest = digest(&SHA256, content);
    let bytes = digest.as_ref().iter().take(8);
    let digits: Vec<_> = bytes.map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c14");
    }

    #[rstest]
    #[case::a_store("stores: [ssm]", "the policy allows the store ssm, which is not among")]
    #[case::a_template("storagePrefix: '/{cluster}'", "the policy uses {cluster}")]
    #[case::resources(
        "resources: {requests: {cpu: 2}, limits: {cpu: 1}}",
        "the init container requests more than its limit"
    )]
    #[case::both_valid("storagePrefix: /", "")]
    fn each_content_is_checked_together_with_the_flags(#[case] rule: &str, #[case] error: &str) {
        let mut settings = InjectSettings::new("kees-init:1");
        let label = ("ENV_LABEL".to_owned(), "dev".to_owned());
        settings.init_env.extend([label]);
        let file = PolicyFile::new(PathBuf::from("policy.yaml")).checked_with(&settings);
        let yaml = format!("rules:\n- namespaces: ['*']\n  {rule}\n");
        let loaded = file.load(&vec![Zeroizing::new(yaml.into_bytes())]);
        let message = loaded
            .err()
            .map_or_else(String::new, |error| error.to_string());
        assert!(message.starts_with(error), "{message}");
        assert_eq!(message.is_empty(), error.is_empty());
    }
}
