//! An API server that the tests play: lists, gets, and watches that the test writes into.

use std::{convert::Infallible, sync::Arc};

use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Frame},
};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;

/// What an open watch sends.
type Events = mpsc::UnboundedSender<Result<Frame<Bytes>, Infallible>>;
type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

const BOUND: Duration = Duration::from_secs(30);

/// The RoleBindings of the API server, and its open watches.
#[derive(Default)]
struct Server {
    bindings: Mutex<Vec<Value>>,
    may_list: Mutex<bool>,
    watches: Mutex<Vec<Events>>,
    asked: Mutex<Vec<String>>,
}

fn role_binding(namespace: &str, name: &str, subjects: &[&str], version: u32) -> Value {
    let subjects: Vec<_> = subjects
        .iter()
        .map(|name| json!({"kind": "Group", "name": name}))
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": version.to_string()},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "any"},
        "subjects": subjects,
    })
}

impl Server {
    fn start(may_list: bool, bindings: Vec<Value>) -> (Arc<Self>, Arc<WatchedBindings>) {
        let server = Arc::new(Self {
            bindings: Mutex::new(bindings),
            may_list: Mutex::new(may_list),
            ..Self::default()
        });
        let service = {
            let server = Arc::clone(&server);
            tower::service_fn(move |request: Request<Body>| {
                let response = server.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            })
        };
        let client = Client::new(service, "default");
        let watched = WatchedBindings::new(client, "k-".to_owned(), BOUND);
        (server, Arc::new(watched))
    }

    fn answer(&self, request: &Request<Body>) -> Answer {
        assert_eq!(request.method(), Method::GET);
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default();
        let bindings = self.bindings.lock().unwrap();
        let is_watch = query.contains("watch=true");
        self.asked.lock().unwrap().push(if is_watch {
            format!("{path}?watch")
        } else {
            path.clone()
        });
        let all = "/apis/rbac.authorization.k8s.io/v1/rolebindings";
        if path == all && !*self.may_list.lock().unwrap() {
            return status(403);
        }
        if path == all && is_watch {
            let (sender, receiver) = mpsc::unbounded_channel();
            self.watches.lock().unwrap().push(sender);
            let body = StreamBody::new(UnboundedReceiverStream::new(receiver));
            return Response::new(body.boxed_unsync());
        }
        if path == all {
            let list = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBindingList",
                "metadata": {"resourceVersion": "100"}, "items": *bindings,
            });
            return body(200, &list);
        }
        let found = bindings.iter().find(|binding| {
            let metadata = &binding["metadata"];
            let (namespace, name) = (&metadata["namespace"], &metadata["name"]);
            path.ends_with(&format!(
                "/namespaces/{}/rolebindings/{}",
                namespace.as_str().unwrap(),
                name.as_str().unwrap()
            ))
        });
        found.map_or_else(|| status(404), |found| body(200, found))
    }

    /// Sends an event on the last watch.
    fn send(&self, kind: &str, object: &Value) {
        let event = format!("{}\n", json!({"type": kind, "object": object}));
        let watches = self.watches.lock().unwrap();
        let frame = Frame::data(event.into());
        watches.last().unwrap().send(Ok(frame)).unwrap();
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn body(status: u16, json: &Value) -> Answer {
    let response = Response::builder().status(status);
    response
        .body(Full::from(json.to_string()).boxed_unsync())
        .unwrap()
}

fn status(code: u16) -> Answer {
    let json = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": if code == 404 { "NotFound" } else { "x" }, "message": "x"});
    body(code, &json)
}

/// Lets the watch do what it can do without the clock.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn watching(watched: &Arc<WatchedBindings>) {
    let watched = Arc::clone(watched);
    tokio::spawn(async move { watched.watch().await });
}

async fn subjects(watched: &WatchedBindings, namespace: &str) -> Option<Vec<String>> {
    let found = watched.find(namespace, &format!("k-{namespace}")).await;
    found.unwrap().map(|binding| binding.subjects)
}

#[tokio::test(start_paused = true)]
async fn a_watch_follows_the_bindings_without_further_reads() {
    let bindings = vec![
        role_binding("a", "k-a", &["team"], 1),
        role_binding("a", "other", &["eve"], 2),
        role_binding("b", "k-a", &["eve"], 3),
    ];
    let (server, watched) = Server::start(true, bindings);
    watching(&watched);
    settle().await;
    server.asked();
    assert_eq!(subjects(&watched, "a").await, Some(vec!["team".to_owned()]));
    assert_eq!(subjects(&watched, "b").await, None);

    server.send("ADDED", &role_binding("b", "k-b", &["new"], 101));
    server.send("MODIFIED", &role_binding("a", "k-a", &[], 102));
    settle().await;
    assert_eq!(subjects(&watched, "b").await, Some(vec!["new".to_owned()]));
    assert_eq!(subjects(&watched, "a").await, Some(vec![]));
    server.send("DELETED", &role_binding("b", "k-b", &["new"], 103));
    settle().await;
    assert_eq!(subjects(&watched, "b").await, None);
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_trusted_no_longer_than_the_bound() {
    let (server, watched) = Server::start(true, vec![role_binding("a", "k-a", &["team"], 1)]);
    watching(&watched);
    settle().await;
    server.asked();
    server.bindings.lock().unwrap().clear();
    // The watch is open, and it says nothing. Its successors neither.
    tokio::time::sleep(BOUND).await;
    assert_eq!(subjects(&watched, "a").await, Some(vec!["team".to_owned()]));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(subjects(&watched, "a").await, None);
    let last = server.asked().pop().unwrap();
    assert!(last.ends_with("/namespaces/a/rolebindings/k-a"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_in_time_is_fresh() {
    let (server, watched) = Server::start(true, vec![role_binding("a", "k-a", &["team"], 1)]);
    watching(&watched);
    for _ in 0..10 {
        settle().await;
        tokio::time::sleep(BOUND / 2).await;
        server.watches.lock().unwrap().clear();
    }
    settle().await;
    assert!(watched.is_fresh());
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_at_most_one_a_second() {
    let (server, watched) = Server::start(true, vec![role_binding("a", "k-a", &["team"], 1)]);
    watching(&watched);
    for _ in 0..1000 {
        settle().await;
        server.watches.lock().unwrap().clear();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let asked = server.asked();
    let begun = asked.iter().filter(|path| path.ends_with("?watch")).count();
    assert!((9..=11).contains(&begun), "{begun}");
    assert!(watched.is_fresh());
}

#[tokio::test(start_paused = true)]
async fn an_error_event_begins_with_a_list_again() {
    let (server, watched) = Server::start(true, vec![]);
    watching(&watched);
    settle().await;
    server
        .bindings
        .lock()
        .unwrap()
        .push(role_binding("a", "k-a", &["team"], 1));
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
    server.send("ERROR", &gone);
    settle().await;
    tokio::time::sleep(PAUSE * 2).await;
    settle().await;
    assert_eq!(subjects(&watched, "a").await, Some(vec!["team".to_owned()]));
}

/// As the permissions of kiss 0.1 are: it reads one RoleBinding for each call.
#[tokio::test(start_paused = true)]
async fn without_a_watch_each_call_reads() {
    let (server, watched) = Server::start(false, vec![role_binding("a", "k-a", &["team"], 1)]);
    watching(&watched);
    settle().await;
    assert!(!watched.is_fresh());
    assert_eq!(subjects(&watched, "a").await, Some(vec!["team".to_owned()]));
    server.bindings.lock().unwrap().clear();
    assert_eq!(subjects(&watched, "a").await, None);
}

#[tokio::test]
async fn a_text_that_is_no_namespace_is_not_asked_for() {
    let (server, watched) = Server::start(false, vec![role_binding("a", "k-a", &["team"], 1)]);
    for namespace in ["../a", "a/rolebindings/k-a?", "", "A"] {
        assert_eq!(subjects(&watched, namespace).await, None, "{namespace}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_api_server_that_fails_is_an_error() {
    let (server, watched) = Server::start(false, vec![]);
    let client = Client::new(
        tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(status(500)) }),
        "default",
    );
    let failing = WatchedBindings::new(client, String::new(), BOUND);
    failing.find("a", "a").await.unwrap_err();
    drop((server, watched));
}
