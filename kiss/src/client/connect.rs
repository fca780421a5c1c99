//! The connection to the server.

use std::{fs, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::{args::ClientArgs, error::ClientError};

/// What a certificate in PEM begins with.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Connects to the server that the flags name.
pub(super) async fn connect(args: &ClientArgs) -> Result<Channel, ClientError> {
    let ClientArgs {
        server_addr: address,
        secure,
        ca_file,
        timeout,
        ..
    } = args;
    let unusable = |source| ClientError::Endpoint(address.to_string(), source);
    let scheme = if *secure { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .map_err(unusable)?
        .connect_timeout(*timeout)
        .keep_alive_timeout(Duration::from_secs(20));
    if *secure {
        let tls = match ca_file {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(path) => {
                let pem = fs::read(path).map_err(|source| ClientError::Read {
                    path: path.display().to_string(),
                    source,
                })?;
                if !pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
                    return Err(ClientError::NoCertificate(path.clone()));
                }
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
        };
        endpoint = endpoint.tls_config(tls).map_err(unusable)?;
    }
    endpoint.connect().await.map_err(|source| {
        let hint = if *secure {
            ": check --server-addr, and --ca-file if its certificate is not of a public authority"
        } else {
            ": check --server-addr, and that the server has no TLS"
        };
        ClientError::Connect {
            address: address.to_string(),
            hint,
            source,
        }
    })
}
