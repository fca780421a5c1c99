//! The address of the server, in the forms that kiss 0.1 takes.

use std::{fmt, num::NonZeroU16, str::FromStr};

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress(String);

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseServerAddressError {
    /// There is a scheme.
    #[error(
        "an address has no scheme such as `{0}`: write HOST:PORT, and use -secure to choose TLS"
    )]
    Scheme(String),
    /// There is no port.
    #[error("the port is missing: write for example {0}:443")]
    NoPort(String),
    /// The port is none.
    #[error("`{0}` is no port: a port is a number from 1 to 65535")]
    Port(String),
    /// An IPv6 address has no brackets.
    #[error("an IPv6 address is written in brackets, for example [::1]:10000")]
    Brackets,
    /// The host is none.
    #[error("`{0}` is no host: write HOST:PORT")]
    Host(String),
}

/// The forms of gRPC's targets that mean a host and a port. kiss 0.1 passes the flag to gRPC.
const TARGETS: [&str; 2] = ["dns:///", "passthrough:///"];

impl FromStr for ServerAddress {
    type Err = ParseServerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use ParseServerAddressError as Error;

        let target = TARGETS.iter().find_map(|target| text.strip_prefix(target));
        let address = target.unwrap_or(text);
        if let Some((scheme, _)) = address.split_once("//") {
            return Err(Error::Scheme(format!("{scheme}//")));
        }
        if address.starts_with("unix:") {
            return Err(Error::Scheme("unix:".to_owned()));
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, _)) if host.contains(':') && !host.starts_with('[') => {
                return Err(Error::Brackets);
            }
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ if address.is_empty() => return Err(Error::NoPort("localhost".to_owned())),
            _ => return Err(Error::NoPort(address.to_owned())),
        };
        // A sign is a number's too.
        let is_number = !port.starts_with('+') && port.parse::<NonZeroU16>().is_ok();
        if !is_number {
            return Err(Error::Port(port.to_owned()));
        }
        // As in Go, a port alone is one of this machine.
        let host = if host.is_empty() { "localhost" } else { host };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:%".contains(&byte);
        if !host.bytes().all(is_host) {
            return Err(Error::Host(host.to_owned()));
        }
        Ok(Self(format!("{host}:{port}")))
    }
}

/// `HOST:PORT`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("localhost:10000", "localhost:10000")]
    #[case("kiss.example.com:443", "kiss.example.com:443")]
    #[case("10.1.2.3:1", "10.1.2.3:1")]
    #[case("[::1]:10000", "[::1]:10000")]
    #[case(":10000", "localhost:10000")]
    #[case("dns:///kiss.example.com:443", "kiss.example.com:443")]
    #[case("passthrough:///kiss:65535", "kiss:65535")]
    fn an_address_is_a_host_and_a_port(#[case] text: &str, #[case] expected: &str) {
        let address: ServerAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), expected);
        assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[rstest]
    #[case("", "the port is missing: write for example localhost:443")]
    #[case("kiss", "the port is missing: write for example kiss:443")]
    #[case("[::1]", "the port is missing: write for example [::1]:443")]
    #[case(
        "::1:443",
        "an IPv6 address is written in brackets, for example [::1]:10000"
    )]
    #[case("kiss:0", "`0` is no port: a port is a number from 1 to 65535")]
    #[case("kiss:65536", "`65536` is no port: a port is a number from 1 to 65535")]
    #[case("kiss:+1", "`+1` is no port: a port is a number from 1 to 65535")]
    #[case("kiss:", "`` is no port: a port is a number from 1 to 65535")]
    #[case("kiss:443/", "`443/` is no port: a port is a number from 1 to 65535")]
    #[case("a b:1", "`a b` is no host: write HOST:PORT")]
    #[case("user@kiss:1", "`user@kiss` is no host: write HOST:PORT")]
    #[case(
        "https://kiss:443",
        "an address has no scheme such as `https://`: write HOST:PORT, and use -secure to choose TLS"
    )]
    #[case(
        "unix:/run/kiss",
        "an address has no scheme such as `unix:`: write HOST:PORT, and use -secure to choose TLS"
    )]
    fn another_text_is_no_address(#[case] text: &str, #[case] message: &str) {
        let error = text.parse::<ServerAddress>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
