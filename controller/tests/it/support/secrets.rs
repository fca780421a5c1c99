//! Secrets and classes of the API in memory.

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Full, StreamBody};
use hyper::{
    Method, Response, StatusCode,
    body::{Bytes, Frame},
};
use serde_json::{Value, json};

use super::api::{Api, ApiResponse, State, failure, response, status};

const LABEL: &str = "app.kubernetes.io/managed-by";

impl Api {
    /// A Secret, if there is one.
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Value> {
        self.state()
            .secrets
            .get(&format!("{namespace}/{name}"))
            .cloned()
    }

    /// The text of a key of a Secret.
    pub fn secret_text(&self, namespace: &str, name: &str, key: &str) -> Option<String> {
        let secret = self.secret(namespace, name)?;
        let value = kees_common::SecretValue::from_base64(secret["data"][key].as_str()?).unwrap();
        Some(value.expose_text().unwrap().to_owned())
    }

    /// Writes a Secret as somebody else does.
    pub fn put_secret(&self, namespace: &str, name: &str, mut secret: Value) {
        secret["metadata"]["name"] = json!(name);
        secret["metadata"]["namespace"] = json!(namespace);
        self.change_other("Secret", |state| state.put_secret(namespace, name, secret));
    }

    /// Deletes a Secret.
    pub fn delete_secret(&self, namespace: &str, name: &str) {
        self.change_other("Secret", |state| {
            let secret = state
                .secrets
                .remove(&format!("{namespace}/{name}"))
                .unwrap();
            json!({"type": "DELETED", "object": metadata_of(&secret)})
        });
    }

    /// Creates or replaces a class.
    pub fn put_class(&self, namespace: &str, name: &str, spec: &Value) {
        self.change_other("SecretProviderClass", |state| {
            let version = state.version.to_string();
            let class = json!({
                "apiVersion": "secrets-store.csi.x-k8s.io/v1",
                "kind": "SecretProviderClass",
                "metadata": {"namespace": namespace, "name": name, "resourceVersion": version},
                "spec": spec,
            });
            let classes = state.classes.get_or_insert_default();
            let before = classes.insert(format!("{namespace}/{name}"), class.clone());
            let kind = if before.is_some() {
                "MODIFIED"
            } else {
                "ADDED"
            };
            json!({"type": kind, "object": class})
        });
    }

    fn change_other(&self, kind: &'static str, change: impl FnOnce(&mut State) -> Value) {
        let mut state = self.state();
        state.version += 1;
        let event = change(&mut state);
        let version = state.version;
        state.other_history.push((version, kind, event));
        drop(state);
        self.changes.send_replace(version);
    }

    pub(super) fn secrets(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> ApiResponse {
        let is_class = path.contains("secretproviderclasses");
        let state = self.state();
        if is_class && state.classes.is_none() {
            return failure(StatusCode::NOT_FOUND);
        }
        if let Some(code) = state.secret_status.filter(|_| !is_class) {
            let mut failure = status(code);
            if let Some(message) = &state.secret_message {
                failure["message"] = json!(message);
            }
            return response(code, &failure);
        }
        drop(state);
        if query.contains("watch=true") {
            return self.watch_other(
                if is_class {
                    "SecretProviderClass"
                } else {
                    "Secret"
                },
                query,
            );
        }
        if is_class {
            let state = self.state();
            let items: Vec<_> = state
                .classes
                .iter()
                .flatten()
                .map(|(_, of)| of.clone())
                .collect();
            return response(
                StatusCode::OK,
                &list(&state, "SecretProviderClassList", &items),
            );
        }
        if path == "/api/v1/secrets" {
            let state = self.state();
            let ours = state.secrets.values().filter(|secret| is_ours(secret));
            let items: Vec<_> = ours.map(metadata_of).collect();
            return response(
                StatusCode::OK,
                &list(&state, "PartialObjectMetadataList", &items),
            );
        }
        self.one_secret(method, path, body)
    }

    fn one_secret(&self, method: &Method, path: &str, body: &[u8]) -> ApiResponse {
        let key = path
            .trim_start_matches("/api/v1/namespaces/")
            .replace("/secrets", "");
        if method == Method::GET {
            return match self.state().secrets.get(&key) {
                // A response that is no JSON.
                Some(Value::String(text)) => {
                    let text = Full::new(Bytes::from(format!("{{{text}")));
                    Response::new(UnsyncBoxBody::new(text))
                }
                Some(secret) => response(StatusCode::OK, secret),
                None => failure(StatusCode::NOT_FOUND),
            };
        }
        let secret: Value = serde_json::from_slice(body).unwrap();
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = secret["metadata"]["namespace"].as_str().unwrap().to_owned();
        let state = self.state();
        let before = state.secrets.get(&format!("{namespace}/{name}")).cloned();
        drop(state);
        match (method, before) {
            (&Method::POST, Some(_)) => return failure(StatusCode::CONFLICT),
            (&Method::PUT, None) => return failure(StatusCode::NOT_FOUND),
            (&Method::PUT, Some(before)) => {
                let version = |of: &Value| of["metadata"]["resourceVersion"].clone();
                if version(&before) != version(&secret) {
                    return failure(StatusCode::CONFLICT);
                }
                if before["type"] != secret["type"] {
                    return failure(StatusCode::UNPROCESSABLE_ENTITY);
                }
            }
            _ => {}
        }
        self.change_other("Secret", |state| {
            state.secret_writes += 1;
            state.put_secret(&namespace, &name, secret)
        });
        response(
            StatusCode::OK,
            &self.state().secrets[&format!("{namespace}/{name}")],
        )
    }

    fn watch_other(&self, kind: &'static str, query: &str) -> ApiResponse {
        let version = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("resourceVersion="));
        let version: u64 = version.unwrap().parse().unwrap();
        let closed = self.state().closed;
        let start = (self.clone(), self.changes.subscribe(), version);
        let events = stream::unfold(start, move |(api, mut changes, seen)| async move {
            loop {
                let next = {
                    let state = api.state();
                    if state.closed != closed {
                        return None;
                    }
                    let mut history = state.other_history.iter();
                    let is_next =
                        |(version, of, _): &&(u64, &str, Value)| *version > seen && *of == kind;
                    history.find(is_next).cloned()
                };
                if let Some((version, _, event)) = next {
                    let frame = Frame::data(Bytes::from(format!("{event}\n")));
                    return Some((Ok(frame), (api, changes, version)));
                }
                changes.changed().await.ok()?;
            }
        });
        Response::new(UnsyncBoxBody::new(StreamBody::new(events)))
    }
}

impl State {
    /// Writes a Secret. Returns what a watch on the Secrets of the controller sees.
    fn put_secret(&mut self, namespace: &str, name: &str, mut secret: Value) -> Value {
        secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let key = format!("{namespace}/{name}");
        let before = self.secrets.insert(key, secret.clone());
        let was_ours = before.is_some_and(|before| is_ours(&before));
        let kind = match (was_ours, is_ours(&secret)) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => "BOOKMARK",
        };
        json!({"type": kind, "object": metadata_of(&secret)})
    }
}

fn is_ours(secret: &Value) -> bool {
    secret["metadata"]["labels"][LABEL] == "kees"
}

fn metadata_of(secret: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": secret["metadata"],
    })
}

fn list(state: &State, kind: &str, items: &[Value]) -> Value {
    let version = state.version.to_string();
    json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items})
}
