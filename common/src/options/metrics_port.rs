//! `init.DOMAIN/refresh-metrics-port`: where the sidecar of a refreshed pod serves metrics.

use std::{fmt, str::FromStr};

/// A port that a container without privileges can listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MetricsPort(u16);

impl MetricsPort {
    /// The port.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl FromStr for MetricsPort {
    type Err = ParseMetricsPortError;

    fn from_str(text: &str) -> Result<Self, ParseMetricsPortError> {
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(port @ 1024..) if is_number => Ok(Self(port)),
            _ => Err(ParseMetricsPortError),
        }
    }
}

impl fmt::Display for MetricsPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A text that is not a [`MetricsPort`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("use a port from 1024 to 65535")]
pub struct ParseMetricsPortError;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1024", true)]
    #[case("65535", true)]
    #[case("80", false)]
    #[case("65536", false)]
    #[case("+9090", false)]
    #[case("", false)]
    #[case("http", false)]
    fn a_port_needs_no_privilege(#[case] text: &str, #[case] is_port: bool) {
        assert_eq!(text.parse::<MetricsPort>().is_ok(), is_port);
    }
}
