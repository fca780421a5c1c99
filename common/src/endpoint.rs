//! Where AWS is: the Region's name and a service's URL, each checked before anything is asked.
//!
//! The SDK takes both as text and finds out at the first call that they are none, in an error that
//! holds the whole request.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Scheme};

/// The Region of a deployment that names none.
const DEFAULT_REGION: &str = "ap-southeast-2";

/// The name of a Region, a label of a host's name (RFC 1123): `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Region {
    fn default() -> Self {
        Self(DEFAULT_REGION.to_owned())
    }
}

impl FromStr for Region {
    type Err = ParseRegionError;

    fn from_str(text: &str) -> Result<Self, ParseRegionError> {
        let is_label = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        is_label
            .then(|| Self(text.to_owned()))
            .ok_or(ParseRegionError)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no Region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not the name of a Region; use letters, digits and '-', such as eu-west-1")]
pub struct ParseRegionError;

/// The URL of a service: `http` or `https`, with a host, and no more than a path after it.
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
        // Nothing that is refused is repeated here: a URL may hold a password.
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

/// A text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseEndpointError {
    /// Nothing of it can be told.
    #[error("it is not a URL; use one such as https://vpce.example.com")]
    NotAUrl,
    /// None, or one that AWS does not speak.
    #[error("it does not begin with http:// or https://; use a URL such as http://localhost:8000")]
    Scheme,
    /// Nobody to ask.
    #[error("it names no host; use a URL such as http://localhost:8000")]
    Host,
    /// Above 65535, or no number.
    #[error("its port is none; use a number from 1 to 65535")]
    Port,
    /// The SDK's requests have their own.
    #[error("it goes on after its path; leave away what begins with '?' or '#'")]
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
    fn what_is_no_endpoint_is_refused_with_what_would_be_right(
        #[case] text: &str,
        #[case] expected: ParseEndpointError,
    ) {
        assert_eq!(text.parse::<Endpoint>().unwrap_err(), expected);
    }

    #[rstest]
    #[case("eu-west-1", true)]
    #[case("eusc-de-east-1", true)]
    #[case("local", true)]
    #[case("", false)]
    #[case("eu west", false)]
    #[case("eu-west-1 ", false)]
    #[case("a.b", false)]
    #[case("a/../b", false)]
    #[case("-a", false)]
    #[case("a-", false)]
    #[case(&"a".repeat(64), false)]
    fn a_region_is_a_label_of_a_host(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<Region>().is_ok(), is_one);
    }
}
