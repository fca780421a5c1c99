//! `init.DOMAIN/on-change`: how the application learns that its files were replaced.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

const RESTART: &str = "restart";

/// What the sidecar of a refreshed pod does after it has replaced the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnChange {
    /// `signal=HUP,process=nginx`: it sends a signal.
    Signal {
        /// The signal.
        signal: ChangeSignal,
        /// The name of the process; `None`: the first process of the other container.
        process: Option<ProcessName>,
    },
    /// `http://127.0.0.1:8080/reload`: it sends a POST request.
    Post(LoopbackUrl),
    /// `restart`: it asks the controller to restart the workload of the pod.
    Restart,
}

impl OnChange {
    /// The action as logs name it: a query may contain a token, so it is left out.
    #[must_use]
    pub fn without_query(&self) -> Self {
        match self {
            Self::Post(url) => Self::Post(url.without_query()),
            action => action.clone(),
        }
    }
}

impl FromStr for OnChange {
    type Err = ParseOnChangeError;

    fn from_str(text: &str) -> Result<Self, ParseOnChangeError> {
        if text == RESTART {
            return Ok(Self::Restart);
        }
        let Some(signal) = text.strip_prefix("signal=") else {
            return text.parse().map(Self::Post);
        };
        let (signal, process) = match signal.split_once(",process=") {
            Some((signal, process)) => (signal, Some(process)),
            None => (signal, None),
        };
        Ok(Self::Signal {
            signal: ChangeSignal::from_name(signal).ok_or(ParseOnChangeError::Signal)?,
            process: process.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for OnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal { signal, process } => {
                write!(f, "signal={}", signal.as_str())?;
                match process {
                    Some(process) => write!(f, ",process={process}"),
                    None => Ok(()),
                }
            }
            Self::Post(url) => url.fmt(f),
            Self::Restart => f.write_str(RESTART),
        }
    }
}

/// A signal that programs take as a wish to read their files again, or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSignal {
    /// `HUP`
    Hup,
    /// `INT`
    Int,
    /// `QUIT`
    Quit,
    /// `TERM`
    Term,
    /// `USR1`
    Usr1,
    /// `USR2`
    Usr2,
    /// `WINCH`
    Winch,
}

impl ChangeSignal {
    /// Every signal.
    pub const ALL: [Self; 7] = [
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Term,
        Self::Usr1,
        Self::Usr2,
        Self::Winch,
    ];

    /// The name of the signal, without `SIG`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Winch => "WINCH",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.as_str() == name)
    }
}

/// The name of a process, as `ps -o comm` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessName(String);

impl ProcessName {
    /// How many bytes of the name the kernel keeps.
    const KEPT: usize = 15;

    /// Whether a process with this `comm` has the name.
    pub fn matches(&self, comm: &[u8]) -> bool {
        let kept = self.0.len().min(Self::KEPT);
        self.0.as_bytes().get(..kept) == Some(comm)
    }
}

impl FromStr for ProcessName {
    type Err = ParseOnChangeError;

    fn from_str(text: &str) -> Result<Self, ParseOnChangeError> {
        let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b'/' | b'$');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
            return Err(ParseOnChangeError::Process);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An `http://` URL of the pod itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackUrl {
    address: SocketAddr,
    path: String,
}

impl LoopbackUrl {
    /// The loopback address and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path, with the query if there is one.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn without_query(&self) -> Self {
        let path = self
            .path
            .split_once('?')
            .map_or(&*self.path, |(path, _)| path);
        Self {
            address: self.address,
            path: path.to_owned(),
        }
    }
}

impl FromStr for LoopbackUrl {
    type Err = ParseOnChangeError;

    fn from_str(text: &str) -> Result<Self, ParseOnChangeError> {
        let parse = || {
            let rest = text.strip_prefix("http://")?;
            let (host, path) = rest.split_at(rest.find('/')?);
            let (ip, port) = host.rsplit_once(':')?;
            let ip = match ip {
                "127.0.0.1" => IpAddr::V4(Ipv4Addr::LOCALHOST),
                "[::1]" => IpAddr::V6(Ipv6Addr::LOCALHOST),
                _ => return None,
            };
            let is_number = port.bytes().all(|b| b.is_ascii_digit());
            let port: u16 = port.parse().ok().filter(|port| is_number && *port > 0)?;
            let is_plain = |b: u8| b.is_ascii_graphic() && b != b'#';
            (path.len() <= 1024 && path.bytes().all(is_plain)).then(|| Self {
                address: SocketAddr::new(ip, port),
                path: path.to_owned(),
            })
        };
        parse().ok_or(ParseOnChangeError::Form)
    }
}

impl fmt::Display for LoopbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.path)
    }
}

/// A text that is not an [`OnChange`]. The message says what to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseOnChangeError {
    /// Neither a signal nor a URL nor `restart`.
    #[error(
        "use signal=HUP, signal=HUP,process=NAME, restart, or a URL of the pod itself with a port and a \
         path, http://127.0.0.1:8080/reload or http://[::1]:8080/reload"
    )]
    Form,
    /// Another signal.
    #[error(
        "use one of the signals HUP, INT, QUIT, TERM, USR1, USR2 and WINCH, such as signal=HUP"
    )]
    Signal,
    /// Not the name of a process.
    #[error(
        "after process=, use the name of the program's file, without its folder, such as nginx"
    )]
    Process,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("signal=HUP")]
    #[case("signal=USR1,process=nginx")]
    #[case("http://127.0.0.1:8080/reload?now=1")]
    #[case("http://[::1]:9090/-/reload")]
    #[case("restart")]
    fn what_is_parsed_prints_as_it_was_written(#[case] text: &str) {
        assert_eq!(text.parse::<OnChange>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case(
        "http://127.0.0.1:8080/reload?token=a?b",
        "http://127.0.0.1:8080/reload"
    )]
    #[case("http://127.0.0.1:8080/reload", "http://127.0.0.1:8080/reload")]
    #[case("signal=HUP,process=what?", "signal=HUP,process=what?")]
    #[case("restart", "restart")]
    fn logs_name_an_action_without_its_query(#[case] text: &str, #[case] expected: &str) {
        let action: OnChange = text.parse().unwrap();
        assert_eq!(action.without_query().to_string(), expected);
    }

    #[rstest]
    #[case("", ParseOnChangeError::Form)]
    #[case("restart-me", ParseOnChangeError::Form)]
    #[case("Restart", ParseOnChangeError::Form)]
    #[case("restart=web", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1/reload", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:8080", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:0/", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:99999/", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:+80/", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:80/a b", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1:80/a\r\nX: y", ParseOnChangeError::Form)]
    #[case("http://127.0.0.1@evil.example:80/", ParseOnChangeError::Form)]
    #[case("http://127.0.0.2:80/", ParseOnChangeError::Form)]
    #[case("http://169.254.169.254:80/", ParseOnChangeError::Form)]
    #[case("http://localhost:80/", ParseOnChangeError::Form)]
    #[case("https://127.0.0.1:80/", ParseOnChangeError::Form)]
    #[case("signal=SIGHUP", ParseOnChangeError::Signal)]
    #[case("signal=KILL", ParseOnChangeError::Signal)]
    #[case("signal=1", ParseOnChangeError::Signal)]
    #[case("signal=", ParseOnChangeError::Signal)]
    #[case("signal=HUP,process=", ParseOnChangeError::Process)]
    #[case("signal=HUP,process=/usr/sbin/nginx", ParseOnChangeError::Process)]
    #[case("signal=HUP,process=a b", ParseOnChangeError::Process)]
    fn anything_else_is_an_error(#[case] text: &str, #[case] expected: ParseOnChangeError) {
        assert_eq!(text.parse::<OnChange>(), Err(expected));
    }

    #[test]
    fn the_kernel_keeps_fifteen_bytes_of_a_name() {
        let name: ProcessName = "a-long-program-name".parse().unwrap();
        assert!(name.matches(b"a-long-program-"));
        assert!(!name.matches(b"a-long-program"));
        assert!(!name.matches(b"a-long-program-name"));
    }
}
