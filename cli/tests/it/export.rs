//! Tests of `kees export`: IAM allows what kees calls, and nothing beside it.

use std::{fs, path::Path};

use insta::assert_snapshot;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use crate::{
    folder::{Ended, Folder, pod},
    iam::{LARGEST, LARGEST_INLINE, Request, allows},
};

const TABLE: &str = "arn:aws:dynamodb:eu-west-1:111122223333:table/dev-kube-secret";
const PLACE: [&str; 6] = [
    "--aws-region",
    "eu-west-1",
    "--account",
    "111122223333",
    "--env-label",
    "dev",
];
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";

const MANIFEST: &str = "\
kind: Deployment
metadata: {name: web, namespace: team-a}
spec:
  template:
    metadata:
      annotations:
        init.bsycorp.com/storage-prefix: /dev/team-a
        secret.bsycorp.com/db: kind=DYNAMIC,type=PASSWORD,size=128
        secret.bsycorp.com/signing_public: kind=DYNAMIC,type=RSA,size=2048
        secret.bsycorp.com/partner: kind=REFERENCE,storageKey=given/partner
        resource.bsycorp.com/url_x: ''
    spec:
      serviceAccountName: web
      containers: [{name: app, image: app}]
---
kind: CronJob
metadata: {name: night, namespace: team-b}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          annotations:
            init.bsycorp.com/storage-prefix: /dev/team-a
            secret.bsycorp.com/token: kind=DYNAMIC,type=RANDOM,size=128
        spec:
          containers: [{name: app, image: app}]
";

/// The policy that `kees export iam-policy` prints.
pub(crate) fn policy(folder: &Folder, arguments: &[&str]) -> Value {
    let arguments = [&["export", "iam-policy"], arguments, &PLACE].concat();
    let ended = folder.kees(&arguments).succeeded();
    let policy: Value = serde_json::from_str(&ended.stdout).unwrap();
    let length = policy.to_string().len();
    assert!(length <= LARGEST, "{length}");
    policy
}

pub(crate) fn of_prefix(prefix: &str, role: &str, store: &str) -> Value {
    let folder = Folder::new();
    let arguments = ["--prefix", prefix, "--for", role, "--store", store];
    policy(&folder, &arguments)
}

pub(crate) fn items(action: &str, keys: &[&str]) -> Request {
    Request::new(action, TABLE).with("dynamodb:LeadingKeys", keys)
}

/// The ARN of a secret that exists.
fn secret(name: &str) -> String {
    format!("{}-a1B2c3", absent_secret(name))
}

fn absent_secret(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}")
}

fn parameter(name: &str) -> String {
    format!("arn:aws:ssm:eu-west-1:111122223333:parameter{name}")
}

/// The calls that read the value `name`.
pub(crate) fn reads(store: &str, name: &str) -> Vec<Request> {
    match store {
        "dynamodb" => vec![
            items("dynamodb:GetItem", &[name]),
            items("dynamodb:BatchGetItem", &[name, name]),
        ],
        "secretsmanager" => [secret(name), absent_secret(name)]
            .iter()
            .flat_map(|arn| {
                let actions = ["GetSecretValue", "DescribeSecret"];
                actions.map(|action| Request::new(&format!("secretsmanager:{action}"), arn))
            })
            .collect(),
        "ssm" => vec![Request::new("ssm:GetParameters", &parameter(name))],
        other => panic!("{other}"),
    }
}

/// The calls that create the value `name`.
fn creates(store: &str, name: &str) -> Vec<Request> {
    match store {
        "dynamodb" => vec![items("dynamodb:PutItem", &[name])],
        "secretsmanager" => ["CreateSecret", "TagResource"]
            .map(|action| Request::new(&format!("secretsmanager:{action}"), &absent_secret(name)))
            .to_vec(),
        "ssm" => vec![
            Request::new("ssm:PutParameter", &parameter(name)).with("ssm:Overwrite", &["false"]),
            Request::new("ssm:AddTagsToResource", &parameter(name)),
        ],
        other => panic!("{other}"),
    }
}

/// Calls that no role of kees may make.
fn never(store: &str, name: &str) -> Vec<Request> {
    match store {
        "dynamodb" => vec![
            Request::new("dynamodb:Scan", TABLE),
            items("dynamodb:Scan", &[name]),
            items("dynamodb:Query", &[name]),
            items("dynamodb:DeleteItem", &[name]),
            items("dynamodb:UpdateItem", &[name]),
            items("dynamodb:BatchWriteItem", &[name]),
            items("dynamodb:PartiQLSelect", &[name]),
            items("dynamodb:GetItem", &[]),
            Request::new("dynamodb:BatchGetItem", TABLE),
            Request::new("dynamodb:GetItem", &format!("{TABLE}2"))
                .with("dynamodb:LeadingKeys", &[name]),
        ],
        "secretsmanager" => [
            "PutSecretValue",
            "UpdateSecret",
            "DeleteSecret",
            "ListSecrets",
            "PutResourcePolicy",
        ]
        .map(|action| Request::new(&format!("secretsmanager:{action}"), &secret(name)))
        .to_vec(),
        "ssm" => vec![
            Request::new("ssm:PutParameter", &parameter(name)).with("ssm:Overwrite", &["true"]),
            Request::new("ssm:DeleteParameter", &parameter(name)),
            Request::new("ssm:GetParametersByPath", &parameter(name)),
        ],
        other => panic!("{other}"),
    }
}

#[track_caller]
pub(crate) fn assert_all(policy: &Value, requests: &[Request], allowed: bool) {
    for request in requests {
        assert_eq!(allows(policy, request), allowed, "{request:?}\n{policy:#}");
    }
}

#[rstest]
fn a_role_may_make_the_calls_of_kees_below_its_prefix_and_no_others(
    #[values("dynamodb", "secretsmanager", "ssm")] store: &str,
    #[values("init-reads", "init-creates", "controller")] role: &str,
    #[values("/dev/team-a", "/dev/team-a/")] prefix: &str,
) {
    let policy = of_prefix(prefix, role, store);
    let may_create = role != "init-reads";
    for name in ["/dev/team-a/db", "/dev/team-a/web/signing_public"] {
        assert_all(&policy, &reads(store, name), true);
        assert_all(&policy, &creates(store, name), may_create);
        assert_all(&policy, &never(store, name), false);
    }
    for neighbour in [
        "/dev/team-ab/db",
        "/dev/team-a",
        "/dev/team-a-b/db",
        "/dev/db",
        "/prod/team-a/db",
        "/dev/team-a.x",
        "dev/team-a/db",
    ] {
        assert_all(&policy, &reads(store, neighbour), false);
        assert_all(&policy, &creates(store, neighbour), false);
        assert_all(&policy, &never(store, neighbour), false);
    }
}

/// One key of a neighbour among many keys of one's own.
#[rstest]
fn a_batch_with_one_key_of_a_neighbour_is_denied(
    #[values("init-reads", "init-creates", "controller")] role: &str,
) {
    let policy = of_prefix("/dev/team-a", role, "dynamodb");
    let keys = ["/dev/team-a/x", "/dev/team-ab/x"];
    assert_all(&policy, &[items("dynamodb:BatchGetItem", &keys)], false);
}

/// What a role needs so that each denial of a batch can be named.
#[test]
fn a_batch_of_secrets_needs_each_secret_too() {
    let policy = of_prefix("/dev/team-a", "init-reads", "secretsmanager");
    let batch = Request::new("secretsmanager:BatchGetSecretValue", "*");
    assert_all(&policy, &[batch], true);
    assert_all(&policy, &reads("secretsmanager", "/dev/team-ab/x"), false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_prefix_allows_what_is_below_it_and_nothing_else(
        prefix in "/[a-z*?$.{}-]{1,6}(/[a-z*?$_{}]{1,5}){0,2}",
        name in "[a-z]{1,5}",
        other in "/[a-z*?$.{}-]{1,6}(/[a-z*?$_{}]{1,5}){0,2}",
    ) {
        prop_assume!(!prefix.split('/').any(|segment| segment == "." || segment == ".."));
        let policy = of_prefix(&prefix, "init-creates", "dynamodb");
        let own = format!("{prefix}/{name}");
        for request in reads("dynamodb", &own).iter().chain(&creates("dynamodb", &own)) {
            prop_assert!(allows(&policy, request), "{request:?} {policy:#}");
        }
        for neighbour in [other, format!("{prefix}{name}"), format!("{prefix}{name}/x"), prefix.clone()] {
            let is_below = neighbour.starts_with(&format!("{prefix}/"));
            for request in reads("dynamodb", &neighbour).iter().chain(&creates("dynamodb", &neighbour)) {
                prop_assert_eq!(allows(&policy, request), is_below, "{:?} {:#}", request, policy);
            }
        }
    }
}

#[rstest]
fn the_policy_of_manifests_names_their_values_alone(
    #[values("dynamodb", "secretsmanager", "ssm")] store: &str,
    #[values("init-reads", "init-creates", "controller")] role: &str,
) {
    let folder = Folder::with(MANIFEST);
    let policy = policy(&folder, &["web.yaml", "--store", store, "--for", role]);
    let has_members = store != "dynamodb";
    let created: &[&str] = if has_members {
        &["db", "signing", "token"]
    } else {
        &["db", "signing_public", "signing_private", "token"]
    };
    let asked: &[&str] = if has_members {
        created
    } else {
        &["db", "signing_public", "token"]
    };
    let given = ["given/partner", "url"];
    let path = |name: &str| format!("/dev/team-a/{name}");
    for name in asked {
        assert_all(&policy, &reads(store, &path(name)), true);
    }
    for name in created {
        assert_all(&policy, &creates(store, &path(name)), role != "init-reads");
    }
    for name in given {
        assert_all(&policy, &reads(store, &path(name)), role != "controller");
        assert_all(&policy, &creates(store, &path(name)), false);
    }
    for name in ["other", "db/x", "dbx", "db-x", "url_x"] {
        assert_all(&policy, &reads(store, &path(name)), false);
        assert_all(&policy, &creates(store, &path(name)), false);
        assert_all(&policy, &never(store, &path(name)), false);
    }
    if !has_members {
        // The init container reads the fields that the pod names.
        assert_all(&policy, &reads(store, &path("signing_private")), false);
    }
}

/// Every action is one that the code of a store names.
#[test]
fn the_actions_are_those_that_the_stores_call() {
    let mut code = String::new();
    read_code(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../store/src")),
        &mut code,
    );
    let folder = Folder::new();
    let stores = ["--store", "dynamodb", "--stores", "secretsmanager,ssm"];
    let arguments = [&["--prefix", "/dev/team-a"][..], &stores].concat();
    let policy = policy(&folder, &arguments);
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements.iter().flat_map(|statement| {
        let action = &statement["Action"];
        let one = std::slice::from_ref(action);
        let all = action.as_array().map_or(one, Vec::as_slice);
        all.iter().map(|action| action.as_str().unwrap().to_owned())
    });
    let actions: Vec<String> = actions.collect();
    assert_eq!(actions.len(), 11, "{actions:?}");
    for action in actions {
        let is_called = code.contains(&format!("&str = \"{action}\";"))
            || (action == "secretsmanager:DescribeSecret" && code.contains(".describe_secret()"));
        assert!(is_called, "no store calls {action}");
    }
}

/// The code of the stores, without the list of permissions.
pub(crate) fn read_code(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("permissions") {
            read_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *code += &fs::read_to_string(path).unwrap();
        }
    }
}

#[rstest]
#[case("dynamodb", &["kms:Decrypt"])]
#[case("secretsmanager", &["kms:Decrypt", "kms:GenerateDataKey"])]
#[case("ssm", &["kms:Decrypt", "kms:Encrypt"])]
fn a_kms_key_may_be_used_through_the_stores_alone(#[case] store: &str, #[case] actions: &[&str]) {
    for (role, actions) in [("init-creates", actions), ("init-reads", &actions[..1])] {
        let folder = Folder::new();
        let arguments = [
            "--prefix",
            "/p",
            "--for",
            role,
            "--store",
            store,
            "--kms-key-id",
            KEY,
        ];
        let policy = policy(&folder, &arguments);
        for action in ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"] {
            let is_needed = actions.contains(&action);
            let via = |service: &str| {
                let service = format!("{service}.eu-west-1.amazonaws.com");
                Request::new(action, KEY).with("kms:ViaService", &[&service])
            };
            assert_all(&policy, &[via(store)], is_needed);
            assert_all(&policy, &[via("s3"), Request::new(action, KEY)], false);
        }
    }
}

#[test]
fn a_kms_key_can_be_named_by_its_alias() {
    let folder = Folder::new();
    let flags = [
        "--prefix",
        "/p",
        "--store",
        "ssm",
        "--kms-key-id",
        "alias/kees",
    ];
    let policy = policy(&folder, &flags);
    let request = |alias: &str| {
        Request::new("kms:Decrypt", KEY)
            .with("kms:ViaService", &["ssm.eu-west-1.amazonaws.com"])
            .with("kms:ResourceAliases", &[alias])
    };
    assert_all(&policy, &[request("alias/kees")], true);
    assert_all(&policy, &[request("alias/other")], false);
}

const POLICY: &str = "\
rules:
- namespaces: [team-a]
  serviceAccounts: [batch]
  storagePrefix: /{cluster}/batch
  create: creator
- namespaces: [team-a, team-ab]
  storagePrefix: /{cluster}/{namespace}
  references: ['arn:aws:secretsmanager:*:*:secret:shared/*']
";

#[test]
fn a_namespace_has_the_prefix_of_the_policy_file() {
    let folder = Folder::new();
    folder.write("policy.yaml", POLICY);
    let of = |subject: &[&str]| {
        let flags = ["--policy", "policy.yaml", "--cluster", "dev"];
        policy(&folder, &[subject, &flags].concat())
    };
    let web = of(&["--namespace", "team-a", "--service-account", "web"]);
    assert_all(&web, &creates("dynamodb", "/dev/team-a/x"), true);
    assert_all(&web, &creates("dynamodb", "/dev/team-ab/x"), false);
    let batch = of(&["--namespace", "team-a", "--service-account", "batch"]);
    assert_all(&batch, &reads("dynamodb", "/dev/batch/x"), true);
    // The rule has `create: creator`.
    assert_all(&batch, &creates("dynamodb", "/dev/batch/x"), false);
    let store = ["--namespace", "team-ab", "--store", "secretsmanager"];
    let shared = of(&store);
    assert_all(&shared, &reads("secretsmanager", "shared/x"), true);
    assert_all(&shared, &creates("secretsmanager", "shared/x"), false);
    assert_all(&shared, &creates("secretsmanager", "/dev/team-ab/x"), true);
}

/// EKS Pod Identity inserts the namespace, so one role serves all namespaces.
#[test]
fn a_variable_of_pod_identity_stands_for_the_namespace_of_the_pod() {
    let prefix = "/prod/${aws:PrincipalTag/kubernetes-namespace}";
    let policy = of_prefix(prefix, "init-reads", "dynamodb");
    let read = |namespace: &str, key: &str| {
        items("dynamodb:GetItem", &[key])
            .with("aws:PrincipalTag/kubernetes-namespace", &[namespace])
    };
    assert_all(&policy, &[read("team-a", "/prod/team-a/x")], true);
    assert_all(
        &policy,
        &[
            read("team-a", "/prod/team-ab/x"),
            items("dynamodb:GetItem", &["/prod//x"]),
            items("dynamodb:GetItem", &["/prod/team-a/x"]),
        ],
        false,
    );
}

#[rstest]
#[case::irsa(&["--trust", "irsa", "--oidc-issuer", "https://oidc.example.com/id/A"])]
#[case::pod_identity(&["--trust", "pod-identity", "--cluster-arn", "arn:aws:eks:eu-west-1:111122223333:cluster/dev"])]
fn a_trust_policy_names_the_service_accounts(#[case] flags: &[&str]) {
    let folder = Folder::with(MANIFEST);
    let arguments = [&["export", "iam-policy", "web.yaml"], flags, &PLACE].concat();
    let how = flags[1];
    assert_snapshot!(format!("trust_{how}"), folder.kees(&arguments).all());
}

#[test]
fn terraform_names_each_value_and_the_environment() {
    let folder = Folder::with(MANIFEST);
    let ended = folder.kees(&["export", "terraform", "web.yaml", "--module", "web"]);
    assert_snapshot!(ended.all());
}

#[test]
fn terraform_can_have_every_store_and_a_role_that_creates() {
    let folder = Folder::with(MANIFEST);
    let ended = folder.kees(&[
        "export",
        "terraform",
        "web.yaml",
        "--module",
        "web",
        "--store",
        "secretsmanager",
        "--for",
        "init-creates",
        "--attach-to",
        "module.web.role_name",
    ]);
    assert_snapshot!(ended.all());
}

#[test]
fn a_role_of_no_service_account_is_not_exported() {
    let folder = Folder::with(MANIFEST);
    let arguments = [
        "export",
        "terraform",
        "web.yaml",
        "--module",
        "web",
        "--trust",
        "pod-identity",
    ];
    let ended = folder.kees(&arguments);
    assert_eq!(ended.status, 64, "{}", ended.all());
    assert!(
        ended.stderr.contains("name it with --service-account"),
        "{}",
        ended.all()
    );
}

/// The policy of the page on kiss.
const KISS: &str = "
rules:
- namespaces: ['*']
  storagePrefix: /k8s-secret/{namespace}
";

/// With it, the name of a role has 65 characters.
const LONG_PREFIX: &str = "a-prefix-with-fifty-four-characters-which-is-too-long1";

/// Exports the role of a `ServiceAccount` in the namespace `payments`.
fn role_of(account: &str, flags: &[&str]) -> Ended {
    let folder = Folder::new();
    folder.write("policy.yaml", KISS);
    let subject = [
        "export",
        "terraform",
        "--service-account",
        account,
        "--namespace",
        "payments",
        "--policy",
        "policy.yaml",
        "--module",
        "payments",
        "--store",
        "secretsmanager",
    ];
    folder.kees(&[&subject, flags].concat())
}

#[rstest]
#[case::irsa(&["--trust", "irsa", "--oidc-issuer", "https://oidc.example.com/id/A", "--account", "111122223333", "--aws-region", "eu-west-1"])]
#[case::pod_identity(&["--trust", "pod-identity", "--bind", "db-password", "--bind", "key-2", "--secret-prefix", "/k8s/secret"])]
fn terraform_has_the_role_to_which_kiss_binds(#[case] flags: &[&str]) {
    let how = flags[1];
    let ended = role_of("default", flags);
    assert_snapshot!(format!("terraform_role_{how}"), ended.all());
}

#[rstest]
#[case::long("d", &["--trust", "pod-identity", "--service-account-role-prefix", LONG_PREFIX], "1 to 64")]
#[case::strange("a/b", &["--trust", "pod-identity"], "cannot be the name of a role")]
#[case::secret("default", &["--trust", "pod-identity", "--bind", "a.b"], "'a.b' in --bind is not the name")]
#[case::account("default", &["--trust", "irsa", "--oidc-issuer", "https://oidc.example.com/id/A"], "needs --account")]
#[case::trust("default", &[], "--trust")]
#[case::files("default", &["--trust", "pod-identity", "web.yaml"], "cannot be used with")]
fn a_role_that_cannot_be_exported_is_an_error(
    #[case] account: &str,
    #[case] flags: &[&str],
    #[case] message: &str,
) {
    let ended = role_of(account, flags);
    assert_eq!(ended.status, 64, "{}", ended.all());
    assert!(ended.stderr.contains(message), "{}", ended.all());
}

#[test]
fn a_cloudformation_template_has_the_policy_and_the_role() {
    let folder = Folder::new();
    let arguments = ["export", "cloudformation", "--prefix", "/dev/${team}"];
    let trust = [
        "--namespace",
        "team-a",
        "--service-account",
        "web",
        "--trust",
        "irsa",
    ];
    let issuer = ["--oidc-issuer", "https://oidc.example.com/id/A"];
    let ended = folder.kees(&[&arguments[..], &trust, &issuer].concat());
    assert_snapshot!(ended.all());
}

#[test]
fn a_template_without_a_table_has_no_parameter() {
    let folder = Folder::new();
    let arguments = [
        "export",
        "cloudformation",
        "--prefix",
        "/dev",
        "--store",
        "ssm",
    ];
    let ended = folder.kees(&arguments).succeeded();
    let template: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(template.get("Parameters").is_none());
}

/// The names of entries that are long together.
fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("a-name-of-some-length-{n}"))
        .collect()
}

fn with_entries(names: &[String]) -> Folder {
    let prefix = "init.bsycorp.com/storage-prefix: /dev/team-a".to_owned();
    let entry = |name: &String| format!("secret.bsycorp.com/{name}: kind=REFERENCE");
    let annotations: Vec<_> = std::iter::once(prefix)
        .chain(names.iter().map(entry))
        .collect();
    let annotations: Vec<_> = annotations.iter().map(String::as_str).collect();
    Folder::with(&pod("web", &annotations))
}

/// 6,144 characters are not enough for the keys or ARNs of an inline policy, and 10,240 are not for the
/// last one.
#[rstest]
#[case::managed(150, "dynamodb", "iam-policy", &[])]
#[case::inline(400, "dynamodb", "iam-policy", &["--inline"])]
#[case::too_long_for_both(400, "secretsmanager", "iam-policy", &[])]
#[case::cloudformation(150, "ssm", "cloudformation", &[])]
#[case::terraform(150, "dynamodb", "terraform", &["--module", "web"])]
fn a_policy_that_iam_does_not_accept_is_an_error(
    #[case] entries: usize,
    #[case] store: &str,
    #[case] command: &str,
    #[case] flags: &[&str],
) {
    let folder = with_entries(&names(entries));
    let arguments = ["export", command, "web.yaml", "--store", store];
    let place = if command == "cloudformation" {
        &PLACE[4..]
    } else {
        &PLACE
    };
    let ended = folder.kees(&[&arguments, flags, place].concat());
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (65, ""),
        "{}",
        ended.all()
    );
    assert_snapshot!(
        format!("export_too_long_{command}_{entries}_{store}"),
        ended.stderr
    );
}

/// Each value of a long inline policy can be read, alone and with others, and no value beside it.
#[rstest]
#[case::dynamodb("dynamodb", 180)]
#[case::secretsmanager("secretsmanager", 40)]
#[case::ssm("ssm", 80)]
fn an_inline_policy_may_be_longer_than_a_managed_one(#[case] store: &str, #[case] entries: usize) {
    let names = names(entries);
    let folder = with_entries(&names);
    let arguments = [
        "export",
        "iam-policy",
        "web.yaml",
        "--inline",
        "--for",
        "init-reads",
    ];
    let ended = folder.kees(&[&arguments, &["--store", store][..], &PLACE].concat());
    let policy: Value = serde_json::from_str(&ended.succeeded().stdout).unwrap();
    let length = policy.to_string().len();
    assert!(LARGEST < length && length <= LARGEST_INLINE, "{length}");
    let below = |prefix: &str| -> Vec<String> {
        names
            .iter()
            .map(|name| format!("{prefix}/{name}"))
            .collect()
    };
    let (ours, others) = (below("/dev/team-a"), below("/dev/team-ab"));
    for (path, other) in ours.iter().zip(&others) {
        assert_all(&policy, &reads(store, path), true);
        assert_all(&policy, &reads(store, other), false);
        assert_all(&policy, &reads(store, &format!("{path}x")), false);
    }
    if store == "dynamodb" {
        let mut keys: Vec<&str> = ours.iter().map(String::as_str).collect();
        assert_all(&policy, &[items("dynamodb:BatchGetItem", &keys)], true);
        keys.push(&others[0]);
        assert_all(&policy, &[items("dynamodb:BatchGetItem", &keys)], false);
    }
}

#[test]
fn a_trust_policy_that_iam_does_not_accept_is_an_error() {
    let pods = (0..60).map(|n| {
        let pod = pod(
            &format!("web-{n}"),
            &["secret.bsycorp.com/x: kind=REFERENCE"],
        );
        let account = format!("spec:\n  serviceAccountName: web-{n}\n");
        format!("---\n{}", pod.replace("spec:\n", &account))
    });
    let folder = Folder::with(&pods.collect::<String>());
    let trust = ["export", "iam-policy", "web.yaml", "--trust", "irsa"];
    let issuer = ["--oidc-issuer", "https://oidc.example.com/id/A"];
    let ended = folder.kees(&[&trust[..], &issuer, &PLACE].concat());
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (65, ""),
        "{}",
        ended.all()
    );
    assert!(
        ended
            .stderr
            .contains("IAM accepts 2048 in a trust policy; export the"),
        "{}",
        ended.stderr
    );
}

#[rstest]
#[case::no_source(&[], 64)]
#[case::no_policy(&["--namespace", "team-a"], 64)]
#[case::prefix(&["--prefix", "/a//b"], 64)]
#[case::prefix_of_ssm(&["--prefix", "a", "--store", "ssm"], 64)]
#[case::no_aws(&["--prefix", "/a", "--store", "embedded"], 65)]
#[case::service_account(&["--namespace", "team-a", "--policy", "policy.yaml", "--cluster", "dev"], 64)]
#[case::issuer(&["--prefix", "/a", "--trust", "irsa"], 64)]
#[case::subject(&["--prefix", "/a", "--trust", "irsa", "--oidc-issuer", "https://e"], 64)]
fn an_error_says_what_is_missing(#[case] flags: &[&str], #[case] status: i32) {
    let folder = Folder::new();
    folder.write("policy.yaml", POLICY);
    let ended = folder.kees(&[&["export", "iam-policy"], flags, &PLACE].concat());
    assert_eq!((ended.status, ended.stdout.as_str()), (status, ""));
    let name: String = flags
        .join("_")
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    assert_snapshot!(format!("export_error_{name}"), ended.stderr);
}

#[test]
fn the_errors_of_manifests_are_reported_together() {
    let folder = Folder::with(&(pod("a", &["secret.bsycorp.com/x: kind=NONE"]) + "---\nkind: [\n"));
    let ended = folder.kees(&[&["export", "iam-policy", "web.yaml"], &PLACE[..]].concat());
    assert_eq!(ended.status, 65, "{}", ended.all());
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
}
