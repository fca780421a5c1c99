//! A Kubernetes API with `SecretProviderClass` objects, ServiceAccounts and pods.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::StreamExt as _;
use http_body_util::{Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame},
};
use kube::client::{Body, Client};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

/// The plural names of the kinds.
pub const CLASSES: &str = "secretproviderclasses";
pub const ACCOUNTS: &str = "serviceaccounts";
pub const PODS: &str = "pods";

/// A clone is another handle of the same API.
#[derive(Clone)]
pub struct ClassApi {
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<(String, Value)>,
    /// While it is true, no request is answered.
    pub paused: watch::Sender<bool>,
}

#[derive(Default)]
pub struct State {
    /// By plural name, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    /// Objects that neither a list nor a watch shows yet.
    unseen: BTreeMap<(String, String, String), Value>,
    /// The response to each request for a kind, instead of objects.
    pub status: BTreeMap<&'static str, StatusCode>,
    /// The paths of single objects that were asked for.
    pub asked: Vec<String>,
    /// The queries of lists and watches of pods.
    pub pod_queries: Vec<String>,
}

impl State {
    /// Deletes what only a GET showed.
    pub fn unseen_are_gone(&mut self) {
        self.unseen.clear();
    }
}

impl ClassApi {
    pub fn new() -> Self {
        let api = Self {
            state: Arc::default(),
            events: broadcast::Sender::new(64),
            paused: watch::Sender::new(false),
        };
        let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"});
        api.put(
            ACCOUNTS,
            "default",
            json!({"metadata": {"annotations": role}}),
        );
        api
    }

    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.respond(request).await) }
        });
        Client::new(service, "kees-system")
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates or changes an object of the namespace `team-a`.
    pub fn put(&self, plural: &str, name: &str, object: Value) {
        let object = complete(plural, name, object);
        let key = key(plural, name);
        let known = self.state().objects.insert(key, object.clone());
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        self.send(plural, kind, &object);
    }

    /// Creates an object that only a GET shows.
    pub fn put_unseen(&self, plural: &str, name: &str, object: Value) {
        let object = complete(plural, name, object);
        self.state().unseen.insert(key(plural, name), object);
    }

    /// Closes all watches.
    pub fn close_watches(&self) {
        let _ = self.events.send((String::new(), Value::Null));
    }

    pub fn delete(&self, plural: &str, name: &str) {
        let object = self.state().objects.remove(&key(plural, name)).unwrap();
        self.send(plural, "DELETED", &object);
    }

    fn send(&self, plural: &str, kind: &str, object: &Value) {
        // An error means that nobody watches.
        let event = json!({"type": kind, "object": object});
        let _ = self.events.send((plural.to_owned(), event));
    }

    async fn respond(&self, request: Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let mut paused = self.paused.subscribe();
        paused.wait_for(|paused| !paused).await.unwrap();
        let uri = request.uri();
        let path: Vec<&str> = uri.path().split('/').collect();
        let plural = if uri.path().contains(CLASSES) {
            CLASSES
        } else if path.last() == Some(&PODS) {
            let query = uri.query().unwrap_or_default().to_owned();
            self.state().pod_queries.push(query);
            PODS
        } else {
            ACCOUNTS
        };
        if let Some(status) = self.state().status.get(plural) {
            return failure(*status);
        }
        if uri
            .query()
            .is_some_and(|query| query.contains("watch=true"))
        {
            return self.watch(plural);
        }
        if path.last() == Some(&plural) {
            return self.list(plural);
        }
        let mut state = self.state();
        state.asked.push(uri.path().to_owned());
        let key = key(plural, path.last().unwrap());
        let object = state.objects.get(&key).or_else(|| state.unseen.get(&key));
        object.map_or_else(
            || failure(StatusCode::NOT_FOUND),
            |object| response(StatusCode::OK, object),
        )
    }

    fn list(&self, plural: &str) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let state = self.state();
        let items = state
            .objects
            .iter()
            .filter(|((kind, ..), _)| kind == plural);
        let items: Vec<_> = items.map(|(_, object)| object.clone()).collect();
        let (version, kind) = types(plural);
        let list = json!({
            "apiVersion": version,
            "kind": format!("{kind}List"),
            "metadata": {"resourceVersion": "1"},
            "items": items,
        });
        response(StatusCode::OK, &list)
    }

    fn watch(&self, plural: &'static str) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let events = futures_util::stream::unfold(self.events.subscribe(), |mut events| async {
            let event = events.recv().await.ok()?;
            (!event.0.is_empty()).then_some((event, events))
        });
        let events = events.filter_map(move |(kind, event)| async move {
            (kind == plural).then(|| Ok(Frame::data(format!("{event}\n").into())))
        });
        let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(events)));
        *response.status_mut() = StatusCode::OK;
        response
    }
}

fn key(plural: &str, name: &str) -> (String, String, String) {
    (plural.to_owned(), "team-a".to_owned(), name.to_owned())
}

fn types(plural: &str) -> (&'static str, &'static str) {
    match plural {
        CLASSES => ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"),
        PODS => ("v1", "Pod"),
        _ => ("meta.k8s.io/v1", "PartialObjectMetadata"),
    }
}

fn complete(plural: &str, name: &str, mut object: Value) -> Value {
    let (version, kind) = types(plural);
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"]["name"] = name.into();
    object["metadata"]["namespace"] = "team-a".into();
    object["metadata"]["resourceVersion"] = "1".into();
    object
}

fn failure(status: StatusCode) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("the test says {status}"),
        "reason": if status == StatusCode::NOT_FOUND { "NotFound" } else { "Test" },
        "code": status.as_u16(),
    });
    response(status, &body)
}

fn response(status: StatusCode, body: &Value) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let body = Full::new(Bytes::from(body.to_string()));
    let mut response = Response::new(UnsyncBoxBody::new(body));
    *response.status_mut() = status;
    response
}
