//! Code that the end-to-end tests share: a real cluster of one node, DynamoDB Local, moto, and the
//! project's own images.
//!
//! All of it runs in the namespaces that `tests/cluster/isolate` creates, started by `tests/run`.
//! Servers listen on addresses that nothing outside can reach. When the namespaces end, all
//! processes in them end.

mod authority;
mod aws_front;
mod cluster;
mod denying;
mod dynamodb;
mod eks;
mod eventually;
mod helm;
pub mod images;
pub mod keys;
mod kubectl;
mod moto;
mod namespace;
pub mod node;
mod oidc;
mod original;
mod overlay;
mod paths;
pub mod prometheus;
pub mod proxy;
mod server;
mod shared;
mod webhook;

pub use authority::{Authority, Issued};
pub use aws_front::AwsFront;
pub use cluster::Cluster;
pub use denying::DenyingStore;
pub use dynamodb::DynamoDbLocal;
pub use eks::{EksIdentity, EksWebhook};
pub use eventually::eventually;
pub use helm::Helm;
pub use kubectl::{Kubectl, KubectlError};
pub use moto::Moto;
pub use namespace::Namespace;
pub use oidc::OidcProvider;
pub use original::OriginalCreator;
pub use overlay::{Overlay, image};
pub use paths::{definitions, kees, kees_init};
pub use shared::Shared;
pub use webhook::Webhook;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use tokio::runtime::Runtime;

/// The address of the machine that pods use.
pub const MACHINE: &str = "10.9.9.9";

/// The Region of all stores.
pub const REGION: &str = "ap-southeast-2";

/// Waits for one of the AWS SDK's futures.
pub fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// The runtime of all asynchronous code in the tests.
fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(Runtime::new);
    RUNTIME
        .as_ref()
        .unwrap_or_else(|error| unreachable!("cannot start the threads of the runtime: {error}"))
}

/// A file or folder of `tests/`.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
