//! What the policy allows to the pods of a namespace, without a pod: for the permissions that a role
//! of these pods needs.

use kees_common::{StoragePrefix, StoreName};

use crate::{
    policy::{
        rule::{AllowedPrefix, Create, Rule},
        template::{FillTemplateError, PrefixTemplate, Subject},
    },
    settings::InjectSettings,
};

/// What a rule allows to the pods of a namespace, or of one ServiceAccount in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The pods may use this prefix, and all below it. `None` if the rule allows objects of classes alone.
    pub prefix: Option<StoragePrefix>,
    /// The stores that the pods may use.
    pub stores: Vec<StoreName>,
    /// Whether the init containers create what is absent.
    pub creates: bool,
    /// The ARNs that the pods may use, as the rule writes them: names and globs.
    pub references: Vec<String>,
    /// The names and ARNs of secrets and parameters that the classes of the pods may use: names and globs, with the names of
    /// the pods in the place of the placeholders.
    pub class_objects: Vec<String>,
}

/// Why it is not known what the pods of a namespace may do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowanceError {
    /// Pods of the namespace are denied.
    #[error("no rule matches its pods, so they are denied; add one")]
    NoRule,
    /// The rule has no prefix, and no objects of classes.
    #[error("its rule has no prefix and no classObjects, so its pods use no store")]
    NoPrefix,
    /// The rule allows every prefix.
    #[error("there is no policy, so every prefix is allowed; name the prefix")]
    AnyPrefix,
    /// The rule depends on the ServiceAccount.
    #[error("its rules depend on the ServiceAccount; name one, for a role of its own")]
    NeedsServiceAccount,
    /// The prefix, or a pattern of `classObjects`, cannot be filled in.
    #[error("the prefix or classObjects of its rule cannot be filled in")]
    Template(#[source] FillTemplateError),
}

impl InjectSettings {
    /// What the policy allows to the pods of a namespace. Without a ServiceAccount, it must be the
    /// same for all of them.
    ///
    /// # Errors
    /// [`AllowanceError`]
    pub fn allowance(
        &self,
        namespace: &str,
        service_account: Option<&str>,
    ) -> Result<Allowance, AllowanceError> {
        let rule = self.rule_of(namespace, service_account)?;
        let template = match &rule.prefix {
            AllowedPrefix::AtOrBelow(template) => Some(template),
            AllowedPrefix::Any => return Err(AllowanceError::AnyPrefix),
            AllowedPrefix::None => None,
        };
        let uses_service_account = rule.class_objects.uses_service_account()
            || template.is_some_and(PrefixTemplate::uses_service_account);
        if service_account.is_none() && uses_service_account {
            return Err(AllowanceError::NeedsServiceAccount);
        }
        let subject = Subject {
            cluster: self.cluster.as_deref(),
            namespace,
            service_account: service_account.unwrap_or_default(),
        };
        let prefix = template.map(|template| template.fill(subject)).transpose();
        let class_objects = rule.class_objects.texts(subject);
        let class_objects = class_objects.map_err(AllowanceError::Template)?;
        if template.is_none() && class_objects.is_empty() {
            return Err(AllowanceError::NoPrefix);
        }
        Ok(Allowance {
            prefix: prefix.map_err(AllowanceError::Template)?,
            class_objects,
            stores: self.stores_of(rule),
            creates: rule.create == Create::Init,
            references: rule.references.texts().map(str::to_owned).collect(),
        })
    }

    fn rule_of(
        &self,
        namespace: &str,
        service_account: Option<&str>,
    ) -> Result<&Rule, AllowanceError> {
        let mut rules = self.policy.rules_of(namespace);
        let applies = |rule: &&Rule| match (&rule.service_accounts, service_account) {
            (Some(accounts), Some(name)) => accounts.matches(name),
            (Some(_), None) | (None, _) => true,
        };
        match rules.find(applies) {
            None => Err(AllowanceError::NoRule),
            Some(rule) if service_account.is_none() && rule.service_accounts.is_some() => {
                Err(AllowanceError::NeedsServiceAccount)
            }
            Some(rule) => Ok(rule),
        }
    }

    /// The operator's stores that a rule allows.
    fn stores_of(&self, rule: &Rule) -> Vec<StoreName> {
        let mut stores = vec![self.store];
        let others = self.stores.iter().copied();
        stores.extend(others.filter(|store| *store != self.store));
        stores.retain(|store| {
            let allowed = rule.stores.as_ref();
            allowed.is_none_or(|allowed| allowed.contains(store))
        });
        stores
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const POLICY: &str = "rules:
- namespaces: [team-a]
  serviceAccounts: [batch]
  storagePrefix: /{cluster}/batch
  create: creator
- namespaces: [team-a, team-ab]
  storagePrefix: /{cluster}/{namespace}
  references: ['arn:aws:secretsmanager:*:*:secret:shared/*']
- namespaces: [team-b]
  storagePrefix: /{cluster}/{namespace}/{serviceAccount}
- namespaces: [local]
  localMode: true
- namespaces: [classes]
  classObjects: [shared, '/{cluster}/{namespace}/*']
- namespaces: [accounts]
  classObjects: ['{serviceAccount}/*']
";

    fn settings() -> InjectSettings {
        let mut settings = InjectSettings::new("image");
        settings.policy = POLICY.parse().unwrap();
        settings.cluster = Some("dev".to_owned());
        settings
    }

    #[rstest]
    #[case("team-a", Some("batch"), "/dev/batch", false)]
    #[case("team-a", Some("web"), "/dev/team-a", true)]
    #[case("team-ab", None, "/dev/team-ab", true)]
    #[case("team-b", Some("web"), "/dev/team-b/web", true)]
    fn the_first_rule_that_matches_gives_the_prefix(
        #[case] namespace: &str,
        #[case] service_account: Option<&str>,
        #[case] prefix: &str,
        #[case] creates: bool,
    ) {
        let allowance = settings().allowance(namespace, service_account).unwrap();
        let found = allowance.prefix.unwrap();
        assert_eq!((found.as_str(), allowance.creates), (prefix, creates));
    }

    #[rstest]
    #[case("team-a", None, AllowanceError::NeedsServiceAccount)]
    #[case("team-b", None, AllowanceError::NeedsServiceAccount)]
    #[case("team-c", None, AllowanceError::NoRule)]
    #[case("local", None, AllowanceError::NoPrefix)]
    #[case("accounts", None, AllowanceError::NeedsServiceAccount)]
    fn what_is_not_known_is_an_error(
        #[case] namespace: &str,
        #[case] service_account: Option<&str>,
        #[case] error: AllowanceError,
    ) {
        let allowance = settings().allowance(namespace, service_account);
        assert_eq!(allowance, Err(error));
    }

    #[rstest]
    #[case("classes", None, &["shared", "/dev/classes/*"])]
    #[case("accounts", Some("web"), &["web/*"])]
    #[case("team-ab", None, &[])]
    fn patterns_of_class_objects_have_the_names_of_the_pods(
        #[case] namespace: &str,
        #[case] service_account: Option<&str>,
        #[case] expected: &[&str],
    ) {
        let allowance = settings().allowance(namespace, service_account).unwrap();
        assert_eq!(allowance.class_objects, expected);
        assert_eq!(allowance.prefix.is_none(), namespace != "team-ab");
    }

    #[test]
    fn references_are_given_as_they_are_written() {
        let allowance = settings().allowance("team-ab", None).unwrap();
        assert_eq!(
            allowance.references,
            ["arn:aws:secretsmanager:*:*:secret:shared/*"]
        );
    }
}
