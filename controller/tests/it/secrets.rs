//! Kubernetes Secrets that pods ask for.

mod annotations;
mod classes;
mod conflicts;
mod failures;

use serde_json::{Value, json};

use crate::support::{api::Api, eventually};

/// The pod asks for the Secret `web`.
const SYNC: (&str, &str) = ("init.bsycorp.com/sync", "web");

/// An entry that something else stores.
const TOKEN: (&str, &str) = ("secret.bsycorp.com/token", "kind=REFERENCE");

/// Longer than any test.
const LONG: &str = "1h";

/// As short as the periods of the flag are not.
const SHORT: &str = "1s";

async fn has_event(api: &Api, pod: &str, text: &str) {
    let has_event = || api.events_of(pod).iter().any(|event| event.contains(text));
    eventually(&format!("{pod}: {text}"), has_event).await;
}

async fn has_text(api: &Api, name: &str, key: &str, text: &str) {
    let has_text = || api.secret_text("team-a", name, key).as_deref() == Some(text);
    eventually(&format!("{name}: {key} is {text}"), has_text).await;
}

fn replica_set(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": uid, "controller": true})
}

/// The uids of the owners of a Secret.
fn owners(api: &Api, name: &str) -> Vec<String> {
    let secret = api.secret("team-a", name).unwrap();
    let owners = secret["metadata"]["ownerReferences"].as_array().unwrap();
    let uid = |owner: &Value| owner["uid"].as_str().unwrap().to_owned();
    owners.iter().map(uid).collect()
}
