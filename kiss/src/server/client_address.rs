//! The address of the caller, through proxies that the operator trusts.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// The header of proxies with the addresses that they were called from.
pub const FORWARDED: &str = "x-forwarded-for";

/// Addresses with the same first bits, `10.0.0.0/8`. An address alone is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network such as 10.0.0.0/8 or fd00::/8, and no address")]
pub struct ParseNetworkError(String);

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let ignored = 32 - self.bits;
                own.to_bits().checked_shr(ignored) == other.to_bits().checked_shr(ignored)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let ignored = 128 - self.bits;
                own.to_bits().checked_shr(ignored) == other.to_bits().checked_shr(ignored)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseNetworkError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        // Otherwise the bits would count those of the form in IPv6.
        if address.to_canonical() != address {
            return Err(error());
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_| error())?,
        };
        if bits > most {
            return Err(error());
        }
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The caller's address. A proxy appends the address that it was called from, so the last address that is
/// no trusted proxy is the caller's. What stands before it was written by the caller.
pub fn client_address<'a>(
    peer: Option<IpAddr>,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[Network],
) -> Option<IpAddr> {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut known = peer?.to_canonical();
    for list in forwarded.rev() {
        for text in list.rsplit(',') {
            if !is_trusted(known) {
                return Some(known);
            }
            let Some(address) = parse(text.trim()) else {
                return Some(known);
            };
            known = address.to_canonical();
        }
    }
    Some(known)
}

/// An address, perhaps with a port, and that of IPv6 perhaps in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let in_brackets = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    text.parse()
        .or_else(|_| text.parse().map(|address: SocketAddr| address.ip()))
        .ok()
        .or_else(|| in_brackets?.parse().ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::direct("192.0.2.1", &[], "192.0.2.1")]
    #[case::not_trusted("192.0.2.1", &["198.51.100.7"], "192.0.2.1")]
    #[case::one_proxy("10.0.0.1", &["198.51.100.7"], "198.51.100.7")]
    #[case::forged("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7")]
    #[case::two_proxies("10.0.0.1", &["1.1.1.1, 198.51.100.7 ,10.2.3.4"], "198.51.100.7")]
    #[case::several_headers("10.0.0.1", &["198.51.100.7", "10.2.3.4"], "198.51.100.7")]
    #[case::ports("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7")]
    #[case::ipv6("fd00::1", &["2001:db8::7"], "2001:db8::7")]
    #[case::ipv6_port("fd00::1", &["[2001:db8::7]:443"], "2001:db8::7")]
    #[case::ipv6_brackets("fd00::1", &["[2001:db8::7]"], "2001:db8::7")]
    #[case::mapped("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7")]
    #[case::no_address("10.0.0.1", &["unknown"], "10.0.0.1")]
    #[case::no_address_first("10.0.0.1", &["unknown, 10.0.0.2"], "10.0.0.2")]
    #[case::only_proxies("10.0.0.1", &["10.0.0.2"], "10.0.0.2")]
    fn the_last_address_that_is_no_proxy_is_the_callers(
        #[case] peer: &str,
        #[case] forwarded: &[&str],
        #[case] expected: &str,
    ) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let peer = Some(peer.parse().unwrap());
        let address = client_address(peer, forwarded.iter().copied(), &trusted);
        assert_eq!(address.unwrap().to_string(), expected);
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("192.0.2.1".parse().unwrap()));
        assert!(!all.contains("2001:db8::1".parse().unwrap()));
        for text in ["10.0.0.0/33", "10.0.0.0/", "::ffff:10.0.0.0/8", "x", ""] {
            text.parse::<Network>().unwrap_err();
        }
    }
}
