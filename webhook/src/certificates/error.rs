//! Why the webhook cannot keep its own certificates at the moment. Each message names a remedy.

use super::material::MaterialError;

/// An error that is logged, and after which everything is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// There is no client for the Kubernetes API.
    #[error(
        "the Kubernetes API cannot be used: the pod needs a ServiceAccount token, or \
         --tls-cert and --tls-key"
    )]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server denies a request.
    #[error(
        "the ServiceAccount may not {verb} {object}; apply the Role and the ClusterRole of the \
         manifests ({message})"
    )]
    Denied {
        verb: &'static str,
        object: String,
        message: String,
    },
    /// The API server rejects a request.
    #[error("cannot {verb} {object}: {message}")]
    Rejected {
        verb: &'static str,
        object: String,
        code: u16,
        message: String,
    },
    /// A request fails.
    #[error("cannot {verb} {object}")]
    Request {
        verb: &'static str,
        object: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// The response is not the object. The error of the decoder is left out: it may repeat a value, and the
    /// values of the Secret are private keys.
    #[error(
        "cannot {verb} {object}: the response of the Kubernetes API is not this object as JSON"
    )]
    Undecodable { verb: &'static str, object: String },
    /// The API server does not answer.
    #[error("cannot {verb} {object}: no response from the Kubernetes API")]
    Timeout { verb: &'static str, object: String },
    /// The webhook configuration is absent.
    #[error("{object} does not exist; apply the manifests, or set --webhook-configuration")]
    NoConfiguration { object: String },
    /// The webhook configuration belongs to another Service.
    #[error(
        "{object} has no webhook for the Service {service}, but for {}; give each installation its \
         own --webhook-configuration, or correct --service-name and --namespace",
        list(found)
    )]
    OtherService {
        object: String,
        service: String,
        found: Vec<String>,
    },
    /// The Secret cannot be used.
    #[error("{object} cannot be used")]
    Secret {
        object: String,
        #[source]
        source: MaterialError,
    },
    /// A certificate cannot be created.
    #[error("cannot create a certificate")]
    Create(#[from] rcgen::Error),
    /// The objects change each time when they are written.
    #[error(
        "{object} is changed again and again by somebody else; let only one program write the \
         caBundle"
    )]
    Contended { object: String },
}

impl KeepError {
    pub(super) fn request(verb: &'static str, object: &str, error: kube::Error) -> Self {
        let object = object.to_owned();
        match error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => Self::Denied {
                verb,
                object,
                message: status.message,
            },
            kube::Error::Api(status) => Self::Rejected {
                verb,
                object,
                code: status.code,
                message: status.message,
            },
            kube::Error::SerdeError(_) => Self::Undecodable { verb, object },
            source => Self::Request {
                verb,
                object,
                source: Box::new(source),
            },
        }
    }

    /// Whether somebody else has written or deleted the object first.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                code: 404 | 409,
                ..
            }
        )
    }
}

fn list(found: &[String]) -> String {
    if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    }
}
