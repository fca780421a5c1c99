//! The operator's settings as a whole.

use kees_common::StoreName;
use kees_inject::{InjectSettings, PullPolicy, RunAs, WiredImage};
use rstest::rstest;

use crate::pods::{settings, with_policy};

fn errors(settings: &InjectSettings) -> Vec<String> {
    settings.errors().iter().map(ToString::to_string).collect()
}

#[test]
fn valid_settings_have_no_errors() {
    assert_eq!(errors(&settings()), Vec::<String>::new());
}

#[test]
fn all_errors_of_the_settings_are_listed() {
    let mut settings = with_policy(
        "rules: [{namespaces: ['*'], storagePrefix: '/{cluster}', stores: [secretsmanager]}]",
    );
    settings.init_image = " ".to_owned();
    settings.init_env.clear();
    settings
        .init_env
        .insert("STORAGE_PREFIX".to_owned(), "/".to_owned());
    settings.init_env.insert("A B".to_owned(), "x".to_owned());
    insta::assert_snapshot!(errors(&settings).join("\n"), @r"
    the image of the init container is empty; give --init-image
    the store dynamodb needs --env-label, which names its table ENV_LABEL-kube-secret
    --init-env 'A B' is not the name of a variable; use letters, digits and '_'
    --init-env cannot set STORAGE_PREFIX, which is decided for each pod; use the flag or the policy
    the policy uses {cluster}, and the cluster has no name; give --cluster
    the policy allows the store secretsmanager, which is not among --store and --stores
    ");
}

#[test]
fn a_cluster_whose_name_cannot_be_in_a_prefix_is_an_error() {
    let mut settings = with_policy("rules: [{namespaces: ['*'], storagePrefix: '/{cluster}'}]");
    settings.cluster = Some("Prod/eu".to_owned());
    let expected = "the policy uses {cluster}, and 'Prod/eu' cannot be part of a storage prefix; give \
                    --cluster a DNS name in lower case";
    assert_eq!(errors(&settings), [expected]);
    settings.cluster = Some("prod-eu".to_owned());
    assert_eq!(errors(&settings), Vec::<String>::new());
}

#[test]
fn the_memory_store_is_an_error() {
    let mut settings = settings();
    settings.stores = vec![StoreName::Memory];
    let expected =
        "the store memory loses its values when the init container ends; use one that keeps them";
    assert_eq!(errors(&settings), [expected]);
}

#[test]
fn the_label_is_needed_for_dynamodb_only() {
    let mut settings = settings();
    settings.init_env.clear();
    settings.store = StoreName::SecretsManager;
    assert_eq!(errors(&settings), Vec::<String>::new());
    settings.stores = vec![StoreName::DynamoDb];
    assert_eq!(errors(&settings).len(), 1);
}

#[rstest]
#[case("1", Some(RunAs::Uid(1)))]
#[case("none", Some(RunAs::Unset))]
#[case("0", None)]
#[case("2147483648", None)]
#[case("root", None)]
fn a_uid_to_run_as_is_never_root(#[case] text: &str, #[case] run_as: Option<RunAs>) {
    assert_eq!(text.parse::<RunAs>().ok(), run_as);
}

#[rstest]
#[case("Always", true)]
#[case("always", false)]
fn a_pull_policy_is_one_of_kubernetes_words(#[case] text: &str, #[case] ok: bool) {
    assert_eq!(text.parse::<PullPolicy>().is_ok(), ok);
}

#[test]
fn an_expression_that_is_broken_or_matches_everything_is_invalid() {
    let message = |text: &str| text.parse::<WiredImage>().unwrap_err().to_string();
    assert_eq!(message("("), "not a regular expression: unclosed group");
    assert!(message("").starts_with("it is empty and would match every image"));
}

#[rstest]
#[case("requests: {memory: 1Gi}, limits: {memory: 64Mi}", 1)]
#[case("requests: {cpu: 2}, limits: {cpu: 1500m}", 1)]
#[case("requests: {cpu: 1}, limits: {cpu: 1000m}", 0)]
#[case("requests: {cpu: 1}", 0)]
fn a_request_above_its_limit_is_an_error(#[case] resources: &str, #[case] count: usize) {
    let rule = format!("{{namespaces: ['*'], storagePrefix: /, resources: {{{resources}}}}}");
    let found = errors(&with_policy(&format!("rules: [{rule}]")));
    assert_eq!(found.len(), count, "{found:?}");
}
