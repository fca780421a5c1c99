//! A Kubernetes API with one Secret and one webhook configuration.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame},
};
use kube::client::{Body, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A clone is another handle of the same API.
#[derive(Clone)]
pub struct Api {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
}

/// The objects. `None` is an object that does not exist.
pub struct State {
    pub secret: Option<Value>,
    pub configuration: Option<Value>,
    /// The response to each request, instead of an object.
    pub status: Option<StatusCode>,
    /// The writes that succeeded, oldest first.
    pub writes: Vec<&'static str>,
    version: u64,
}

impl Api {
    /// No Secret yet, and a configuration without a `caBundle`.
    pub fn new() -> Self {
        let service =
            json!({"name": "kees-webhook", "namespace": "kees-system", "path": "/mutate"});
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "kees", "resourceVersion": "1"},
            "webhooks": [{
                "name": "kees.bsycorp.com",
                "clientConfig": {"service": service},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }],
        });
        Self {
            state: Arc::new(Mutex::new(State {
                secret: None,
                configuration: Some(configuration),
                status: None,
                writes: Vec::new(),
                version: 1,
            })),
            changes: watch::Sender::new(1),
        }
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

    /// Changes the objects as another program does.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut guard = self.state();
        let state = &mut *guard;
        change(state);
        state.version += 1;
        let version = state.version;
        let objects = [&mut state.secret, &mut state.configuration];
        for object in objects.into_iter().flatten() {
            object["metadata"]["resourceVersion"] = version.to_string().into();
        }
        drop(guard);
        self.changes.send_replace(version);
    }

    /// The `caBundle`, as text.
    pub fn bundle(&self) -> String {
        let state = self.state();
        let bundle =
            &state.configuration.as_ref().unwrap()["webhooks"][0]["clientConfig"]["caBundle"];
        let bundle = BASE64_STANDARD.decode(bundle.as_str().unwrap_or_default());
        String::from_utf8(bundle.unwrap()).unwrap()
    }

    async fn respond(&self, request: Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        if let Some(status) = self.state().status {
            return failure(status);
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = head.uri.path();
        let is_secret = path.contains("/secrets");
        if head
            .uri
            .query()
            .is_some_and(|query| query.contains("watch=true"))
        {
            return self.events();
        }
        let result = match head.method {
            Method::GET => Ok(()),
            Method::POST | Method::PATCH => self.write(
                &head.method,
                is_secret,
                &serde_json::from_slice(&body).unwrap(),
            ),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        };
        if let Err(status) = result {
            return failure(status);
        }
        let state = self.state();
        let object = if is_secret {
            &state.secret
        } else {
            &state.configuration
        };
        match object {
            Some(object) => response(StatusCode::OK, object),
            None => failure(StatusCode::NOT_FOUND),
        }
    }

    fn write(&self, method: &Method, is_secret: bool, body: &Value) -> Result<(), StatusCode> {
        let exists = {
            let state = self.state();
            let object = if is_secret {
                &state.secret
            } else {
                &state.configuration
            };
            let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
            match object {
                None if method == Method::PATCH => return Err(StatusCode::NOT_FOUND),
                Some(_) if method == Method::POST => return Err(StatusCode::CONFLICT),
                Some(object) if version(object) != version(body) => {
                    return Err(StatusCode::CONFLICT);
                }
                object => object.is_some(),
            }
        };
        self.change(|state| {
            if !is_secret {
                let bundle = &body["webhooks"][0]["clientConfig"]["caBundle"];
                let configuration = state.configuration.as_mut().unwrap();
                configuration["webhooks"][0]["clientConfig"]["caBundle"] = bundle.clone();
                state.writes.push("publish");
            } else if exists {
                state.secret.as_mut().unwrap()["data"] = body["data"].clone();
                state.writes.push("patch");
            } else {
                state.secret = Some(body.clone());
                state.writes.push("create");
            }
        });
        Ok(())
    }

    /// An event for each change.
    fn events(&self) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let events = futures_util::stream::unfold(self.changes.subscribe(), |mut changes| async {
            changes.changed().await.ok()?;
            let metadata = json!({"name": "x", "resourceVersion": "2"});
            let event = json!({
                "type": "MODIFIED",
                "object": {
                    "apiVersion": "meta.k8s.io/v1",
                    "kind": "PartialObjectMetadata",
                    "metadata": metadata,
                },
            });
            Some((Ok(Frame::data(format!("{event}\n").into())), changes))
        });
        let mut response = Response::new(UnsyncBoxBody::new(StreamBody::new(events)));
        *response.status_mut() = StatusCode::OK;
        response
    }
}

fn failure(status: StatusCode) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let reason = match status {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::FORBIDDEN => "Forbidden",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": format!("the test says {status}"),
        "reason": reason,
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
