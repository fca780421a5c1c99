//! What all watches of the Kubernetes API have in common.

use futures_util::{Stream, StreamExt as _, stream};
use kees_common::error_chain;
use kube::runtime::watcher::{Error, Event};

/// A watch that begins again with a list after an error that `is_end` is true for: at least if the API server answers its
/// start with 410 Gone. kube's watcher does so itself if 410 is an event of the watch. After the status 410, it would ask for
/// the same version forever.
pub(crate) fn endless<T, S>(
    begin: impl Fn() -> S,
    is_end: impl Fn(&Error) -> bool + Copy,
) -> impl Stream<Item = Result<Event<T>, Error>>
where
    S: Stream<Item = Result<Event<T>, Error>>,
{
    let until_end = move || {
        stream::unfold(Some(Box::pin(begin())), move |events| async move {
            let mut events = events?;
            let event = events.next().await?;
            // The watch is dropped at once. It might start, and then say nothing for a long time.
            let has_ended = matches!(&event, Err(error) if is_end(error));
            Some((event, (!has_ended).then_some(events)))
        })
    };
    stream::repeat_with(until_end).flatten()
}

/// Whether the version of the watch is too old.
pub(crate) fn is_start_gone(error: &Error) -> bool {
    matches!(error, Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// Whether the API server denies a watch, for example because its version is too old.
pub(crate) fn is_watch_denied(error: &Error) -> bool {
    let is_of_list = matches!(error, Error::InitialListFailed(_));
    is_denied(error) && !is_of_list
}

/// Whether the API server denies a request, and will probably deny the next one.
pub(crate) fn is_denied(error: &Error) -> bool {
    status(error).is_some_and(|status| (400..500).contains(&status) && status != 429)
}

/// The error in one line.
pub(crate) fn message_of(error: &Error) -> String {
    match error {
        Error::InitialListFailed(error)
        | Error::WatchStartFailed(error)
        | Error::WatchFailed(error) => describe(error),
        Error::WatchError(status) => status.message.clone(),
        Error::NoResourceVersion => error.to_string(),
    }
}

/// The error of a request in one line. kube would add the whole status of the response.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => error_chain::describe(other),
    }
}

/// The HTTP status of the response.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
