//! Secrets of `secretObjects` of a class.

use serde_json::{Value, json};

use super::{LONG, SHORT, has_event, has_text, owners, replica_set};
use crate::support::{Running, api::Api, eventually, prefix, stores::TestStores};

const VOLUMES: &str = "init.bsycorp.com/class-volumes";
const OF_DB: (&str, &str) = (VOLUMES, r#"{"secrets": {"secretProviderClass": "db"}}"#);

/// A class with one secret and one parameter, and one Secret of them.
fn class(parameters: &Value) -> Value {
    let objects = "
- {objectName: app/db, objectType: secretsmanager, objectAlias: db}
- {objectName: /app/url, objectType: ssmparameter, objectAlias: url}
";
    let mut class = json!({
        "provider": "aws",
        "parameters": {"objects": objects},
        "secretObjects": [{
            "secretName": "db", "type": "Opaque", "labels": {"team": "a"}, "annotations": {"note": "1"},
            "data": [{"objectName": "db", "key": "password"}, {"objectName": "url", "key": "URL"}],
        }],
    });
    for (name, value) in parameters.as_object().unwrap() {
        class["parameters"][name] = value.clone();
    }
    class
}

fn fill(stores: &TestStores, region: &str, value: &str) {
    stores.region(region).put("app/db", value.as_bytes());
    stores.region(region).put("/app/url", b"db.example");
}

#[tokio::test]
async fn a_class_is_read_once_for_all_of_its_pods() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    api.put_class("team-a", "db", &class(&json!({})));
    for number in 0..300 {
        api.apply("team-a", &format!("web-{number}"), &[OF_DB]);
    }
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "db", "password", "one").await;
    has_text(&api, "db", "URL", "db.example").await;
    eventually("all owners", || owners(&api, "db").len() == 300).await;
    // One for each service.
    assert_eq!(stores.region("eu-west-1").reads(), 2);
    let metadata = api.secret("team-a", "db").unwrap()["metadata"].clone();
    let labels = json!({"team": "a", "app.kubernetes.io/managed-by": "kees",
                        "secrets-store.csi.k8s.io/managed": "true"});
    assert_eq!(metadata["labels"], labels);
    let annotations = json!({"note": "1", "kees.bsycorp.com/source": "SecretProviderClass db"});
    assert_eq!(metadata["annotations"], annotations);
    controller.stop().await;
}

#[tokio::test]
async fn a_changed_class_and_a_changed_value_are_used() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    fill(&stores, "eu-west-2", "other");
    api.put_class("team-a", "db", &class(&json!({})));
    api.apply("team-a", "web-1", &[OF_DB]);
    let controller = Running::syncing(&api, &stores, SHORT);
    has_text(&api, "db", "password", "one").await;
    fill(&stores, "eu-west-1", "two");
    has_text(&api, "db", "password", "two").await;
    controller.stop().await;

    let controller = Running::syncing(&api, &stores, LONG);
    api.put_class("team-a", "db", &class(&json!({"region": "eu-west-2"})));
    has_text(&api, "db", "password", "other").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_denied_object_names_itself_its_region_and_the_action() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    stores.region("eu-west-1").deny("app/db");
    api.put_class("team-a", "db", &class(&json!({})));
    api.apply("team-a", "web-1", &[OF_DB]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_event(
        &api,
        "web-1",
        "Warning KeesSecretFailed: Secret db: secretsmanager app/db in eu-west-1",
    )
    .await;
    has_event(
        &api,
        "web-1",
        "secretsmanager:GetSecretValue is denied; allow it",
    )
    .await;
    assert_eq!(api.state().secret_writes, 0);
    stores.region("eu-west-1").permit("app/db");
    has_text(&api, "db", "password", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn the_failover_region_is_read_if_the_first_one_fails() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    fill(&stores, "eu-west-2", "two");
    stores.region("eu-west-1").deny("app/db");
    api.put_class(
        "team-a",
        "db",
        &class(&json!({"failoverRegion": "eu-west-2"})),
    );
    api.apply("team-a", "web-1", &[OF_DB]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "db", "password", "two").await;
    controller.stop().await;
}

#[tokio::test]
async fn attributes_of_the_volume_replace_parameters() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-3", "three");
    api.put_class("team-a", "db", &class(&json!({"region": "eu-west-1"})));
    let volumes = r#"{"secrets": {"secretProviderClass": "db", "region": "eu-west-3"}}"#;
    api.apply("team-a", "web-1", &[(VOLUMES, volumes)]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "db", "password", "three").await;
    let source =
        &api.secret("team-a", "db").unwrap()["metadata"]["annotations"]["kees.bsycorp.com/source"];
    assert_eq!(*source, "SecretProviderClass db (region=eu-west-3)");
    controller.stop().await;
}

#[tokio::test]
async fn the_policy_denies_objects_of_classes() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    api.put_class("team-a", "db", &class(&json!({})));
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.yaml");
    let rule = |objects: &str| {
        format!(
            "rules:\n- {{namespaces: [team-a], storagePrefix: /dev, mode: warn, classObjects: [{objects}]}}\n"
        )
    };
    std::fs::write(&policy, rule("'other/*'")).unwrap();
    let controller = Running::syncing_replica(
        &api,
        &stores,
        LONG,
        "kees-controller-1",
        Some(policy.clone()),
    );
    api.apply("team-a", "web-1", &[OF_DB]);
    has_event(&api, "web-1", "Warning KeesSecretDenied").await;
    has_event(&api, "web-1", "app/db").await;
    assert_eq!(stores.region("eu-west-1").reads(), 0);
    std::fs::write(&policy, rule("'app/*', '/app/*'")).unwrap();
    has_text(&api, "db", "password", "one").await;
    controller.stop().await;
}

#[tokio::test]
async fn a_class_that_is_wrong_or_gone_is_told() {
    let (api, stores) = (Api::new(), TestStores::new());
    let mut wrong = class(&json!({}));
    wrong["secretObjects"][0]["data"][0]["objectName"] = json!("dbx");
    api.put_class("team-a", "db", &wrong);
    let mut token = class(&json!({}));
    token["secretObjects"][0]["type"] = json!("kubernetes.io/service-account-token");
    api.put_class("team-b", "db", &token);
    api.apply("team-a", "web-1", &[OF_DB]);
    api.apply("team-b", "token-1", &[OF_DB]);
    api.apply("team-c", "gone-1", &[OF_DB]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_event(&api, "web-1", "SecretProviderClass db: spec.secretObjects[0].data[0].objectName: the class has no file dbx")
        .await;
    has_event(
        &api,
        "token-1",
        "kubernetes.io/service-account-token, which Kubernetes fills",
    )
    .await;
    has_event(&api, "gone-1", "SecretProviderClass db: it does not exist").await;
    assert_eq!(api.state().secret_writes, 0);
    controller.stop().await;
}

#[tokio::test]
async fn a_secret_of_the_driver_is_taken_over_by_its_class() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    api.put_class("team-a", "db", &class(&json!({})));
    let of_driver = json!({
        "metadata": {"labels": {"secrets-store.csi.k8s.io/managed": "true"},
                     "ownerReferences": [{"kind": "ReplicaSet", "name": "old", "uid": "old"}]},
        "type": "Opaque", "data": {"password": "b2xk"},
    });
    api.put_secret("team-a", "db", of_driver);
    api.apply("team-a", "web-1", &[OF_DB]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "db", "password", "one").await;
    assert_eq!(owners(&api, "db").len(), 2);
    let labels = api.secret("team-a", "db").unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels["app.kubernetes.io/managed-by"], "kees");
    controller.stop().await;
}

#[tokio::test]
async fn a_rollout_that_changes_the_class_or_goes_to_a_class_ends_with_the_new_content() {
    let (api, stores) = (Api::new(), TestStores::new());
    fill(&stores, "eu-west-1", "one");
    fill(&stores, "eu-west-2", "two");
    stores.put("/dev/password", b"zero");
    api.put_class("team-a", "db", &class(&json!({})));
    api.put_class("team-a", "db-2", &class(&json!({"region": "eu-west-2"})));
    let set = |uid: &str| replica_set("web-7f9c", uid);
    let of_annotations = [
        ("secret.bsycorp.com/password", "kind=REFERENCE"),
        ("init.bsycorp.com/sync", "db"),
        prefix("/dev"),
    ];
    api.apply_with("team-a", "web-1", &of_annotations, &set("1"), &[]);
    let controller = Running::syncing(&api, &stores, LONG);
    has_text(&api, "db", "password", "zero").await;
    api.apply_with("team-a", "web-2", &[OF_DB], &set("2"), &[]);
    has_text(&api, "db", "password", "one").await;
    let of_other = (VOLUMES, r#"{"secrets": {"secretProviderClass": "db-2"}}"#);
    api.apply_with("team-a", "web-3", &[of_other], &set("3"), &[]);
    has_text(&api, "db", "password", "two").await;
    // Back again, with the ReplicaSet that is still there.
    api.apply_with("team-a", "web-4", &[OF_DB], &set("2"), &[]);
    has_text(&api, "db", "password", "one").await;
    for pod in ["web-1", "web-2", "web-3", "web-4"] {
        let events = api.events_of(pod);
        assert!(
            !events.iter().any(|event| event.contains("Conflict")),
            "{events:?}"
        );
    }
    // A pod of another workload has no say.
    api.apply("team-a", "other", &[of_other]);
    has_event(&api, "other", "Warning KeesSecretConflict: Secret db").await;
    has_text(&api, "db", "password", "one").await;
    controller.stop().await;
}
