//! An error and its sources as one line of text.

use std::{error::Error, io};

/// The message of `error` and those of its sources, joined by `: `. A message that the one before it
/// already contains is left out.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    join(sources(error).map(ToString::to_string))
}

/// Joins messages as [`describe`] does.
pub fn join(messages: impl IntoIterator<Item = String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    for message in messages {
        if !kept.last().is_some_and(|above| above.contains(&message)) {
            kept.push(message);
        }
    }
    kept.join(": ")
}

/// `error` and its sources, in order. For an [`io::Error`] that wraps another error, that error comes
/// next: its own `source` skips it, and rustls puts the reason of a failed handshake there.
pub fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>() {
            Some(io) => io
                .get_ref()
                .map(|wrapped| wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    }

    fn layer(text: &'static str, source: impl Error + Send + Sync + 'static) -> Layer {
        let source = Some(source.into());
        Layer { text, source }
    }

    #[test]
    fn every_source_is_said_once_and_an_io_error_is_looked_into() {
        let lowest = Layer {
            text: "lowest",
            source: None,
        };
        let io = io::Error::other(layer("tls", lowest));
        let error = layer("outer", layer("read: tls", io));
        assert_eq!(describe(&error), "outer: read: tls: lowest");
    }
}
