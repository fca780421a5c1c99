//! The SecretProviderClass objects of the cluster.

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kees_secret_provider_class::{API_GROUP, ClassSpec, KIND};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{Store, reflector, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::Notify, time::sleep};

/// How long the watch pauses while the cluster does not know the kind.
const WITHOUT_KIND: Duration = Duration::from_mins(1);

/// A class, as far as the controller needs it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchedClass {
    metadata: ObjectMeta,
    /// Read when it is needed, so that one wrong class does not hide the others.
    spec: Value,
}

impl WatchedClass {
    /// What the class says.
    ///
    /// # Errors
    /// The message of the parser, which names the wrong field.
    pub(super) fn spec(&self) -> Result<ClassSpec, String> {
        ClassSpec::deserialize(&self.spec).map_err(|error| error.to_string())
    }
}

/// Keeps the store of `writer` up to date, forever. A cluster without the kind has no classes.
pub(super) async fn watch(client: Client, writer: Writer<WatchedClass>, changed: Arc<Notify>) {
    let classes: Api<WatchedClass> = Api::all(client);
    let events = watcher(classes, watcher::Config::default());
    let events = reflector(writer, events.default_backoff().modify(reduce));
    let mut events = pin!(events);
    let mut is_told = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init | Event::InitApply(_)) => {}
            Ok(_) => {
                is_told = false;
                changed.notify_one();
            }
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        "SecretProviderClass objects cannot be watched; this is tried again: {error}"
                    );
                }
                if is_without_kind(&error) {
                    sleep(WITHOUT_KIND).await;
                }
            }
        }
    }
}

/// Drops what is not read.
fn reduce(class: &mut WatchedClass) {
    let ObjectMeta {
        name,
        namespace,
        resource_version,
        ..
    } = std::mem::take(&mut class.metadata);
    class.metadata = ObjectMeta {
        name,
        namespace,
        resource_version,
        ..ObjectMeta::default()
    };
}

fn is_without_kind(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.is_not_found())
}

/// The classes that the watch has seen.
#[derive(Clone)]
pub(super) struct Classes(pub(super) Store<WatchedClass>);

impl Classes {
    /// Whether all classes were listed.
    pub(super) fn are_listed(&self) -> bool {
        // Nothing is waited for: the future is ready if the store is.
        use futures_util::FutureExt as _;
        self.0
            .wait_until_ready()
            .now_or_never()
            .is_some_and(|ready| ready.is_ok())
    }

    /// The class of that name in a namespace.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<WatchedClass>> {
        let key = kube::runtime::reflector::ObjectRef::new(name).within(namespace);
        self.0.get(&key)
    }
}

impl Resource for WatchedClass {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        API_GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "secretproviderclasses".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
