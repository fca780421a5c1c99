//! The URL of an AWS service, checked before it is used.
//!
//! The SDK accepts any text and fails at the first call, with an error that contains the whole
//! request.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};

/// The URL of a service: `http` or `https`, a host, and at most a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        // No error repeats the text: a URL may contain a password.
        let url: Uri = text.parse().map_err(|_| ParseEndpointError::NotAUrl)?;
        let is_http = |scheme: &&Scheme| [Scheme::HTTP, Scheme::HTTPS].contains(*scheme);
        url.scheme()
            .filter(is_http)
            .ok_or(ParseEndpointError::Scheme)?;
        let authority = url
            .authority()
            .filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(ParseEndpointError::Host)?;
        let host_and_port = authority.as_str().rsplit('@').next();
        let port = host_and_port.and_then(|text| text.strip_prefix(authority.host()));
        if port.is_some_and(|port| !port.is_empty())
            && authority.port_u16().unwrap_or_default() == 0
        {
            return Err(ParseEndpointError::Port);
        }
        if url.query().is_some() || text.contains('#') {
            return Err(ParseEndpointError::Query);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseEndpointError {
    /// Not a URL.
    #[error("it is not a URL; use one such as https://vpce.example.com")]
    NotAUrl,
    /// No scheme, or one that AWS does not use.
    #[error("it does not begin with http:// or https://; use a URL such as http://localhost:8000")]
    Scheme,
    /// No host.
    #[error("it has no host; use a URL such as http://localhost:8000")]
    Host,
    /// Not a number, or outside 1 to 65535.
    #[error("its port is invalid; use a number from 1 to 65535")]
    Port,
    /// A query or a fragment, which the SDK cannot send.
    #[error("it has a query or fragment; remove what begins with '?' or '#'")]
    Query,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://localhost:8000")]
    #[case("https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com")]
    #[case("https://[::1]:4566/")]
    #[case("HTTP://127.0.0.1/path/below")]
    #[case("http://user:password@host")]
    fn an_endpoint_is_a_url_and_stays_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("localhost:8000", ParseEndpointError::Scheme)]
    #[case("localhost", ParseEndpointError::Scheme)]
    #[case("ftp://localhost", ParseEndpointError::Scheme)]
    #[case("/path", ParseEndpointError::Scheme)]
    #[case("not a url", ParseEndpointError::NotAUrl)]
    #[case("", ParseEndpointError::NotAUrl)]
    #[case("http://", ParseEndpointError::NotAUrl)]
    #[case("http:///path", ParseEndpointError::NotAUrl)]
    #[case("http://[::1", ParseEndpointError::NotAUrl)]
    #[case("http://a b", ParseEndpointError::NotAUrl)]
    #[case("http://:8000", ParseEndpointError::Host)]
    #[case("http://host:99999", ParseEndpointError::Port)]
    #[case("http://host:", ParseEndpointError::Port)]
    #[case("http://host:0", ParseEndpointError::Port)]
    #[case("http://host/?x=y", ParseEndpointError::Query)]
    #[case("http://host/#x", ParseEndpointError::Query)]
    fn a_text_that_is_not_an_endpoint_is_invalid(
        #[case] text: &str,
        #[case] expected: ParseEndpointError,
    ) {
        assert_eq!(text.parse::<Endpoint>().unwrap_err(), expected);
    }
}
