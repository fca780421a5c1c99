//! Why a command fails, and what to do.

use std::{error::Error as _, io, path::PathBuf};

use tonic::{Code, Status};

/// Why a command fails. No value and no token is in it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no token.
    #[error(
        "there is no token in {0}: log in with kubectl (kubelogin), or name a file with --token-path"
    )]
    NoToken(PathBuf),
    /// The home folder is not known.
    #[error("HOME is not set: name the file with the token with --token-path")]
    NoHome,
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file, or `standard input`.
        path: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The file has no token.
    #[error("{0} has no token: it must be JSON with the field `id_token`, or a token")]
    NotAToken(PathBuf),
    /// The token is too old.
    #[error(
        "the token in {path} has expired {ago} ago: log in again, for example with `kubectl get pods`"
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// How long ago, `5 minutes`.
        ago: String,
    },
    /// The value is no text.
    #[error("the value is not UTF-8 text: kiss stores text; encode it, for example with base64")]
    NotText,
    /// The value is empty.
    #[error("the value is empty")]
    Empty,
    /// The value is too large.
    #[error("the value has more than {0} bytes, which no secret holds")]
    Large(usize),
    /// The name of the policy would be too long. Nothing is done.
    #[error(
        "the name of the IAM policy would have at least {length} characters, and at most {longest} are possible: \
         choose a shorter name, or leave out -policy"
    )]
    LongPolicy {
        /// The characters without the server's prefix.
        length: usize,
        /// The most characters.
        longest: usize,
    },
    /// The file has no certificate.
    #[error("{0} has no certificate: --ca-file names a file with root certificates in PEM")]
    NoCertificate(PathBuf),
    /// The address or a certificate cannot be used.
    #[error("the server {0} cannot be used")]
    Endpoint(String, #[source] tonic::transport::Error),
    /// There is no connection.
    #[error("the server {address} cannot be reached{hint}")]
    Connect {
        /// The address.
        address: String,
        /// What to do, or nothing.
        hint: &'static str,
        /// The error of the transport.
        source: tonic::transport::Error,
    },
    /// The server has answered with an error.
    #[error("{}", describe(.0))]
    Status(Box<Status>),
    /// The server has not read the token.
    #[error(
        "the server has not read the token, which has {length} bytes: kiss-server takes 65536 bytes of \
         metadata unless its --max-metadata says more, and a proxy in front of it perhaps fewer; ask those who administer the OIDC provider to put \
         fewer groups into the token, for example with a filter for its claim of groups ({source})"
    )]
    LargeToken {
        /// The bytes of the token.
        length: usize,
        /// What the transport reports.
        source: Box<Status>,
    },
    /// The first of two steps is done.
    #[error("{done}, {policy}: {source}; {next}")]
    Half {
        /// What is done.
        done: &'static str,
        /// What is known of the second step.
        policy: &'static str,
        /// What the caller can do.
        next: String,
        /// The error of the second step.
        source: Box<ClientError>,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-C while the server changes something.
    #[error(
        "interrupted: the server finishes a change that has reached it, so look with `kiss list` what is done{rest}"
    )]
    InterruptedChange {
        /// How to go on with the IAM policy, or nothing.
        rest: String,
    },
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// What to do if the time was too short.
const LATE: &str = "look with `kiss list` what is done, and give more time with --timeout";

/// The message of tonic's own timer. It has the code `CANCELLED`, as a connection that breaks may have.
const TIMER: &str = "Timeout expired";

/// The server's message, and what the caller can do.
fn describe(status: &Status) -> String {
    let message = status.message();
    let remedy = match status.code() {
        Code::Unauthenticated if message.contains("expired") => "",
        Code::Unauthenticated => "log in again, or name another file with --token-path",
        Code::PermissionDenied => {
            "ask those who administer the namespace to add a group of yours to the subjects of that RoleBinding, \
             and log in again if you were added to the group just now"
        }
        Code::DeadlineExceeded => LATE,
        Code::Cancelled if message == TIMER => LATE,
        Code::Unavailable => "check --server-addr and --secure, and try again",
        // The answer of a server has no source, and the report of a broken connection has one.
        _ if status.source().is_some() => {
            "check --server-addr and --secure, and look with `kiss list` what is done"
        }
        _ => "",
    };
    let message = if message.is_empty() {
        format!("the server answers with {:?}", status.code())
    } else {
        message.to_owned()
    };
    if remedy.is_empty() {
        message
    } else {
        format!("{message}: {remedy}")
    }
}
