//! The port: connections with TLS, whose certificate is loaded again when it changes, or without.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use kees_server::{Contents, ReadError, Source};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::frame::Peer;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the beginning of HTTP/2 may take. Afterwards, the server's pings find connections without a client.
const BEGINNING: Duration = Duration::from_secs(10);
/// The bytes of the client's connection preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// The pause after an error of `accept`: the process has too few file descriptors, for example.
const PAUSE: Duration = Duration::from_millis(100);

/// Where calls are served, as the flags name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// An address, or a host name. Empty: all addresses.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Listens there. Of the addresses of a host name, it takes the first one that is possible.
    ///
    /// # Errors
    /// The address is in use, for example, or the name has none.
    pub async fn listen(&self) -> io::Result<TcpListener> {
        let host = self.host.as_str();
        if !host.is_empty() {
            return TcpListener::bind((host, self.port)).await;
        }
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, self.port)).await {
            // The system may have no IPv6.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port)).await
            }
            bound => bound,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The certificate and key of the server, PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is no PEM file of its kind.
    #[error("{path} has no {what} in PEM")]
    Pem {
        /// The file.
        path: String,
        /// `certificate`, `private key`.
        what: &'static str,
    },
    /// The certificate or the key cannot be used, or they do not fit together.
    #[error("the certificate and the key cannot be used")]
    Rustls(#[from] rustls::Error),
}

impl Source for TlsFiles {
    type Loaded = Arc<ServerConfig>;
    type Error = TlsError;

    fn name(&self) -> &'static str {
        "certificate"
    }

    fn paths(&self) -> Vec<&Path> {
        vec![&self.certificate, &self.key]
    }

    fn load(&self, contents: &Contents) -> Result<Arc<ServerConfig>, TlsError> {
        let pem = |path: &Path, what| TlsError::Pem {
            path: path.display().to_string(),
            what,
        };
        let [certificate, key] = &contents[..] else {
            return Err(pem(&self.certificate, "certificate"));
        };
        let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| pem(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| pem(&self.key, "private key"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A connection, with its place among the most that are allowed.
pub struct Connection {
    stream: Stream,
    /// Until the preface is read.
    beginning: Option<Beginning>,
    peer: SocketAddr,
    _place: OwnedSemaphorePermit,
}

/// The limit for clients that connect and send nothing. Each would keep a place for ever.
struct Beginning {
    timer: Pin<Box<Sleep>>,
    /// The bytes of the preface that are not read yet.
    left: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The connections of a listener, until the stream is dropped. `tls` is the current configuration; without it,
/// connections have no TLS. `most` connections are open at the same time, and the next one waits.
pub fn connections(
    listener: TcpListener,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    most: usize,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, connections) = mpsc::channel(16);
    let places = Arc::new(Semaphore::new(most));
    tokio::spawn(async move {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (sender, tls) = (sender.clone(), tls.as_ref().map(|tls| tls.borrow().clone()));
            tokio::spawn(async move {
                // If the handshake fails, only the caller has an interest in it.
                if let Some(stream) = shake_hands(stream, tls).await {
                    let connection = Connection {
                        stream,
                        beginning: Some(Beginning {
                            timer: Box::pin(sleep(BEGINNING)),
                            left: PREFACE,
                        }),
                        peer,
                        _place: place,
                    };
                    let _ = sender.send(Ok(connection)).await;
                }
            });
        }
    });
    ReceiverStream::new(connections)
}

async fn shake_hands(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> Option<Stream> {
    // Calls are small, and wait for each other.
    stream.set_nodelay(true).ok()?;
    let Some(tls) = tls else {
        return Some(Stream::Plain(stream));
    };
    match timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        Peer(self.peer.ip())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let Some(beginning) = &mut self.beginning else {
            return polled;
        };
        if polled.is_pending() && beginning.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ready!(polled)?;
        beginning.left = beginning
            .left
            .saturating_sub(buffer.filled().len() - filled);
        if beginning.left == 0 {
            self.beginning = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_stream::StreamExt as _;

    use super::*;

    /// IPv6 only where the system has it.
    #[rstest]
    #[case("localhost", &["127.0.0.1", "::1"])]
    #[case("127.0.0.1", &["127.0.0.1"])]
    #[case("", &["0.0.0.0", "::"])]
    #[tokio::test]
    async fn a_host_is_a_name_or_an_address_or_empty(
        #[case] host: &str,
        #[case] expected: &[&str],
    ) {
        let address = Address {
            host: host.to_owned(),
            port: 0,
        };
        let listener = address.listen().await.unwrap();
        let local = listener.local_addr().unwrap();
        assert!(
            expected.contains(&local.ip().to_string().as_str()),
            "{local}"
        );
        TcpStream::connect((local.ip(), local.port()))
            .await
            .unwrap();
    }

    /// Otherwise connections that send nothing keep all places.
    #[rstest]
    #[case(0, true)]
    #[case(PREFACE - 1, true)]
    #[case(PREFACE, false)]
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_begin_ends(#[case] sent: usize, #[case] ends: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = connections(listener, None, 1);
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[b'x'; PREFACE][..sent]).await.unwrap();
        let mut connection = connections.next().await.unwrap().unwrap();
        let mut read = vec![0; sent];
        connection.read_exact(&mut read).await.unwrap();
        let next = timeout(2 * BEGINNING, connection.read_u8()).await;
        assert_eq!(next.is_ok(), ends);
        if let Ok(error) = next {
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_an_error() {
        let address = Address {
            host: "a name with spaces".to_owned(),
            port: 0,
        };
        address.listen().await.unwrap_err();
    }
}
