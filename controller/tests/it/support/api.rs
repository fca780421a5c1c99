//! A Kubernetes API in memory, with pods, Events and workloads: lists, watches from a resource version, 410
//! Gone and watches that are closed.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame},
};
use kube::client::{Body, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

pub(super) type ApiResponse = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A clone is another handle of the same API.
#[derive(Clone)]
pub struct Api {
    state: Arc<Mutex<State>>,
    pub(super) changes: watch::Sender<u64>,
}

pub struct State {
    pods: BTreeMap<String, Value>,
    /// The changes of pods, with their versions.
    history: Vec<(u64, Value)>,
    /// Changes up to this version are compacted.
    compacted: u64,
    is_gone_status: bool,
    pub(super) version: u64,
    /// The number of times that all watches were closed.
    pub(super) closed: u64,
    /// The Events that were created.
    pub events: Vec<Value>,
    /// The response to each request for an Event, instead of storing it.
    pub event_status: Option<StatusCode>,
    /// The number of requests to change the status of a pod.
    pub condition_writes: usize,
    /// The response to each of them, instead of changing it.
    pub condition_status: Option<StatusCode>,
    /// The Lease of the leader.
    pub lease: Option<Value>,
    /// The response to each request for the Lease.
    pub lease_status: Option<StatusCode>,
    /// Workloads, `ReplicaSets` and budgets, by their paths.
    pub objects: BTreeMap<String, Value>,
    /// The response to each request for one of them.
    pub object_status: Option<StatusCode>,
    /// The paths of the workloads that were restarted.
    pub restarted: Vec<String>,
    /// Secrets, by namespace and name.
    pub secrets: BTreeMap<String, Value>,
    /// The changes of Secrets and classes, with their versions.
    pub(super) other_history: Vec<(u64, &'static str, Value)>,
    /// The classes, by namespace and name. `None`: the cluster does not know the kind.
    pub classes: Option<BTreeMap<String, Value>>,
    /// The response to each request for a Secret.
    pub secret_status: Option<StatusCode>,
    /// The message of this response.
    pub secret_message: Option<String>,
    /// How many Secrets were created or replaced.
    pub secret_writes: usize,
    /// The response to each list and watch, instead of pods.
    pub pod_status: Option<StatusCode>,
    pub lists: usize,
    pub watches: usize,
}

impl Api {
    pub fn new() -> Self {
        let state = State {
            pods: BTreeMap::new(),
            history: Vec::new(),
            compacted: 0,
            is_gone_status: false,
            version: 1,
            closed: 0,
            events: Vec::new(),
            event_status: None,
            condition_writes: 0,
            condition_status: None,
            lease: None,
            lease_status: None,
            objects: BTreeMap::new(),
            object_status: None,
            restarted: Vec::new(),
            secrets: BTreeMap::new(),
            other_history: Vec::new(),
            classes: None,
            secret_status: None,
            secret_message: None,
            secret_writes: 0,
            pod_status: None,
            lists: 0,
            watches: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changes: watch::Sender::new(1),
        }
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.respond(request).await) }
        });
        Client::new(service, "default")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates a pod, or replaces the annotations of an existing one.
    pub fn apply(&self, namespace: &str, name: &str, annotations: &[(&str, &str)]) {
        self.apply_with(namespace, name, annotations, &json!({}), &[]);
    }

    /// As [`Api::apply`], with an owner and with the states of init containers.
    pub fn apply_with(
        &self,
        namespace: &str,
        name: &str,
        annotations: &[(&str, &str)],
        owner: &Value,
        statuses: &[Value],
    ) {
        let owners = Vec::from_iter(owner["uid"].is_string().then_some(owner));
        let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
        self.change(|state| {
            let before = state.pods.get(&format!("{namespace}/{name}"));
            let exists = before.is_some();
            let uid = match before {
                Some(pod) => pod["metadata"]["uid"].clone(),
                None => json!(format!("uid-{}-of-{name}", state.version)),
            };
            let pod = json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "uid": uid,
                    "resourceVersion": state.version.to_string(),
                    "creationTimestamp": created_at(state.version),
                    "labels": {"app": name.split('-').next()},
                    "annotations": annotations,
                    "ownerReferences": owners,
                },
                "spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "app:1"}]},
                "status": {"phase": "Pending", "initContainerStatuses": statuses},
            });
            state.pods.insert(format!("{namespace}/{name}"), pod.clone());
            json!({"type": if exists { "MODIFIED" } else { "ADDED" }, "object": pod})
        });
    }

    /// Deletes a pod.
    pub fn delete(&self, namespace: &str, name: &str) {
        self.change(|state| {
            let pod = state.pods.remove(&format!("{namespace}/{name}")).unwrap();
            json!({"type": "DELETED", "object": pod})
        });
    }

    /// Ends every watch, as an API server does that restarts.
    pub fn close_watches(&self) {
        let mut state = self.state();
        state.closed += 1;
        let version = state.version;
        drop(state);
        self.changes.send_replace(version);
    }

    /// Forgets all changes, as etcd does: a watch from an older version gets 410 Gone, as the status
    /// of the response or as an event of the watch.
    pub fn compact(&self, is_status: bool) {
        let mut state = self.state();
        state.is_gone_status = is_status;
        state.history.clear();
        state.compacted = state.version;
    }

    /// The texts of the Events of a pod or workload.
    pub fn events_of(&self, name: &str) -> Vec<String> {
        let state = self.state();
        let events = state
            .events
            .iter()
            .filter(|event| event["regarding"]["name"] == name);
        let text = |event: &Value| {
            let text = |field: &str| event[field].as_str().unwrap().to_owned();
            format!("{} {}: {}", text("type"), text("reason"), text("note"))
        };
        events.map(text).collect()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> Value) {
        let mut state = self.state();
        state.version += 1;
        let event = change(&mut state);
        let version = state.version;
        state.history.push((version, event));
        drop(state);
        self.changes.send_replace(version);
    }

    async fn respond(&self, request: Request<Body>) -> ApiResponse {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = head.uri.query().unwrap_or_default();
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/api/v1/pods") if query.contains("watch=true") => self.watch(query),
            (&Method::GET, "/api/v1/pods") if query.contains("metadata.name") => {
                self.list_named(query)
            }
            (&Method::GET, "/api/v1/pods") => self.list(),
            (&Method::GET, path) if path.contains("/pods/") => self.get(path),
            (&Method::POST, path) if path.ends_with("/events") => {
                let mut state = self.state();
                if let Some(status) = state.event_status {
                    return failure(status);
                }
                let event: Value = serde_json::from_slice(&body).unwrap();
                state.events.push(event.clone());
                response(StatusCode::CREATED, &event)
            }
            (&Method::PATCH, path) if path.ends_with("/status") => self.patch_status(path, &body),
            (_, path) if path.contains("/secrets") || path.contains("secretproviderclasses") => {
                self.secrets(&head.method, path, query, &body)
            }
            (method, path) if path.contains("/leases") => self.lease(method, &body),
            (method, path) if path.contains("/apis/apps/") || path.contains("/apis/policy/") => {
                self.object(method, path, &body)
            }
            _ => failure(StatusCode::NOT_FOUND),
        }
    }

    fn get(&self, path: &str) -> ApiResponse {
        let state = self.state();
        let key = path.trim_start_matches("/api/v1/namespaces/");
        match state.pods.get(&key.replace("/pods/", "/")) {
            Some(pod) => response(StatusCode::OK, pod),
            None => failure(StatusCode::NOT_FOUND),
        }
    }

    fn list_named(&self, query: &str) -> ApiResponse {
        let state = self.state();
        let name = query.split("metadata.name%3D").nth(1).unwrap();
        let name = name.split('&').next().unwrap();
        let pods = state.pods.values();
        let pods: Vec<_> = pods.filter(|pod| pod["metadata"]["name"] == name).collect();
        response(StatusCode::OK, &pod_list(&state, &pods))
    }

    /// Adds conditions to a pod, or replaces those of the same type, as a strategic merge patch does.
    fn patch_status(&self, path: &str, body: &[u8]) -> ApiResponse {
        let mut parts = path.rsplit('/').skip(1);
        let name = parts.next().unwrap();
        let namespace = parts.nth(1).unwrap();
        let key = format!("{namespace}/{name}");
        let change: Value = serde_json::from_slice(body).unwrap();
        let mut state = self.state();
        state.condition_writes += 1;
        if let Some(status) = state.condition_status {
            return failure(status);
        }
        let Some(pod) = state.pods.get(&key) else {
            return failure(StatusCode::NOT_FOUND);
        };
        if pod["metadata"]["uid"] != change["metadata"]["uid"] {
            return failure(StatusCode::CONFLICT);
        }
        drop(state);
        self.change(|state| {
            let version = state.version;
            let pod = state.pods.get_mut(&key).unwrap();
            pod["metadata"]["resourceVersion"] = json!(version.to_string());
            let before = pod["status"]["conditions"].take();
            let mut conditions = before.as_array().cloned().unwrap_or_default();
            for condition in change["status"]["conditions"].as_array().unwrap() {
                let same = |other: &&mut Value| other["type"] == condition["type"];
                match conditions.iter_mut().find(same) {
                    Some(other) => merge(other, condition),
                    None => conditions.push(condition.clone()),
                }
            }
            pod["status"]["conditions"] = Value::Array(conditions);
            json!({"type": "MODIFIED", "object": pod})
        });
        response(StatusCode::OK, &self.state().pods[&key])
    }

    /// The status, the reason and the message of the condition of a pod.
    pub fn condition_of(&self, namespace: &str, name: &str) -> Option<String> {
        let state = self.state();
        let pod = state.pods.get(&format!("{namespace}/{name}"))?;
        let conditions = pod["status"]["conditions"].as_array()?;
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == "kees.bsycorp.com/secrets-created")?;
        let text = |field: &str| condition[field].as_str().unwrap().to_owned();
        // Kubernetes reads only this form.
        let time = text("lastTransitionTime");
        assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
        Some(format!(
            "{} {}: {}",
            text("status"),
            text("reason"),
            text("message")
        ))
    }

    /// Reads or writes the Lease. A write must name the version that it changes.
    fn lease(&self, method: &Method, body: &[u8]) -> ApiResponse {
        let mut state = self.state();
        if let Some(status) = state.lease_status {
            return failure(status);
        }
        let before = state.lease.clone();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        if method == Method::GET {
            return match before {
                Some(lease) => response(StatusCode::OK, &lease),
                None => failure(StatusCode::NOT_FOUND),
            };
        }
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        if before.as_ref().map(version).unwrap_or_default() != version(&lease) {
            return failure(StatusCode::CONFLICT);
        }
        state.version += 1;
        lease["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.lease = Some(lease.clone());
        response(StatusCode::OK, &lease)
    }

    /// Reads an object, lists those of a namespace, or restarts a workload. A change must name the version
    /// that it changes.
    fn object(&self, method: &Method, path: &str, body: &[u8]) -> ApiResponse {
        let mut state = self.state();
        if let Some(status) = state.object_status {
            return failure(status);
        }
        if path.ends_with("/poddisruptionbudgets") {
            let below = |other: &&String| other.starts_with(path);
            let paths: Vec<_> = state.objects.keys().filter(below).collect();
            let items: Vec<_> = paths.into_iter().map(|path| &state.objects[path]).collect();
            return response(StatusCode::OK, &json!({"metadata": {}, "items": items}));
        }
        state.version += 1;
        let version = state.version.to_string();
        let Some(object) = state.objects.get_mut(path) else {
            return failure(StatusCode::NOT_FOUND);
        };
        if method == Method::PATCH {
            let change: Value = serde_json::from_slice(body).unwrap();
            let metadata = &change["metadata"];
            if metadata["resourceVersion"] != object["metadata"]["resourceVersion"]
                || metadata["uid"] != object["metadata"]["uid"]
            {
                return failure(StatusCode::CONFLICT);
            }
            let template = "/spec/template/metadata/annotations";
            let annotations = change.pointer(template).unwrap();
            merge(object.pointer_mut(template).unwrap(), annotations);
            object["metadata"]["resourceVersion"] = json!(version);
            object["status"]["updatedReplicas"] = json!(0);
            let object = object.clone();
            state.restarted.push(path.to_owned());
            return response(StatusCode::OK, &object);
        }
        response(StatusCode::OK, object)
    }

    /// The replica that holds the Lease.
    pub fn holder(&self) -> Option<String> {
        let state = self.state();
        let holder = state.lease.as_ref()?["spec"]["holderIdentity"].as_str();
        holder.map(str::to_owned)
    }

    fn list(&self) -> ApiResponse {
        let mut state = self.state();
        state.lists += 1;
        if let Some(status) = state.pod_status {
            return failure(status);
        }
        let pods: Vec<_> = state.pods.values().collect();
        response(StatusCode::OK, &pod_list(&state, &pods))
    }

    fn watch(&self, query: &str) -> ApiResponse {
        let version = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("resourceVersion="));
        let version: u64 = version.unwrap().parse().unwrap();
        let mut state = self.state();
        state.watches += 1;
        if let Some(status) = state.pod_status {
            return failure(status);
        }
        if version < state.compacted {
            return if state.is_gone_status {
                failure(StatusCode::GONE)
            } else {
                let event = json!({"type": "ERROR", "object": status(StatusCode::GONE)});
                response(StatusCode::OK, &event)
            };
        }
        let closed = state.closed;
        drop(state);
        let start = (self.clone(), self.changes.subscribe(), version);
        let events = stream::unfold(start, move |(api, mut changes, seen)| async move {
            loop {
                let next = {
                    let state = api.state();
                    if state.closed != closed {
                        return None;
                    }
                    state
                        .history
                        .iter()
                        .find(|(version, _)| *version > seen)
                        .cloned()
                };
                if let Some((version, event)) = next {
                    let frame = Frame::data(Bytes::from(format!("{event}\n")));
                    return Some((Ok(frame), (api, changes, version)));
                }
                changes.changed().await.ok()?;
            }
        });
        Response::new(UnsyncBoxBody::new(StreamBody::new(events)))
    }
}

/// A time that grows with the version.
fn created_at(version: u64) -> String {
    format!(
        "2026-01-01T{:02}:{:02}:{:02}Z",
        version / 3600,
        version / 60 % 60,
        version % 60
    )
}

fn pod_list(state: &State, pods: &[&Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PodList",
        "metadata": {"resourceVersion": state.version.to_string()},
        "items": pods,
    })
}

fn merge(into: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        into[name] = value.clone();
    }
}

pub(super) fn failure(code: StatusCode) -> ApiResponse {
    response(code, &status(code))
}

pub(super) fn status(code: StatusCode) -> Value {
    let reason = match code {
        StatusCode::GONE => "Expired",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        _ => "InternalError",
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("the test says {code}"),
        "reason": reason,
        "code": code.as_u16(),
    })
}

pub(super) fn response(status: StatusCode, body: &Value) -> ApiResponse {
    let body = Full::new(Bytes::from(body.to_string()));
    let mut response = Response::new(UnsyncBoxBody::new(body));
    *response.status_mut() = status;
    response
}
