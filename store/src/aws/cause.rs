//! What kees itself found wrong below an AWS call, on its way up through the SDK's errors.

use std::{error::Error, io};

use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::ErrorKind;

/// A failure that is fully explained where it happens (no identity, a bad bundle). The SDK wraps
/// it; [`Cause::within`] finds it again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(super) struct Cause {
    pub(super) kind: ErrorKind,
    pub(super) code: Option<String>,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Cause {
    /// The cause inside `error`, however deep the SDK has wrapped it.
    pub(super) fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        chain(error).find_map(|error| error.downcast_ref())
    }
}

/// `error` and everything below it. An `io::Error`'s own `source` passes over the error that it
/// holds, where rustls puts the reason of a failed handshake.
pub(super) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|held| held as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// What is said of a request that could not be made. The SDK's own words may hold the whole of it,
/// with the value that was to be written.
pub(super) const UNBUILT: &str = "the request could not be built";

/// Whether this is an error of the SDK's, before a request came to the transport.
pub(super) fn is_unsent(error: &ConnectorError) -> bool {
    !error.is_io() && !error.is_timeout()
}

/// The texts of `error` and everything below it, each said once; nothing of what is below a request
/// that could not be built.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in chain(error) {
        if error.downcast_ref().is_some_and(is_unsent) {
            texts.push(UNBUILT.to_owned());
            break;
        }
        let text = error.to_string();
        if !texts.last().is_some_and(|above| above.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
